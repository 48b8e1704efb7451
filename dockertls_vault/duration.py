"""Durations as Go and Vault write them: ``500ms``, ``90s``, ``1.5m``, ``1h30m``, ``7d``, ``2w``.

There is one way to write them. What a number without a unit means is where they differ: seconds
for a timeout, as Vault's own command line has it, and nothing at all for a TTL, since whoever
writes ``--ttl 7`` means days. When something ends is written beside how long it lasts.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

from .errors import InvalidInput

if TYPE_CHECKING:
    from datetime import datetime

# In seconds; the first are those that we write.
_WRITTEN = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_SECOND = 10**9  # nanoseconds
_NANOSECONDS = {
    **{unit: seconds * _SECOND for unit, seconds in _WRITTEN.items()},
    "w": 7 * 86400 * _SECOND,
    "ms": 10**6,
    "us": 10**3,
    "ns": 1,
}
_DECIMALS = 9
_PART = re.compile(r"(\d{1,11}\.?\d{0,9}|\.\d{1,9})(ms|us|ns|[wdhms])")
# To whoever writes it, not a minute.
_MONTHS = re.compile(r"\dM(?![sS])")
_NUMBER = re.compile(r"[0-9]{1,11}")
# Vault keeps a TTL in nanoseconds in 64 bits: 292 years.
_LONGEST = 292 * 365 * 86400


def parse_duration(text: str) -> timedelta:
    """Return the duration that ``text`` names, longer than zero; a number alone is seconds.

    What is shorter than a microsecond is one. Raises InvalidInput for anything else.
    """
    if _MONTHS.search(text):
        raise InvalidInput(
            f"invalid duration: {text!r}", hint="write a month as 30d; m is a minute"
        )
    compact = text.strip().lower()
    found = _parts(f"{compact}s" if _is_number(compact) else compact)
    if found is None:
        raise InvalidInput(
            f"invalid duration: {text!r}",
            hint="write it as 10m, 1h30m or 7d (units: w, d, h, m, s, ms)",
        )
    if not 0 < found <= _LONGEST * _SECOND * 10**_DECIMALS:
        raise InvalidInput(
            f"duration out of range: {text!r}",
            hint="give one longer than zero and shorter than 292 years",
        )
    return timedelta(microseconds=-(-found // (10**3 * 10**_DECIMALS)))


def parse_ttl(text: str) -> timedelta:
    """Return the TTL that ``text`` names, with its unit and in whole seconds, as Vault counts."""
    number = text.strip()
    if _is_number(number) and int(number) > 0:
        raise InvalidInput(
            f"TTL without a unit: {text!r}",
            hint=f"write {number}d if days were meant, {number}s for seconds",
        )
    ttl = parse_duration(text)
    if ttl.microseconds:
        raise InvalidInput(
            f"TTL with fractions of a second: {text!r}",
            hint="give whole seconds",
        )
    return ttl


def _parts(compact: str) -> int | None:
    """Return the sum of the parts, exactly, in parts of a nanosecond: 10**9 are one."""
    parts = _PART.findall(compact) if compact.isascii() else []
    if not parts or "".join(number + unit for number, unit in parts) != compact:
        return None
    return sum(_scaled(number) * _NANOSECONDS[unit] for number, unit in parts)


def _scaled(number: str) -> int:
    whole, _, decimals = number.partition(".")
    return int(whole + decimals.ljust(_DECIMALS, "0"))


def _is_number(text: str) -> bool:
    return _NUMBER.fullmatch(text) is not None


def format_duration(duration: timedelta) -> str:
    """Return ``duration`` in days, hours, minutes and seconds: ``7d``, ``1h30m``, ``0s``.

    Parts of a second are dropped; a negative duration has a leading minus.
    """
    left = int(duration.total_seconds())
    sign, left = ("-", -left) if left < 0 else ("", left)
    text = ""
    for unit, size in _WRITTEN.items():
        count, left = divmod(left, size)
        text += f"{count}{unit}" if count else ""
    return sign + (text or "0s")


def format_time(time: datetime) -> str:
    """Return a time in UTC as people read it."""
    return f"{time:%Y-%m-%d %H:%M:%S} UTC"


def to_seconds(duration: timedelta) -> str:
    """Return ``duration`` as Vault's API takes it everywhere: ``604800s``."""
    return f"{int(duration.total_seconds())}s"
