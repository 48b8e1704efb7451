"""When a certificate is due for renewal; pure.

A certificate is due at two thirds of its validity, give or take a tenth of it. The jitter depends
on a seed (the host and the credential), so that a fleet whose certificates were issued at the same
time does not renew them at the same time, and the due time of a credential does not change.

Validity is counted from the moment of issue, not from ``not_before``: roles backdate that by
minutes, which is longer than a short-lived certificate is valid for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from dockertls_vault.duration import format_time, read_time

if TYPE_CHECKING:
    from datetime import datetime, timedelta
    from typing import Self

_DUE = 2 / 3
_JITTER = 1 / 10


class _Times(NamedTuple):
    issued: datetime
    due: datetime
    end: datetime


class Schedule(_Times):
    """When a certificate was ``issued``, is ``due`` for renewal, and reaches its ``end``; in UTC.

    Raises ValueError unless they follow one another: what is never due would never be renewed.
    """

    __slots__ = ()

    def __new__(cls, issued: datetime, due: datetime, end: datetime) -> Self:
        """Check the order of the times."""
        if not issued < due < end:
            raise ValueError(f"issued {issued}, due {due}, ends {end}")
        return super().__new__(cls, issued, due, end)

    @property
    def validity(self) -> timedelta:
        """How long the certificate is accepted in all."""
        return self.end - self.issued

    def left(self, now: datetime) -> timedelta:
        """Return how long it is still accepted; negative once it has expired."""
        return self.end - now

    def why_unusable(self, now: datetime) -> str | None:
        """Return why it must be renewed regardless of its due time, None if it need not be.

        If it was issued in the future, the clock has been set back, and the schedule is unreliable.
        """
        if self.end <= now:
            return f"expired at {format_time(self.end)}"
        if now < self.issued:
            return f"issued at {format_time(self.issued)}, in the future"
        return None

    def why_due(self, now: datetime) -> str | None:
        """Return why it is due at ``now``, None if it is not."""
        unusable = self.why_unusable(now)
        if unusable is None and self.due <= now:
            return f"due since {format_time(self.due)}"
        return unusable


def plan(issued: datetime, end: datetime, seed: str) -> Schedule:
    """Return the schedule of a certificate that was ``issued`` and ends at ``end``.

    ``seed`` spreads the renewals of a fleet; the same seed always gives the same time. Raises
    ValueError if it ends before it is issued.
    """
    return Schedule(issued, issued + (end - issued) * (_DUE + _JITTER * _spread(seed)), end)


def to_json(schedule: Schedule) -> dict[str, str]:
    """Return the times in ISO 8601."""
    return {
        "issued": schedule.issued.isoformat(),
        "due": schedule.due.isoformat(),
        "end": schedule.end.isoformat(),
    }


def from_json(kept: Any) -> Schedule:
    """Return the schedule in ``kept``; raises ValueError, TypeError or KeyError."""
    return Schedule(*(read_time(kept[name]) for name in ("issued", "due", "end")))


def _spread(seed: str) -> float:
    """Return a number from -1 up to 1 that depends only on ``seed``, in every process."""
    import hashlib  # imported here: only a new schedule needs it

    digest = hashlib.sha256(seed.encode(errors="surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") / 2**63 - 1
