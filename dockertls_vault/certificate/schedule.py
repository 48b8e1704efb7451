"""When a certificate is due for renewal; pure.

A certificate is due at two thirds of its validity, give or take a tenth of it. The jitter depends
on a seed (the host and the credential), so that a fleet whose certificates were issued at the same
time does not renew them at the same time, and a credential keeps its own moment.

Validity is counted from the moment of issue, not from ``not_before``: roles backdate that by
minutes, which is longer than a short-lived certificate is valid for.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from dockertls_vault.duration import parse_ttl
from dockertls_vault.errors import InvalidInput

if TYPE_CHECKING:
    from datetime import timedelta

_DUE = 2 / 3
_JITTER = 1 / 10
_PERCENTAGE = re.compile(r"([0-9]{1,3}(?:\.[0-9]+)?)%")


@dataclass(frozen=True)
class Schedule:
    """When a certificate was ``issued``, is ``due`` for renewal, and reaches its ``end``; in UTC.

    Raises ValueError unless they follow one another: what is never due would never be renewed.
    """

    issued: datetime
    due: datetime
    end: datetime

    def __post_init__(self) -> None:
        if not self.issued < self.due < self.end:
            raise ValueError(f"issued {self.issued}, due {self.due}, ends {self.end}")

    @property
    def validity(self) -> timedelta:
        """How long the certificate is accepted in all."""
        return self.end - self.issued

    def left(self, now: datetime) -> timedelta:
        """Return how long it is still accepted; negative once it has expired."""
        return self.end - now


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
    """Return the schedule that ``kept`` is; raises ValueError, TypeError or KeyError."""
    return Schedule(*(_time(kept[name]) for name in ("issued", "due", "end")))


def _time(text: object) -> datetime:
    if not isinstance(text, str):
        raise TypeError(text)
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(text)
    return time


def _spread(seed: str) -> float:
    """Return a number that ``seed`` decides, from -1 up to 1, the same in every process."""
    digest = hashlib.sha256(seed.encode(errors="surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") / 2**63 - 1


@dataclass(frozen=True)
class Threshold:
    """Due once less than this is left: a duration, or a fraction of the validity."""

    left: timedelta | float

    def reached(self, schedule: Schedule, now: datetime) -> bool:
        """Tell whether less than this is left at ``now``."""
        limit = schedule.validity * self.left if isinstance(self.left, float) else self.left
        return schedule.left(now) < limit


def parse_threshold(text: str) -> Threshold:
    """Return the threshold that ``text`` names: ``8h``, ``30%``.

    Raises InvalidInput for anything else, and for a percentage outside of 0 to 100.
    """
    compact = text.strip()
    if not compact.endswith("%"):
        return Threshold(parse_ttl(compact))
    found = _PERCENTAGE.fullmatch(compact)
    fraction = float(found[1]) / 100 if found else 0.0
    if not 0 < fraction <= 1:
        raise InvalidInput(
            f"invalid percentage: {text!r}", hint="give more than 0% and at most 100%, such as 30%"
        )
    return Threshold(fraction)
