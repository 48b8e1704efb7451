"""The TCP sockets of a dockerd, and what a stranger was answered at each of them; pure."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from dockertls_vault.docker import hosts
from dockertls_vault.docker.diagnosis.checks import Check as Outside
from dockertls_vault.docker.diagnosis.report import Result
from dockertls_vault.errors import InvalidInput
from dockertls_vault.host.listening import Listener

from .checks import Check, combined

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dockertls_vault.docker.diagnosis.report import CheckResult, Report

# The checks from outside that each of ours combines.
_FROM_OUTSIDE = {
    Check.PLAINTEXT: (Outside.PLAINTEXT,),
    Check.STRANGERS: (Outside.NO_CERTIFICATE, Outside.FORGED_CERTIFICATE),
    Check.TRUST: (Outside.TRUST,),
    Check.VALIDITY: (Outside.VALIDITY,),
}


def expected_tcp(named: Sequence[str], streams: Sequence[str]) -> tuple[Listener, ...]:
    """Return the expected TCP sockets: those of the hosts ``named``, and those of systemd.

    ``streams`` are what it listens on, as in ListenStream=.
    """
    handed = [stream for stream in streams if not stream.startswith(("/", "@"))]
    return tuple(
        dict.fromkeys(
            each for text in (*filter(hosts.is_tcp, named), *handed) for each in _parse(text)
        )
    )


def expected_unix(named: Sequence[str], streams: Sequence[str]) -> tuple[Path, ...]:
    """Return the expected Unix sockets of the API, for the same arguments."""
    handed = [Path(stream) for stream in streams if stream.startswith("/")]
    if any(map(hosts.is_fd, named)) and not handed:
        handed = [hosts.DEFAULT_SOCKET]
    return tuple(dict.fromkeys((*filter(None, map(hosts.unix_socket, named)), *handed)))


def _parse(host: str) -> Iterator[Listener]:
    with suppress(InvalidInput):  # of a malformed one, with which dockerd does not start
        address = hosts.tcp_address(host)
        yield Listener(address.host, address.port)


def judge_sockets(
    seen: Sequence[str] | None, configured: Sequence[str], others: Sequence[str]
) -> CheckResult:
    """Judge what is known of the sockets: those ``seen`` by root, else those ``configured``.

    ``others`` are sockets of dockerd that do not serve its API, as those of a swarm.
    """
    if seen is None:
        known = ", ".join(configured) or "none"
        return Check.SOCKETS.skipped(
            f"needs root: only root sees the sockets of a process; by its settings: {known}"
        )
    lines = [f"of the API: {', '.join(seen) or 'none'}"]
    lines += [f"others: {', '.join(others)}"] if others else []
    return Check.SOCKETS.found(Result.OK, lines)


def judge_closed(
    socket: str,
    listed: CheckResult,
    without_tls: PurePath | None,
    set_up: str,
    *,
    taken: Sequence[int] = (),
) -> CheckResult:
    """Judge that ``socket`` of a set-up is closed while dockerd runs; ``listed`` are the others.

    ``without_tls`` is the daemon.json that does not configure TLS, None if it does; ``set_up`` is
    what to run if not. ``taken`` are its ports at which another process listens.
    """
    if without_tls is not None:
        reason = (
            f"{without_tls} does not configure TLS any more, so the socket was closed before "
            "dockerd started, which would serve its API on it without TLS"
        )
        return _closed(socket, listed, reason, set_up)
    if taken:
        reason = "; ".join(
            f"port {port} is in use; `ss -ltnp sport = :{port}` says by what" for port in taken
        )
        remedy = "stop that process, then restart dockerd: sudo systemctl restart docker"
        return _closed(socket, listed, reason, remedy)
    remedy = (
        "restart dockerd, which opens it: sudo systemctl restart docker; if it stays closed, see "
        f"`systemctl status {socket}`"
    )
    return _closed(socket, listed, "the connections of clients are refused", remedy)


def judge_without_drop_in(
    socket: str, listed: CheckResult, set_up: str, *, is_held: bool
) -> CheckResult:
    """Judge that ``socket`` is closed since the drop-in, which opens it, is missing.

    ``is_held`` is whether dockerd was started with it.
    """
    reason = "the drop-in for docker.service is missing, so systemd "
    if is_held:
        reason += "has closed the socket; dockerd listens at it until it is restarted"
        return _closed(socket, listed, reason, set_up)
    reason += (
        "does not open the socket; if `daemon restart` has found that dockerd lets anyone in, it "
        "has removed the drop-in to close the port"
    )
    remedy = (
        "in that case, first find in `systemctl cat docker.service` what starts dockerd without "
        f"TLS; then {set_up}"
    )
    return _closed(socket, listed, reason, remedy)


def _closed(socket: str, listed: CheckResult, reason: str, remedy: str) -> CheckResult:
    lines = (f"{socket} is set up, but closed", *listed.summary.split("\n"))
    return Check.SOCKETS.found(Result.ERROR, lines, reason, remedy)


def judge_unguarded(socket: str, listed: CheckResult, set_up: str) -> CheckResult:
    """Judge that nothing checks for TLS before dockerd is handed the ``socket`` of a set-up."""
    return Check.SOCKETS.found(
        Result.ERROR,
        (f"{socket} is opened without a check for TLS", *listed.summary.split("\n")),
        "the drop-in for docker.service was edited, or another one resets ExecStartPre=; a dockerd "
        "without TLS settings would serve its API in plaintext",
        set_up,
    )


def serves_api(report: Report, *, is_expected: bool) -> bool:
    """Tell whether a socket is one of the API: it is expected to be, or it accepts strangers.

    A dockerd also listens for its swarm, and for a collector of metrics.
    """
    return is_expected or report.result is Result.CRITICAL


def judge_outside(reports: Mapping[str, Report]) -> list[CheckResult]:
    """Return the results of the connections as a stranger; ``reports`` has each socket's name."""
    if not reports:
        return [check.found(Result.OK, "no TCP socket") for check in _FROM_OUTSIDE]
    return [
        combined(check, [(name, _of(report, outside)) for name, report in reports.items()])
        for check, outside in _FROM_OUTSIDE.items()
    ]


def usage_on_the_wire(report: Report) -> CheckResult:
    """Return what the check from outside found about the extended key usage."""
    return _of(report, (Outside.USAGE,))


def _of(report: Report, checks: Sequence[Outside]) -> CheckResult:
    """Return the worst of these checks; that the port does not answer counts for each of them."""
    by_name = {found.check: found for found in report.checks}
    port = by_name[Outside.PORT.identifier]
    if port.result is not Result.OK:
        return port
    found = [by_name[check.identifier] for check in checks]
    return max(found, key=lambda each: each.result.severity)
