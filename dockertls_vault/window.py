"""When a daemon may be restarted: a weekly window, in the notation of systemd.time(7); pure.

``Sat 02:00-04:00``, ``Mon..Fri 22:00-06:00``, ``Sat,Sun 03:00-05:30``, ``02:00-04:00`` for every
day. The days are those on which the window opens: one that ends before it begins ends on the next
day. Times are local wall-clock times, so daylight saving time does not move a window.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo

from .errors import InvalidInput

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_TIME = r"([01]?[0-9]|2[0-3]):([0-5][0-9])"
_WINDOW = re.compile(rf"(?:(?P<days>[a-z.,]+)\s+)?{_TIME}\s*-\s*{_TIME}", re.IGNORECASE)
_HINT = "write it as 'Sat 02:00-04:00', 'Mon..Fri 22:00-06:00' or '02:00-04:00'"


@dataclass(frozen=True)
class Opening:
    """One occurrence of a window, from ``start`` until just before ``end``, both in UTC."""

    start: datetime
    end: datetime

    def contains(self, now: datetime) -> bool:
        """Tell whether the window is open at ``now``."""
        return self.start <= now < self.end


@dataclass(frozen=True)
class Window:
    """Opens at ``start`` on each of ``days`` (0 is Monday), and closes at ``end``."""

    days: frozenset[int]
    start: time
    end: time

    def __str__(self) -> str:
        every = len(self.days) == len(DAYS)
        days = "" if every else ",".join(DAYS[day][:3] for day in sorted(self.days)) + " "
        return f"{days}{self.start:%H:%M}-{self.end:%H:%M}"

    def opening(self, now: datetime, zone: tzinfo | None = None) -> Opening:
        """Return the opening that contains ``now``, or else the next one.

        ``zone`` is the time zone; None is this machine's.
        """
        # From yesterday, whose window may still be open. Daylight saving time may leave nothing of
        # a window, but not in two weeks in a row.
        day = now.astimezone(zone).date() - timedelta(1)
        while True:
            last = day if self.end > self.start else day + timedelta(1)
            start, end = (
                datetime.combine(date, at, zone).astimezone(UTC)
                for date, at in ((day, self.start), (last, self.end))
            )
            if day.weekday() in self.days and now < end and start < end:
                return Opening(start, end)
            day += timedelta(1)


def parse_window(text: str) -> Window:
    """Return the window that ``text`` names; raises InvalidInput for anything else."""
    found = _WINDOW.fullmatch(text.strip())
    if found is None:
        raise InvalidInput(f"invalid window: {text!r}", hint=_HINT)
    days, *numbers = found.groups()
    start = time(int(numbers[0]), int(numbers[1]))
    end = time(int(numbers[2]), int(numbers[3]))
    if start == end:
        raise InvalidInput(f"the window {text!r} is empty", hint=_HINT)
    return Window(_days(days, text), start, end)


def _days(text: str | None, whole: str) -> frozenset[int]:
    if text is None:
        return frozenset(range(len(DAYS)))
    return frozenset(day for part in text.split(",") for day in _range(part, whole))


def _range(text: str, whole: str) -> list[int]:
    """Return the days of ``Sat`` or ``Fri..Mon``."""
    first, dots, last = text.partition("..")
    numbers = [_day(name, whole) for name in ((first, last) if dots else (first,))]
    count = (numbers[-1] - numbers[0]) % len(DAYS)
    return [(numbers[0] + offset) % len(DAYS) for offset in range(count + 1)]


def _day(name: str, whole: str) -> int:
    """Return the number of ``Sat`` or ``Saturday``, in any case."""
    for number, day in enumerate(DAYS):
        if name.lower() in {day[:3].lower(), day.lower()}:
            return number
    raise InvalidInput(f"invalid window: {whole!r}: no such day: {name!r}", hint=_HINT)
