"""Diagnose the dockerd on this host: the settings, sockets and files that it runs with.

Nothing is changed. What only root may read is left out for other users, with the reason.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .certificate.certificate import load_certificates
from .check import check
from .daemon import configuration, exposure, running, tls_files
from .daemon.examination import certificates, clients, keys, settings, sockets
from .daemon.examination.checks import Check, combined, overall
from .docker import cli_versions
from .docker.diagnosis.report import Result
from .docker.diagnosis.server_certificate import judge_usage
from .docker.endpoint import Endpoint
from .docker.engine import Engine
from .docker.handshake import authorities, probe
from .docker.handshake.outcome import Greeting
from .errors import DockerUnavailable, VerificationError
from .files.writers import Trust
from .host import listening

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime, timedelta

    from cryptography.x509 import Certificate

    from .daemon.configuration import Configuration
    from .daemon.supervision import Supervision
    from .daemon.tls_files import TLSFiles
    from .docker.diagnosis.report import CheckResult, Report
    from .host.listening import Listener
    from .host.processes import Process

_PIDFILE = Path("/var/run/docker.pid")
_SOCKET = Path("/var/run/docker.sock")
_MOST_SOCKETS = 20  # each takes several connections
_STARTING = 1.0  # seconds in which dockerd reads its configuration


@dataclass(frozen=True)
class Asking:
    """What to diagnose: the dockerd with this ``pid``, or the one of this host if it is None.

    ``environ`` is the environment of the docker CLI, ``timeout`` the limit for each response.
    """

    pid: int | None
    environ: Mapping[str, str]
    timeout: timedelta


@dataclass(frozen=True)
class Dockerd:
    """The process that was diagnosed: its arguments, when it started (UTC), and its TCP sockets.

    ``sockets`` are those at which it serves its API (``0.0.0.0:2376``).
    """

    pid: int
    command: tuple[str, ...]
    started: datetime
    sockets: tuple[str, ...]


@dataclass(frozen=True)
class Diagnosis:
    """The results of all checks in order, and the worst; ``dockerd`` is None if none was found."""

    result: Result
    dockerd: Dockerd | None
    checks: tuple[CheckResult, ...]


@dataclass(frozen=True)
class _Subject:
    """A dockerd that runs here: what it was started with, and how the next one is started.

    ``supervision`` is None if systemd does not run it.
    """

    process: Process
    supervision: Supervision | None
    started: Configuration
    planned: Configuration


def diagnose(
    asking: Asking,
    supervision: Supervision | None,
    ask_vault: Callable[[], Sequence[CheckResult]],
    now: datetime,
) -> Diagnosis:
    """Diagnose a dockerd; never raise for what is found.

    ``ask_vault`` returns the results of the checks that need Vault.
    """
    search = running.find(asking.pid, supervision.pid if supervision else None, _PIDFILE)
    process = search.process
    if supervision and process and process.pid != supervision.pid:
        supervision = None
    environ = process.environ if process else None
    arguments = process.arguments[1:] if process else ()
    started = planned = configuration.read(arguments, environ)
    if supervision and supervision.arguments is not None:
        planned = configuration.read(supervision.arguments, environ)
    results = [running.judge(search)]
    dockerd = None
    is_elsewhere = process is not None and process.is_elsewhere
    if not is_elsewhere:
        results += configuration.judge(planned)
    if process is not None and not is_elsewhere:
        found, api = _examine(_Subject(process, supervision, started, planned), asking, now)
        results += found
        dockerd = Dockerd(process.pid, process.arguments, process.started, api)
    results += [clients.judge_environment(asking.environ, environ), *ask_vault()]
    done = {result.check: result for result in results}
    every = tuple(
        done.get(each.identifier) or each.skipped("no dockerd to examine") for each in Check
    )
    return Diagnosis(overall(every), dockerd, every)


def _examine(
    subject: _Subject, asking: Asking, now: datetime
) -> tuple[list[CheckResult], tuple[str, ...]]:
    """Return the results for a running dockerd, and its TCP sockets of the API."""
    started, planned = subject.started, subject.planned
    in_force = started.settings
    files = tls_files.read(in_force)
    seen, configured = _sockets(subject)
    reports = _ask_as_stranger(
        seen if seen is not None else configured, configured, asking.timeout, now
    )
    api = tuple(reports)
    others = [str(each) for each in seen or () if str(each) not in reports]
    results = [
        settings.judge_pending(
            started.flags,
            planned.flags if subject.supervision else None,
            planned.values,
            is_newer=planned.written > subject.process.started.timestamp() + _STARTING,
            is_unit_stale=bool(subject.supervision and subject.supervision.is_stale),
            file=planned.file,
        ),
        _judge_client_ca(subject, files, on_tcp=None if seen is None and not api else bool(api)),
        sockets.judge_sockets(
            None if seen is None else api, [str(each) for each in configured], others
        ),
        *sockets.judge_outside({name: report for name, (report, _) in reports.items()}),
        *_judge_certificates(reports, files, now),
        _judge_keys(subject),
        *_ask_engine(subject, asking),
    ]
    return results, api


def _sockets(subject: _Subject) -> tuple[tuple[Listener, ...] | None, tuple[Listener, ...]]:
    """Return the TCP sockets of the process, None if only root sees them, and those expected."""
    in_force, supervision = subject.started.settings, subject.supervision
    expected = sockets.configured(
        in_force.hosts, supervision.streams if supervision else (), tls=in_force.tls
    )
    try:
        return listening.of_process(subject.process.pid), expected
    except OSError:
        return None, expected


def _ask_as_stranger(
    listeners: Sequence[Listener], expected: Sequence[Listener], timeout: timedelta, now: datetime
) -> dict[str, tuple[Report, Greeting]]:
    """Connect to each socket as a stranger, and return what those of the API showed."""
    ports = {each.port for each in expected}
    found = {}
    for listener in listeners[:_MOST_SOCKETS]:
        report, endpoint = _check(listener, timeout, now)
        if sockets.serves_api(report, is_expected=not ports or listener.port in ports):
            found[str(listener)] = report, _greet(endpoint, timeout)
    return found


def _check(listener: Listener, timeout: timedelta, now: datetime) -> tuple[Report, Endpoint]:
    """Check a socket as a stranger, at the first of its addresses that answers."""
    *others, last = (Endpoint(address, listener.port) for address in listener.dialable)
    for endpoint in others:
        report = check(endpoint, None, timeout=timeout, now=now)
        if report.result is not Result.UNREACHABLE:
            return report, endpoint
    return check(last, None, timeout=timeout, now=now), last


def _greet(endpoint: Endpoint, timeout: timedelta) -> Greeting:
    try:
        return probe.greet(probe.connect(endpoint, timeout), timeout)
    except DockerUnavailable:
        return Greeting()


def _judge_client_ca(subject: _Subject, files: TLSFiles, *, on_tcp: bool | None) -> CheckResult:
    if subject.started.unknown:
        return Check.CLIENT_CA.skipped(subject.started.unknown)
    named = files.cas if isinstance(files.cas, str) else [ca.subject for ca in files.cas]
    public = authorities.public_authorities()
    return settings.judge_client_ca(subject.started.settings, named, public, on_tcp=on_tcp)


def _judge_certificates(
    reports: Mapping[str, tuple[Report, Greeting]], files: TLSFiles, now: datetime
) -> list[CheckResult]:
    """Judge the certificate on disk and at each socket, and the CAs."""
    on_disk = files.chain if isinstance(files.chain, str) else files.chain[0] if files.chain else ""
    trusted = files.cas if isinstance(files.cas, str) else [ca.subject for ca in files.cas]
    stale, usage = [], []
    if isinstance(on_disk, str):
        if on_disk:
            usage.append(("tlscert", Check.USAGE.skipped(on_disk)))
    else:
        usage.append(("tlscert", judge_usage(on_disk)))
    for name, (report, greeting) in reports.items():
        served = _load(greeting.certificate)
        stale.append((name, certificates.judge_stale(greeting, served, on_disk, trusted)))
        usage.append((name, sockets.usage_on_the_wire(report)))
    chain = () if isinstance(files.chain, str) else files.chain[1:]
    return [
        combined(Check.STALE, stale),
        combined(Check.USAGE, usage),
        certificates.judge_cas(files.cas, chain, now),
    ]


def _load(der: bytes | None) -> Certificate | None:
    """Read a certificate from a handshake; None if there is none, or it cannot be read."""
    if der is None:
        return None
    try:
        return load_certificates(ssl.DER_cert_to_PEM_cert(der))[0]
    except VerificationError:
        return None


def _judge_keys(subject: _Subject) -> CheckResult:
    """Judge who can access the keys beside the TLS files and daemon.json."""
    in_force = subject.started.settings
    key = None if in_force.tlskey is None else Path(in_force.tlskey)
    named = [Path(path) for path in (key, in_force.tlscert, in_force.tlscacert) if path]
    group = tls_files.group_of_key(key) if key else None
    trust = Trust(frozenset({0, subject.process.owner}), group)
    found = exposure.examine(key, [*named, subject.started.file], trust)
    unknown = [subject.started.unknown] if subject.started.unknown else []
    return keys.judge_keys(found.keys, found.directories, [*found.unknown, *unknown])


def _ask_engine(subject: _Subject, asking: Asking) -> list[CheckResult]:
    """Judge live-restore and the API by what the daemon reports at its unix socket, if it may."""
    info: Mapping[str, Any] | str = "it has no Unix socket"
    version = info
    for path in _unix_sockets(subject):
        engine = Engine(path, asking.timeout)
        try:
            info, version = engine.info(), engine.version()
            break
        except DockerUnavailable as error:
            info = version = f"{error.message}; {error.hint}"
    assumed = None if subject.started.unknown else subject.started.settings.live_restore
    installed = cli_versions.find(asking.environ.get("PATH", ""), asking.timeout)
    return [
        settings.judge_live_restore(info, assumed=assumed),
        clients.judge_api(version, installed),
    ]


def _unix_sockets(subject: _Subject) -> list[Path]:
    """Return the unix sockets at which the daemon serves its API."""
    hosts = subject.started.settings.hosts
    named = [Path(host.removeprefix("unix://")) for host in hosts if host.startswith("unix://")]
    handed = list(subject.supervision.unix_sockets) if subject.supervision else []
    return [*named, *handed] or ([_SOCKET] if not hosts or "fd://" in hosts else [])
