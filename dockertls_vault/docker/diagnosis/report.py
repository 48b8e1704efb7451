"""What a check found, step by step."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dockertls_vault.certificate.certificate import Description
    from dockertls_vault.docker.handshake.outcome import Version


class Result(StrEnum):
    """How bad it is; from the best to the worst.

    What was tried and told nothing is unknown; what was not tried is skipped.
    """

    OK = "ok"
    WARNING = "warning"
    SKIPPED = "skipped"
    UNKNOWN = "unknown"
    ERROR = "error"
    UNREACHABLE = "unreachable"
    CRITICAL = "critical"

    @property
    def exit_status(self) -> int:
        """The exit status of a check that found nothing worse."""
        return _EXIT_STATUS[self]


_EXIT_STATUS = {
    Result.OK: 0,
    Result.WARNING: 1,
    Result.SKIPPED: 3,  # with UNKNOWN, as monitoring plugins have it
    Result.UNKNOWN: 3,
    Result.ERROR: 65,  # EX_DATAERR
    Result.UNREACHABLE: 69,  # EX_UNAVAILABLE
    Result.CRITICAL: 76,  # EX_PROTOCOL
}


@dataclass(frozen=True)
class CheckResult:
    """One thing that was tried; ``reason`` and ``remedy`` are empty where all is well.

    ``name`` is fixed for each step; the other texts are for people.
    """

    check: str
    result: Result
    description: str
    summary: str
    reason: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class Check:
    """Something to try: its name is fixed, its description is for people."""

    name: str
    description: str

    def found(
        self, result: Result, summary: str, reason: str = "", remedy: str = ""
    ) -> CheckResult:
        """Return what came of it."""
        return CheckResult(self.name, result, self.description, summary, reason, remedy)


@dataclass(frozen=True)
class Report:
    """All steps in order, and what was learned of the daemon.

    ``endpoint`` is what was dialled (``tcp://h:2376``), ``address`` the IP address that
    answered, ``certificate`` the one on the wire, ``docker`` what ``/version`` told us with our
    own certificate, on that same connection; None where it did not come to that.
    """

    endpoint: str
    address: str | None
    result: Result
    checks: tuple[CheckResult, ...]
    certificate: Description | None
    docker: Version | None


def worst(checks: tuple[CheckResult, ...]) -> Result:
    """Return the worst result among ``checks``, at least one.

    It is ok only where each step was shown to be: one that was skipped leaves the whole unknown.
    """
    order = list(Result)
    found = max((step.result for step in checks), key=order.index)
    return Result.UNKNOWN if found is Result.SKIPPED else found
