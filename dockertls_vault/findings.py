"""What `status` reports about a credential, with a severity each; pure."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from .docker.diagnosis.wire import Presented
from .duration import format_duration, format_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from .certificate.also_trusted import TrustedUntil
    from .certificate.schedule import Schedule
    from .certificate.threshold import Threshold
    from .credential.contents import Certificates
    from .credential.settle import Pending
    from .docker.diagnosis.wire import Wire


class Severity(StrEnum):
    """A severity, from best to worst; UNKNOWN if it could not be determined."""

    OK = "ok"
    WARNING = "warning"
    UNKNOWN = "unknown"
    CRITICAL = "critical"

    @property
    def exit_status(self) -> int:
        """The exit status of `status` if this is the worst, as of a monitoring plugin."""
        return _EXIT_STATUS[self]


_EXIT_STATUS = {Severity.OK: 0, Severity.WARNING: 1, Severity.UNKNOWN: 3, Severity.CRITICAL: 2}


@dataclass(frozen=True)
class Finding:
    """A problem of a credential, or a note, which is OK."""

    severity: Severity
    detail: str


@dataclass(frozen=True)
class Limits:
    """The remaining validity below which a certificate is a warning, or critical."""

    warning: Threshold
    critical: Threshold


def worst(severities: Iterable[Severity]) -> Severity:
    """Return the worst severity, OK if there is none."""
    return max(severities, key=list(Severity).index, default=Severity.OK)


def of_validity(
    certificates: Certificates, schedule: Schedule | None, limits: Limits, now: datetime
) -> Iterator[Finding]:
    """Yield whether it is valid, and for how long; ``schedule`` is None if that is unknown."""
    start, end = certificates.leaf.not_valid_before_utc, certificates.valid_until
    left = f"expires in {format_duration(end - now)}"
    if end <= now:
        yield Finding(Severity.CRITICAL, f"expired at {format_time(end)}")
    elif now < start:
        yield Finding(Severity.CRITICAL, f"not valid before {format_time(start)}")
    elif schedule is None:
        return
    elif limits.critical.reached(schedule, now):
        yield Finding(Severity.CRITICAL, left)
    elif limits.warning.reached(schedule, now):
        yield Finding(Severity.WARNING, left)
    elif schedule.due <= now:
        yield Finding(Severity.OK, "due for renewal")


def of_also_trusted(cas: Iterable[TrustedUntil], now: datetime) -> Iterator[Finding]:
    """Yield which CAs are trusted only until an end date, and those that are trusted for longer."""
    for ca in cas:
        if now < ca.until:
            yield Finding(Severity.OK, f"also trusts {ca}")
        else:
            yield Finding(Severity.WARNING, f"still trusts {ca}: `renew` removes it")


def of_hooks(pending: Pending | None) -> Iterator[Finding]:
    """Yield why hooks have not run; that they wait for their window is no problem."""
    if pending is None:
        return
    if (failure := pending.failure) is not None:
        yield Finding(
            Severity.WARNING,
            f"the hook {shlex.join(failure.command)} failed at {format_time(failure.at)}: "
            f"{failure.reason}; `renew` runs it again",
        )
    elif (opens := pending.waiting_until) is not None:
        yield Finding(
            Severity.OK, f"hooks wait for their window, which opens at {format_time(opens)}"
        )
    else:
        yield Finding(Severity.WARNING, "hooks have not run yet; `renew` runs them")


def of_wire(wire: Wire, pending: Pending | None, now: datetime) -> Iterator[Finding]:
    """Yield what is wrong with the certificate that the daemon presents.

    A daemon that is not running is no problem of the credential, nor is one that presents the old
    certificate until the window of the hooks opens.
    """
    shown = wire.certificate
    if shown is None:
        yield Finding(Severity.OK, f"cannot compare it with its daemon's: {wire.reason}")
        return
    if wire.presented is Presented.SAME:
        return
    is_replaced = wire.presented is Presented.REPLACED
    is_waiting = is_replaced and pending is not None and pending.waiting_until is not None
    severity = Severity.OK if is_waiting else Severity.WARNING
    end = f"valid until {format_time(shown.not_after)}"
    if shown.not_after <= now:
        severity, end = Severity.CRITICAL, f"expired at {format_time(shown.not_after)}"
    what = "the certificate that was replaced" if is_replaced else "another certificate"
    remedy = "; restart it" if is_replaced and not is_waiting else ""
    yield Finding(
        severity,
        f"the daemon at {wire.endpoint} presents {what} (serial {shown.serial}, {end}){remedy}",
    )
