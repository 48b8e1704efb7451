"""Durations as Vault writes them: ``90s``, ``15m``, ``1h30m``, ``7d``, or seconds alone."""

from __future__ import annotations

import re
from datetime import timedelta

from .errors import InvalidInput

_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_PART = re.compile(r"(\d{1,11})([dhms])")
# Vault keeps a TTL in nanoseconds in 64 bits: 292 years.
_LONGEST = timedelta(days=292 * 365)


def parse_duration(text: str) -> timedelta:
    """Return the duration that ``text`` names, in whole seconds and longer than zero.

    Raises InvalidInput for anything else, an empty text and zero included.
    """
    compact = text.strip().lower()
    if compact.isascii() and compact.isdigit():
        compact += "s"
    parts = _PART.findall(compact) if compact.isascii() else []
    if not parts or "".join(number + unit for number, unit in parts) != compact:
        raise InvalidInput(
            f"not a duration: {text!r}", hint="write it as 10m, 1h30m or 7d (units: d, h, m, s)"
        )
    seconds = sum(int(number) * _UNITS[unit] for number, unit in parts)
    if not 0 < seconds <= _LONGEST.total_seconds():
        raise InvalidInput(
            f"a duration out of range: {text!r}",
            hint="it must be longer than zero and shorter than 292 years",
        )
    return timedelta(seconds=seconds)


def format_duration(duration: timedelta) -> str:
    """Return ``duration`` in days, hours, minutes and seconds: ``7d``, ``1h30m``, ``0s``.

    Parts of a second are dropped; a negative duration has a leading minus.
    """
    left = int(duration.total_seconds())
    sign, left = ("-", -left) if left < 0 else ("", left)
    text = ""
    for unit, size in _UNITS.items():
        count, left = divmod(left, size)
        text += f"{count}{unit}" if count else ""
    return sign + (text or "0s")


def to_seconds(duration: timedelta) -> str:
    """Return ``duration`` as Vault's API takes it everywhere: ``604800s``."""
    return f"{int(duration.total_seconds())}s"
