"""Diagnose the dockerd on this host: the settings, sockets and files that it runs with.

Nothing is changed. What only root may read is left out for other users, with the reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .check import check
from .daemon import configuration, exposure, running, served, startup, tls_files, units
from .daemon.examination import certificates, clients, keys, set_up, settings, sockets
from .daemon.examination.checks import Check, combined, overall
from .docker import cli_versions
from .docker.diagnosis import server_certificate
from .docker.diagnosis.report import Result
from .docker.endpoint import Endpoint
from .docker.engine import Engine
from .docker.handshake import authorities, probe
from .docker.handshake.outcome import Greeting
from .errors import DockerUnavailable
from .files.writers import Trust
from .host import listening

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime, timedelta

    from .daemon.configuration import Configuration
    from .daemon.supervision import Supervision
    from .daemon.tls_files import TLSFiles
    from .docker.diagnosis.report import CheckResult, Report
    from .host.listening import Listener
    from .host.processes import Process

_PIDFILE = Path("/var/run/docker.pid")
_STARTING = 1.0  # seconds in which dockerd reads its configuration


@dataclass(frozen=True)
class Target:
    """What to diagnose: the dockerd with this ``pid``, or the one of this host if it is None.

    ``environ`` is the environment of the docker CLI, ``timeout`` the limit for each response, and
    ``certificates`` the directory of a server credential.
    """

    pid: int | None
    environ: Mapping[str, str]
    timeout: timedelta
    certificates: Path


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

    @property
    def streams(self) -> tuple[str, ...]:
        """What the sockets listen on that systemd hands over, as in ListenStream=."""
        return self.supervision.streams if self.supervision else ()


def diagnose(
    target: Target,
    supervision: Supervision | None,
    ask_vault: Callable[[], Sequence[CheckResult]],
    now: datetime,
) -> Diagnosis:
    """Diagnose a dockerd; never raise for what is found.

    ``ask_vault`` returns the results of the checks that need Vault.
    """
    search = running.find(target.pid, supervision.pid if supervision else None, _PIDFILE)
    process, dockerd = search.process, None
    results = [running.judge(search, by_systemd=supervision is not None)]
    if process is None:
        planned = _planned(supervision, None) or configuration.read((), None)
        results += startup.judge(planned, supervision, target.timeout)
    elif not process.in_other_namespaces:
        subject = _subject(process, supervision)
        dockerd, found = _examine(subject, target, now)
        results += [
            *startup.judge(subject.planned, subject.supervision, target.timeout),
            *found,
        ]
    inherited = process.environ if process else None
    results += [clients.judge_environment(target.environ, inherited), *ask_vault()]
    checks = _in_order(results)
    return Diagnosis(overall(checks), dockerd, checks)


def _subject(process: Process, supervision: Supervision | None) -> _Subject:
    """Return a process with how it was started, and how systemd will start the next one."""
    if supervision and supervision.pid != process.pid:
        supervision = None
    started = configuration.read(process.arguments[1:], process.environ)
    planned = _planned(supervision, process.environ) or started
    return _Subject(process, supervision, started, planned)


def _planned(
    supervision: Supervision | None, environ: Mapping[str, str] | None
) -> Configuration | None:
    """Return the configuration of the next start, None if it is not known."""
    if supervision is None or supervision.command is None:
        return None
    return configuration.read(supervision.command[1:], environ)


def _in_order(results: Sequence[CheckResult]) -> tuple[CheckResult, ...]:
    """Return a result for each check, in the order of the report."""
    done = {result.check: result for result in results}
    return tuple(
        done.get(check.identifier) or check.skipped("no dockerd to examine") for check in Check
    )


def _examine(subject: _Subject, target: Target, now: datetime) -> tuple[Dockerd, list[CheckResult]]:
    """Return a running dockerd with the sockets of its API, and the results for it."""
    files = tls_files.read(subject.started.settings)
    seen, expected = _sockets(subject)
    reports = _ask_as_stranger(expected if seen is None else seen, expected, target.timeout, now)
    api = tuple(reports)
    others = [str(each) for each in seen or () if str(each) not in reports]
    on_tcp = None if seen is None and not api else bool(api)
    configure = _set_up(subject, target.certificates)
    results = [
        _judge_pending(subject),
        _judge_client_ca(subject, files, on_tcp=on_tcp),
        _judge_sockets(
            subject,
            configure,
            sockets.judge_sockets(
                api if seen is not None else None, list(map(str, expected)), others
            ),
        ),
        *sockets.judge_outside({name: report for name, (report, _) in reports.items()}),
        *_judge_certificates(reports, files, now, by_systemd=subject.supervision is not None),
        _judge_keys(subject),
        *_judge_responses(subject, target),
    ]
    if subject.supervision is not None:
        tls = subject.started.settings.tls
        results = [set_up.advise(found, configure, tls=tls) for found in results]
    process = subject.process
    return Dockerd(process.pid, process.arguments, process.started, api), results


def _sockets(subject: _Subject) -> tuple[tuple[Listener, ...] | None, tuple[Listener, ...]]:
    """Return the TCP sockets of the process, None if only root sees them, and those expected."""
    in_force = subject.started.settings
    expected = sockets.expected_tcp(in_force.hosts, subject.streams)
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
    for listener in listeners:
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


def _set_up(subject: _Subject, certificates: Path) -> str:
    """Return what to run to set up this dockerd."""
    planned, supervision = subject.planned, subject.supervision
    return set_up.command(
        planned.flags,
        planned.values,
        planned.settings,
        is_set_up=supervision is not None and supervision.is_open is not None,
        is_issued=served.is_issued(certificates),
    )


def _judge_sockets(subject: _Subject, configure: str, listed: CheckResult) -> CheckResult:
    """Judge the sockets, ``listed``, by what the set-up of this host promises."""
    supervision = subject.supervision
    if supervision is None or supervision.is_open is None:
        return listed
    if not supervision.is_guarded:
        return sockets.judge_unguarded(units.SOCKET, listed, configure)
    if supervision.is_open:
        return listed
    has_tls = settings.configures_tls(subject.planned.values)
    without_tls = None if has_tls else subject.planned.file
    return sockets.judge_closed(units.SOCKET, listed, without_tls, configure)


def _judge_pending(subject: _Subject) -> CheckResult:
    started, planned = subject.started, subject.planned
    return settings.judge_pending(
        started.flags,
        planned.flags if subject.supervision else None,
        planned.values,
        is_newer=planned.written > subject.process.started.timestamp() + _STARTING,
        is_unit_stale=bool(subject.supervision and subject.supervision.is_stale),
        file=planned.file,
    )


def _judge_client_ca(subject: _Subject, files: TLSFiles, *, on_tcp: bool | None) -> CheckResult:
    if subject.started.unknown:
        return Check.CLIENT_CA.skipped(subject.started.unknown)
    if subject.started.problem is not None and not subject.started.settings.tls:
        # TLS may be in the file that cannot be read; the handshakes tell what is served.
        return Check.CLIENT_CA.skipped("the configuration cannot be read")
    public = authorities.public_authorities()
    return settings.judge_client_ca(
        subject.started.settings, files.subjects_of_cas, public, on_tcp=on_tcp
    )


def _judge_certificates(
    reports: Mapping[str, tuple[Report, Greeting]],
    files: TLSFiles,
    now: datetime,
    *,
    by_systemd: bool,
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
            greeting, received, on_disk, files.subjects_of_cas, by_systemd=by_systemd
        )
        stale.append((name, judged))
        usage.append((name, sockets.usage_on_the_wire(report)))
    return [
        combined(Check.STALE, stale),
        combined(Check.USAGE, usage),
        certificates.judge_cas(files.cas, files.intermediates, files.also_trusted, now),
    ]


def _judge_keys(subject: _Subject) -> CheckResult:
    """Judge who can access the keys beside the TLS files, and the settings of dockerd."""
    in_force = subject.started.settings
    key = None if in_force.tlskey is None else Path(in_force.tlskey)
    named = [Path(path) for path in (key, in_force.tlscert, in_force.tlscacert) if path]
    group = tls_files.group_of_key(key) if key else None
    trust = Trust(frozenset({0, subject.process.owner}), group)
    file = subject.started.file
    written = [file, *(subject.supervision.files if subject.supervision else ())]
    found = exposure.examine(key, [*named, file], written, trust)
    unknown = [subject.started.unknown] if subject.started.unknown else []
    return keys.judge_keys(
        found.keys, found.directories, found.settings, [*found.unknown, *unknown]
    )


def _judge_responses(subject: _Subject, target: Target) -> list[CheckResult]:
    """Judge live-restore and the API by what the daemon reports at its unix socket, if it may."""
    in_force = subject.started.settings
    found = sockets.expected_unix(in_force.hosts, subject.streams)
    info, version = _ask_engine(found, target.timeout)
    assumed = None if subject.started.unknown else in_force.live_restore
    installed = cli_versions.find(target.environ.get("PATH", ""), target.timeout)
    return [
        settings.judge_live_restore(
            info, assumed=assumed, by_systemd=subject.supervision is not None
        ),
        clients.judge_api(version, installed),
    ]


def _ask_engine(
    unix_sockets: Sequence[Path], timeout: timedelta
) -> tuple[Mapping[str, Any] | str, Mapping[str, Any] | str]:
    """Return ``/info`` and ``/version`` from the first socket that answers, or why none does."""
    reason = "it has no Unix socket"
    for path in unix_sockets:
        engine = Engine(path, timeout)
        try:
            return engine.info(), engine.version()
        except DockerUnavailable as error:
            reason = f"{error.message}; {error.hint}"
    return reason, reason
