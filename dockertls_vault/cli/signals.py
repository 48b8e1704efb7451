"""Signals that end a process: heard at any time, heeded between the steps of a command.

A handler only asks for the end (stop.py) and raises nothing. An exception out of it could strike
between two bytecodes of a login or of its cleaning up, and is lost in the callbacks of imports.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from dockertls_vault import stop

_HEARD = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PASSED_ON = (*_HEARD, signal.SIGQUIT)
# Seconds: what a login that is under way has to tell its token, and after how many more the
# process ends where it is. The revocation of tokens has five of them (vault/session.py).
_PATIENCE = 5.0
_LAST = 10.0


class Heard:
    """The first signal that asked for the end, if one did."""

    def __init__(self, asking: stop.Stop) -> None:
        self._stop = asking
        self._insisted = False
        self.number: int | None = None

    @property
    def status(self) -> int:
        """The exit status that tells of the signal, 0 if there was none."""
        return 0 if self.number is None else 128 + self.number

    def hear(self, number: int, _frame: FrameType | None) -> None:
        """Ask for the end; a second signal cuts short nothing that the first one began."""
        if self.number is None:
            self.number = number
            signal.setitimer(signal.ITIMER_REAL, _PATIENCE)
            self._stop.request()

    def lose_patience(self, _alarm: int, _frame: FrameType | None) -> None:
        """Cut what was let go on; where the process is still there after that, end it as it is."""
        if self.number is None:
            return
        if not self._insisted:
            self._insisted = True
            signal.setitimer(signal.ITIMER_REAL, _LAST)
            self._stop.insist()
        else:
            signal.signal(self.number, signal.SIG_DFL)
            os.kill(os.getpid(), self.number)


@contextmanager
def heard() -> Iterator[Heard]:
    """Have the command within it asked to end by SIGINT, SIGTERM and SIGHUP."""
    with stop.heeded() as asking:
        found = Heard(asking)
        alarm = signal.signal(signal.SIGALRM, found.lose_patience)
        try:
            with _handled(_HEARD, found.hear):
                yield found
        finally:  # once no signal can set the alarm any more
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, alarm)


@contextmanager
def passed_on(receive: Callable[[int], None]) -> Iterator[None]:
    """Within it, signals are not for us: ``receive`` gets them, as a child that we wait for."""
    with _handled(_PASSED_ON, lambda number, _frame: receive(number)):
        yield


@contextmanager
def _handled(
    numbers: Sequence[signal.Signals], handler: Callable[[int, FrameType | None], None]
) -> Iterator[None]:
    """Have ``handler`` called for each; what was ignored when we started (``nohup``) stays so."""
    before = {
        number: signal.signal(number, handler)
        for number in numbers
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)
