"""How long a request is waited for, and how long to wait before it is sent again; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# Seconds. A node that is up answers within milliseconds, and a standby lags for a tenth of one. An
# election takes about three, and up to ten where raft keeps its default timing
# (performance_multiplier 5).
ONE_TRY = 5.0
ELECTION = 10.0
LAG = 5.0
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 2.0
# Beyond this nothing grows: a float ends at 2**1024, which is half an hour of tries.
_MOST_DOUBLINGS = 10


def pause(attempt: int, random: Callable[[], float]) -> float:
    """Return how long to wait before try ``attempt`` + 1, in seconds: exponential, with jitter.

    ``random`` gives a number from 0 to 1; at least half of the step is waited.
    """
    step = min(_doubled(_FIRST_PAUSE, attempt), _LONGEST_PAUSE)
    return step * (0.5 + random() / 2)


def share(attempt: int) -> float:
    """Return how long one node may take while others are left to ask, in seconds."""
    return _doubled(ONE_TRY, attempt)


def _doubled(seconds: float, times: int) -> float:
    factor: int = 2 ** min(times, _MOST_DOUBLINGS)
    return seconds * factor
