"""Durations as Go and Vault write them: ``500ms``, ``90s``, ``1.5m``, ``1h30m``, ``7d``, ``2w``.

A number without a unit is seconds for a timeout, as in Vault's command line, and an error for a
TTL, because ``--ttl 7`` is most likely meant as days.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from .errors import InvalidInput

# The units that format_duration writes, in seconds.
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
# "1M" is meant as a month; units are otherwise case-insensitive, and "m" is a minute.
_MONTHS = re.compile(r"\dM(?![sS])")
_NUMBER = re.compile(r"[0-9]{1,11}")
# Vault stores a TTL as nanoseconds in a signed 64-bit integer: 292 years.
_LONGEST = 292 * 365 * 86400


def parse_duration(text: str) -> timedelta:
    """Return the duration in ``text``, always longer than zero; a bare number is seconds.

    Rounds up to whole microseconds. Raises InvalidInput if ``text`` is not a duration.
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
            hint="use a duration longer than zero and shorter than 292 years",
        )
    return timedelta(microseconds=-(-found // (10**3 * 10**_DECIMALS)))


def parse_ttl(text: str) -> timedelta:
    """Return the TTL in ``text``: whole seconds, as Vault counts them.

    Raises InvalidInput if it has no unit, or a fraction of a second.
    """
    number = text.strip()
    if _is_number(number) and int(number) > 0:
        raise InvalidInput(
            f"TTL without a unit: {text!r}",
            hint=f"write {number}d for days, {number}s for seconds",
        )
    ttl = parse_duration(text)
    if ttl.microseconds:
        raise InvalidInput(
            f"TTL with a fraction of a second: {text!r}",
            hint="use whole seconds",
        )
    return ttl


def _parts(compact: str) -> int | None:
    """Return the exact sum of the parts in units of 10**-9 nanoseconds; None if malformed."""
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

    Fractions of a second are dropped; a negative duration has a leading minus sign.
    """
    left = int(duration.total_seconds())
    sign, left = ("-", -left) if left < 0 else ("", left)
    text = ""
    for unit, size in _WRITTEN.items():
        count, left = divmod(left, size)
        text += f"{count}{unit}" if count else ""
    return sign + (text or "0s")


def format_time(time: datetime) -> str:
    """Return ``time``, which is in UTC, in a readable form: ``2026-01-31 12:00:00 UTC``."""
    return f"{time:%Y-%m-%d %H:%M:%S} UTC"


def read_time(value: object) -> datetime:
    """Return the time that ``isoformat`` wrote, with its zone.

    Raises TypeError or ValueError for anything else.
    """
    if not isinstance(value, str):
        raise TypeError(value)
    time = datetime.fromisoformat(value)
    if time.tzinfo is None:
        raise ValueError(value)
    return time


def to_seconds(duration: timedelta) -> str:
    """Return ``duration`` in the form that all of Vault's API accepts: ``604800s``."""
    return f"{int(duration.total_seconds())}s"
