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


def pause(attempt: int, random: Callable[[], float]) -> float:
    """Return how long to wait before try ``attempt`` + 1, in seconds: exponential, with jitter.

    ``random`` gives a number from 0 to 1; at least half of the step is waited.
    """
    step: float = min(_FIRST_PAUSE * 2**attempt, _LONGEST_PAUSE)
    return step * (0.5 + random() / 2)
