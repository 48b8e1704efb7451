"""Why a credential is renewed; pure.

By its schedule, or earlier because of a change: of its files, of the names of this machine, or, in
Vault, of the issuer or the roots, or a revocation.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from dockertls_vault.duration import format_duration, format_time

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cryptography.x509 import Certificate

    from dockertls_vault.certificate.also_trusted import AlsoTrusted
    from dockertls_vault.certificate.names import Names
    from dockertls_vault.certificate.schedule import Schedule
    from dockertls_vault.certificate.threshold import Threshold

    from .due import Due


class Reason(StrEnum):
    """The kinds of causes."""

    FORCED = "forced"
    DAMAGED = "damaged"
    DUE = "due"
    NAMES_CHANGED = "names-changed"
    REVOKED = "revoked"
    ISSUER_CHANGED = "issuer-changed"
    TRUST_CHANGED = "trust-changed"


@dataclass(frozen=True)
class Cause:
    """A reason, with a ``detail`` for people."""

    reason: Reason
    detail: str


def of_damage(damage: Sequence[str]) -> tuple[Cause, ...]:
    """Return one cause for each thing that was lost or changed."""
    return tuple(Cause(Reason.DAMAGED, each) for each in damage)


def of_schedule(
    schedule: Schedule, now: datetime, threshold: Threshold | None = None
) -> tuple[Cause, ...]:
    """Return why the credential is due at ``now``, by ``threshold`` if that is given."""
    if threshold is None:
        why = schedule.why_due(now)
    else:
        why = schedule.why_unusable(now)
        if why is None and threshold.reached(schedule, now):
            why = f"expires in {format_duration(schedule.left(now))}"
    return () if why is None else (Cause(Reason.DUE, why),)


def of_names(before: Names | None, now: Names) -> tuple[Cause, ...]:
    """Return why names that were detected are out of date; ``before`` is None if they were given.

    Only a new name counts: one that is missing may only be missing from DNS for now.
    """
    if before is None:
        return ()
    added = [name for name in now.all if name not in before.all]
    if not added:
        return ()
    return (Cause(Reason.NAMES_CHANGED, f"new on this machine: {', '.join(added)}"),)


def of_trust(
    installed: Sequence[Certificate],
    current: Sequence[Certificate],
    also: Sequence[AlsoTrusted] = (),
) -> tuple[Cause, ...]:
    """Return why ca.pem is out of date: a CA that it lacks, or one that it should not have.

    ``also`` are the CAs of the request, each trusted until its end date.
    """
    ends = {each.ca: format_time(each.until) for each in also}
    details = (
        *(
            f"ca.pem lacks {_named(ca)}, which is to be trusted until {ends[ca]}"
            if ca in ends
            else f"the mount has the root {_named(ca)}"
            for ca in current
            if ca not in installed
        ),
        *(
            f"{_named(ca)} was trusted until {ends[ca]}"
            if ca in ends
            else f"the mount no longer has the root {_named(ca)}"
            for ca in installed
            if ca not in current
        ),
    )
    return tuple(Cause(Reason.TRUST_CHANGED, detail) for detail in details)


def of_end_date(due: Due | None, now: datetime) -> tuple[Cause, ...]:
    """Return why a CA that is trusted only until an end date must leave ca.pem."""
    why = None if due is None else due.why_trust_ends(now)
    return () if why is None else (Cause(Reason.TRUST_CHANGED, why),)


def _named(ca: Certificate) -> str:
    return repr(ca.subject.rfc4514_string())
