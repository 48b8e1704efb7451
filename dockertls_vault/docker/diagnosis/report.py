"""What a check found, step by step."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dockertls_vault.certificate.certificate import Description
    from dockertls_vault.docker.handshake.outcome import Version


class Severity(StrEnum):
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
    Severity.OK: 0,
    Severity.WARNING: 1,
    Severity.SKIPPED: 3,  # with UNKNOWN, as monitoring plugins have it
    Severity.UNKNOWN: 3,
    Severity.ERROR: 65,  # EX_DATAERR
    Severity.UNREACHABLE: 69,  # EX_UNAVAILABLE
    Severity.CRITICAL: 76,  # EX_PROTOCOL
}


@dataclass(frozen=True)
class Step:
    """One thing that was tried; ``why`` and ``todo`` are empty where all is well.

    ``name`` is fixed for each step; the other texts are for people.
    """

    name: str
    severity: Severity
    tried: str
    happened: str
    why: str = ""
    todo: str = ""


@dataclass(frozen=True)
class Report:
    """All steps in order, and what was learned of the daemon.

    ``endpoint`` is what was dialled (``tcp://h:2376``), ``address`` the IP address that
    answered, ``certificate`` the one on the wire, ``docker`` what ``/version`` told us with our
    own certificate, on that same connection; None where it did not come to that.
    """

    endpoint: str
    address: str | None
    severity: Severity
    steps: tuple[Step, ...]
    certificate: Description | None
    docker: Version | None


def worst(steps: tuple[Step, ...]) -> Severity:
    """Return the worst severity among ``steps``, at least one.

    It is ok only where each step was shown to be: one that was skipped leaves the whole unknown.
    """
    order = list(Severity)
    found = max((step.severity for step in steps), key=order.index)
    return Severity.UNKNOWN if found is Severity.SKIPPED else found
