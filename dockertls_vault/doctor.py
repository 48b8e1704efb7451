"""Diagnose the dockerd on this host: the settings, sockets and files that it runs with.

Nothing is changed. What only root may read is left out for other users, with the reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .check import check
from .daemon import configuration, examiner, running, startup, tls_files
from .daemon.examination import clients, set_up, sockets
from .daemon.examination.checks import Check, overall
from .daemon.subject import Subject, next_start
from .docker.diagnosis.report import Result
from .docker.endpoint import Endpoint
from .docker.handshake import probe
from .docker.handshake.outcome import Greeting
from .errors import DockerUnavailable
from .host import listening

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime, timedelta
    from pathlib import Path

    from .daemon.supervision import Supervision
    from .docker.diagnosis.report import CheckResult, Report
    from .host.listening import Listener


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


def diagnose(
    target: Target,
    supervision: Supervision | None,
    ask_vault: Callable[[], Sequence[CheckResult]],
    now: datetime,
) -> Diagnosis:
    """Diagnose a dockerd; never raise for what is found.

    ``ask_vault`` returns the results of the checks that need Vault.
    """
    search = running.find(target.pid, supervision.pid if supervision else None)
    process, dockerd = search.process, None
    results = [running.judge(search, by_systemd=supervision is not None)]
    if process is None:
        planned = next_start(supervision, None) or configuration.read((), None)
        results += startup.judge(planned, supervision, target.timeout)
    elif not process.in_other_namespaces:
        subject = Subject.of(process, supervision)
        results += startup.judge(subject.planned, subject.supervision, target.timeout)
        dockerd, judged = _examine(subject, target, now)
        results += judged
    inherited = process.environ if process else None
    results += [clients.judge_environment(target.environ, inherited), *ask_vault()]
    checks = _in_order(results)
    return Diagnosis(overall(checks), dockerd, checks)


def _in_order(results: Sequence[CheckResult]) -> tuple[CheckResult, ...]:
    """Return a result for each check, in the order of the report."""
    done = {result.check: result for result in results}
    return tuple(
        done.get(check.identifier) or check.skipped("no dockerd to examine") for check in Check
    )


def _examine(subject: Subject, target: Target, now: datetime) -> tuple[Dockerd, list[CheckResult]]:
    """Return a running dockerd with the sockets of its API, and the results for it."""
    files = tls_files.read(subject.started.settings)
    seen, expected = _sockets(subject)
    reports = _ask_as_stranger(expected if seen is None else seen, expected, target.timeout, now)
    api = tuple(reports)
    others = [str(each) for each in seen or () if str(each) not in reports]
    on_tcp = None if seen is None and not api else bool(api)
    listed = sockets.judge_sockets(None if seen is None else api, list(map(str, expected)), others)
    configure = examiner.remedy(subject, target.certificates)
    results = [
        examiner.judge_pending(subject),
        examiner.judge_client_ca(subject, files, on_tcp=on_tcp),
        examiner.judge_sockets(subject, listed, configure),
        *sockets.judge_outside({name: report for name, (report, _) in reports.items()}),
        *examiner.judge_certificates(subject, reports, files, now),
        examiner.judge_keys(subject),
        *examiner.judge_responses(subject, target.environ.get("PATH", ""), target.timeout),
    ]
    if subject.supervision is not None:
        is_set_up = subject.supervision.is_open is not None
        results = [set_up.advise(result, configure, is_set_up=is_set_up) for result in results]
    process = subject.process
    return Dockerd(process.pid, process.arguments, process.started, api), results


def _sockets(subject: Subject) -> tuple[tuple[Listener, ...] | None, tuple[Listener, ...]]:
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
    reports = {}
    for listener in listeners:
        report, endpoint = _check(listener, timeout, now)
        if sockets.serves_api(report, is_expected=not ports or listener.port in ports):
            reports[str(listener)] = report, _greet(endpoint, report, timeout)
    return reports


def _check(listener: Listener, timeout: timedelta, now: datetime) -> tuple[Report, Endpoint]:
    """Check a socket as a stranger, at the first of its addresses that accepts a connection.

    If dockerd does not answer there, each further address would only cost another timeout.
    """
    *others, last = (Endpoint(address, listener.port) for address in listener.dialable)
    for endpoint in others:
        report = check(endpoint, None, timeout=timeout, now=now)
        if report.address is not None:
            return report, endpoint
    return check(last, None, timeout=timeout, now=now), last


def _greet(endpoint: Endpoint, report: Report, timeout: timedelta) -> Greeting:
    """Return what a socket shows to strangers, nothing if it has not answered them in time."""
    if report.result is Result.UNREACHABLE:
        return Greeting()
    try:
        return probe.greet(probe.connect(endpoint, timeout), timeout)
    except DockerUnavailable:
        return Greeting()
