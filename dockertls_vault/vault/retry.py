"""What is tried again, when and where; pure.

The table was measured on OpenBao 2.7 with three raft nodes (docs/explanation/faults.md).
Signing twice wastes a serial number and nothing else, so an ambiguous failure is repeated
unless the caller says that it must happen once.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# Seconds. A node that is up answers within milliseconds, and an election takes about three.
ONE_TRY = 5.0
LAG = 5.0
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 2.0
# A node that is losing its office, or does not know yet who has it (a 500). Of the second kind,
# nobody knows whether the others took over what it was told.
_NO_LEADER = re.compile(r"active cluster node not found|node not active|not the leader")
_LOST_OFFICE = re.compile(r"leadership lost|leadership transfer|context canceled|forwarding RPC")


class Verdict(Enum):
    """What an answer means for the request that it answers."""

    DONE = auto()  # an answer, good or bad, that would be the same the next time
    REDIRECT = auto()  # a standby names the leader
    NEXT_NODE = auto()  # this node cannot answer now; another one, or this one later, can
    BACK_OFF = auto()  # too many requests, or a standby that lags behind
    LAGGING = auto()  # not there, or not there yet if it was written a moment ago
    TOKEN_REFUSED = auto()  # expired or never valid, as opposed to not allowed


def classify(status: int, errors: Sequence[str]) -> Verdict:
    """Return what an answer of Vault means, by its HTTP status and its own words."""
    words = " ".join(errors)
    if status in {301, 302, 303, 307, 308}:
        return Verdict.REDIRECT
    if status in {412, 429}:
        return Verdict.BACK_OFF
    if status in {502, 503, 504}:
        return Verdict.NEXT_NODE
    if is_electing(status, words):
        return Verdict.NEXT_NODE
    if status == 403 and "error occurred" not in words and "permission denied" in words:
        return Verdict.TOKEN_REFUSED
    if (status == 400 and "unknown role" in words) or (
        status == 404 and "no handler for route" in words
    ):
        return Verdict.LAGGING
    return Verdict.DONE


def is_electing(status: int, words: str) -> bool:
    """Tell whether a node said that it has no leader to pass the request on to."""
    return status == 500 and bool(_NO_LEADER.search(words) or _LOST_OFFICE.search(words))


def may_have_acted(status: int, words: str) -> bool:
    """Tell whether a failure may have come after the deed: in a proxy, or with the office lost."""
    return status in {502, 504} or bool(_LOST_OFFICE.search(words))


def pause(attempt: int, random: Callable[[], float]) -> float:
    """Return how long to wait before try ``attempt`` + 1, in seconds: exponential, with jitter.

    ``random`` gives a number from 0 to 1; at least half of the step is waited.
    """
    step: float = min(_FIRST_PAUSE * 2**attempt, _LONGEST_PAUSE)
    return step * (0.5 + random() / 2)
