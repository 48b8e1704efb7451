"""Examine a dockerd by what this host has of it: its settings, its files and its Unix socket."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from dockertls_vault.docker import cli_versions
from dockertls_vault.docker.diagnosis import server_certificate
from dockertls_vault.docker.engine import Engine
from dockertls_vault.docker.handshake import authorities
from dockertls_vault.errors import DockerUnavailable
from dockertls_vault.files.writers import Trust
from dockertls_vault.host import listening

from . import containers, docker_service, exposure, served, tls_files, units
from .examination import certificates, clients, keys, set_up, settings, sockets
from .examination.checks import Check, combined

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta

    from dockertls_vault.docker.diagnosis.report import CheckResult, Report
    from dockertls_vault.docker.handshake.outcome import Greeting

    from .subject import Subject
    from .tls_files import TLSFiles

_STARTING = 1.0  # seconds in which dockerd reads its configuration


def remedy(subject: Subject, certificates: Path) -> str:
    """Return what to run to set up this dockerd."""
    planned, supervision = subject.planned, subject.supervision
    return set_up.command(
        planned.flags,
        planned.values,
        planned.settings,
        is_set_up=supervision is not None and supervision.is_open is not None,
        is_issued=served.is_issued(certificates),
    )


def judge_sockets(subject: Subject, listed: CheckResult, configure: str) -> CheckResult:
    """Judge the sockets, ``listed``, by what the set-up of this host promises.

    ``configure`` is the remedy.
    """
    supervision = subject.supervision
    if supervision is None or supervision.is_open is None:
        return listed
    if supervision.is_open:
        if supervision.is_guarded:
            return listed
        return sockets.judge_unguarded(units.SOCKET, listed, configure)
    if not supervision.is_guarded:
        is_held = docker_service.holds_our_socket(subject.process)
        return sockets.judge_without_drop_in(units.SOCKET, listed, configure, is_held=is_held)
    has_tls = settings.configures_tls(subject.planned.values)
    without_tls = None if has_tls else subject.planned.file
    return sockets.judge_closed(units.SOCKET, listed, without_tls, configure, taken=_taken(subject))


def _taken(subject: Subject) -> tuple[int, ...]:
    """Return the ports of our socket, which is closed, at which another process listens."""
    if docker_service.holds_our_socket(subject.process):
        return ()
    ports = dict.fromkeys(each.port for each in sockets.expected_tcp((), subject.streams))
    return tuple(port for port in ports if listening.on_port(port))


def judge_pending(subject: Subject) -> CheckResult:
    """Judge whether dockerd, or systemd, has yet to read what is configured."""
    started, planned = subject.started, subject.planned
    return settings.judge_pending(
        started.flags,
        planned.flags if subject.supervision else None,
        planned.values,
        is_newer=planned.written > subject.process.started.timestamp() + _STARTING,
        is_unit_stale=bool(subject.supervision and subject.supervision.is_stale),
        file=planned.file,
    )


def judge_client_ca(subject: Subject, files: TLSFiles, *, on_tcp: bool | None) -> CheckResult:
    """Judge whose clients dockerd accepts; ``on_tcp`` is whether it has a TCP socket, if known."""
    if subject.started.unknown:
        return Check.CLIENT_CA.skipped(subject.started.unknown)
    if subject.started.problem is not None and not subject.started.settings.tls:
        # TLS may be in the file that cannot be read; the handshakes tell what is served.
        return Check.CLIENT_CA.skipped("the configuration cannot be read")
    public = authorities.public_authorities()
    return settings.judge_client_ca(
        subject.started.settings, files.subjects_of_cas, public, on_tcp=on_tcp
    )


def judge_certificates(
    subject: Subject,
    reports: Mapping[str, tuple[Report, Greeting]],
    files: TLSFiles,
    now: datetime,
) -> list[CheckResult]:
    """Judge the certificate on disk and at each socket, and the CAs."""
    stale, usage = [], []
    if isinstance(files.leaf, str):
        usage.append(("tlscert", Check.USAGE.skipped(files.leaf)))
    elif files.leaf is not None:
        usage.append(("tlscert", server_certificate.judge_usage(files.leaf)))
    on_disk = files.leaf or "tlscert is not set"
    for name, (report, greeting) in reports.items():
        received = server_certificate.load(greeting.certificate)
        judged = certificates.judge_stale(
            greeting,
            received,
            on_disk,
            files.subjects_of_cas,
            by_systemd=subject.supervision is not None,
        )
        stale.append((name, judged))
        usage.append((name, sockets.usage_on_the_wire(report)))
    return [
        combined(Check.STALE, stale),
        combined(Check.USAGE, usage),
        certificates.judge_cas(files.cas, files.intermediates, files.also_trusted, now),
    ]


def judge_keys(subject: Subject) -> CheckResult:
    """Judge who can access the keys beside the TLS files, and the settings of dockerd."""
    in_force = subject.started.settings
    key = None if in_force.tlskey is None else Path(in_force.tlskey)
    named = [Path(path) for path in (key, in_force.tlscert, in_force.tlscacert) if path]
    group = tls_files.group_of_key(key) if key else None
    trust = Trust(frozenset({0, subject.process.owner}), group)
    file = subject.started.file
    written = [file, *(subject.supervision.files if subject.supervision else ())]
    exposed = exposure.examine(key, [*named, file], written, trust)
    unknown = [subject.started.unknown] if subject.started.unknown else []
    return keys.judge_keys(
        exposed.keys, exposed.directories, exposed.settings, [*exposed.unknown, *unknown]
    )


def judge_responses(subject: Subject, path: str, timeout: timedelta) -> list[CheckResult]:
    """Judge live-restore and the API by what the daemon reports at its unix socket, if it may.

    ``path`` is where the docker CLIs are (PATH), ``timeout`` the limit for each response.
    """
    in_force = subject.started.settings
    unix_sockets = sockets.expected_unix(in_force.hosts, subject.streams)
    info, version, removed = _ask_engine(unix_sockets, timeout)
    assumed = None if subject.started.unknown else in_force.live_restore
    installed = cli_versions.find(path, timeout)
    return [
        settings.judge_live_restore(
            info, removed, assumed=assumed, by_systemd=subject.supervision is not None
        ),
        clients.judge_api(version, installed),
    ]


def _ask_engine(
    unix_sockets: Sequence[Path], timeout: timedelta
) -> tuple[Mapping[str, Any] | str, Mapping[str, Any] | str, tuple[str, ...]]:
    """Return ``/info``, ``/version`` and the containers that a restart removes.

    They are from the first socket that answers, or are why none does.
    """
    reason = "it has no Unix socket"
    for path in unix_sockets:
        engine = Engine(path, timeout)
        try:
            info = engine.info()
            removed = containers.removed(engine, info, containers.running(engine))
            return info, engine.version(), removed
        except DockerUnavailable as error:
            reason = f"{error.message}; {error.hint}"
    return reason, reason, ()
