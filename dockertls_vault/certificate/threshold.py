"""A threshold for the remaining validity: ``--expires-in``, ``--warn``, ``--crit``; pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dockertls_vault.duration import parse_ttl
from dockertls_vault.errors import InvalidInput

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from .schedule import Schedule

_PERCENTAGE = re.compile(r"([0-9]{1,3}(?:\.[0-9]+)?)%")


@dataclass(frozen=True)
class Threshold:
    """Reached once less than ``left`` is left: a duration, or a fraction of the validity."""

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
