"""Timeouts of a single attempt, and pauses between attempts; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# Seconds. A node that is up answers within milliseconds; a standby is about 0.1 s behind. An
# election takes about 3 s, and up to 10 s with raft's default performance_multiplier of 5.
ONE_TRY = 5.0
ELECTION = 10.0
LAG = 5.0
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 2.0
# Keeps 2**attempt within the range of a float, which half an hour of retries would exceed.
_MOST_DOUBLINGS = 10


def pause(attempt: int, random: Callable[[], float]) -> float:
    """Return the seconds to wait before attempt ``attempt`` + 1: exponential, with jitter.

    ``random`` returns a number from 0 to 1; the pause is at least half of the full step.
    """
    step = min(_doubled(_FIRST_PAUSE, attempt), _LONGEST_PAUSE)
    return step * (0.5 + random() / 2)


def share(attempt: int) -> float:
    """Return the seconds that one node may take while there are others to try."""
    return _doubled(ONE_TRY, attempt)


def _doubled(seconds: float, times: int) -> float:
    factor: int = 2 ** min(times, _MOST_DOUBLINGS)
    return seconds * factor
