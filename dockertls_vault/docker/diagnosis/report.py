"""The results of a check of a daemon."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dockertls_vault.certificate.certificate import Description
    from dockertls_vault.docker.handshake.outcome import Version


class Result(StrEnum):
    """The severity of a result, from best to worst.

    UNKNOWN: the check ran and was inconclusive. SKIPPED: it did not run.
    """

    OK = "ok"
    WARNING = "warning"
    SKIPPED = "skipped"
    UNKNOWN = "unknown"
    ERROR = "error"
    UNREACHABLE = "unreachable"
    CRITICAL = "critical"

    @property
    def severity(self) -> int:
        """The larger, the worse."""
        return list(Result).index(self)

    @property
    def exit_status(self) -> int:
        """The exit status of `check` if nothing worse was found."""
        return _EXIT_STATUS[self]


_EXIT_STATUS = {
    Result.OK: 0,
    Result.WARNING: 1,
    Result.SKIPPED: 3,  # the same as UNKNOWN, as in monitoring plugins
    Result.UNKNOWN: 3,
    Result.ERROR: 65,  # EX_DATAERR
    Result.UNREACHABLE: 69,  # EX_UNAVAILABLE
    Result.CRITICAL: 76,  # EX_PROTOCOL
}


@dataclass(frozen=True)
class CheckResult:
    """What one check found; ``Check.found`` makes it.

    ``check`` is the identifier of the check, the other texts are for people. ``reason`` and
    ``remedy`` are None if nothing is wrong.
    """

    check: str
    result: Result
    description: str
    summary: str
    reason: str | None = None
    remedy: str | None = None


@dataclass(frozen=True)
class Report:
    """The results of all checks in order, and what the daemon revealed of itself.

    ``endpoint`` is the one dialed (``tcp://h:2376``), ``address`` the IP address that answered,
    ``certificate`` the one that the daemon presented, ``daemon`` the answer to ``/version`` with
    our client certificate on that same connection. Each is None if the checks did not get so far.
    """

    endpoint: str
    address: str | None
    result: Result
    checks: tuple[CheckResult, ...]
    certificate: Description | None
    daemon: Version | None


def worst(results: tuple[CheckResult, ...]) -> Result:
    """Return the worst result of at least one check.

    The whole is OK only if every check was: a skipped one makes it UNKNOWN.
    """
    found = max((result.result for result in results), key=lambda result: result.severity)
    return Result.UNKNOWN if found is Result.SKIPPED else found
