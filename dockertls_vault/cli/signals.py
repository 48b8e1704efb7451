"""Signals that end a process, raised as exceptions so that everything is cleaned up."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Terminated(BaseException):
    """A signal asked the process to end; like KeyboardInterrupt, no ``except Exception`` has it."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.status = 128 + number


@contextmanager
def raised() -> Iterator[None]:
    """Raise Terminated where SIGTERM or SIGHUP would have ended the process at once.

    A signal that was ignored when the process started (``nohup``) stays ignored. A second
    signal does not cut the cleaning up short that the first one began.
    """

    def terminate(number: int, _frame: FrameType | None) -> None:
        for other in taken:
            signal.signal(other, signal.SIG_IGN)
        raise Terminated(number)

    taken = {
        number: previous
        for number in (signal.SIGTERM, signal.SIGHUP)
        if (previous := signal.getsignal(number)) is not signal.SIG_IGN
    }
    for number in taken:
        signal.signal(number, terminate)
    try:
        yield
    finally:
        for number, previous in taken.items():
            signal.signal(number, previous)
