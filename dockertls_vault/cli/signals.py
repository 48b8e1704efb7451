"""Termination signals: recorded at any time, acted on between the steps of a command.

A handler only requests a stop (stop.py) and never raises. An exception from a handler could
interrupt a login or its cleanup between any two bytecodes, and is lost in import callbacks.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType

from dockertls_vault import stop

_TERMINATING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_FORWARDED = (*_TERMINATING, signal.SIGQUIT)
# Seconds: how long a login in progress may take to return its token, and how much longer the
# process then has to exit. Five of these are for revoking tokens (vault/session.py).
_GRACE = 5.0
_LAST = 10.0
# Seconds between two alarms while there is no signal. Python runs a handler when the main thread
# executes its next bytecode, so a signal that arrives just before that thread waits, or in another
# thread, would be noticed after the wait; the alarm interrupts it.
_TICK = 1.0
_MANY = 65536  # signals; as many as a pipe holds


class Termination:
    """Which signal requested termination first, if any, and what follows from it."""

    def __init__(self, requested: stop.Stop) -> None:
        self._stop = requested
        self._insisted = False
        self.number: int | None = None

    @property
    def status(self) -> int:
        """128 plus the signal number, 0 if there was no signal."""
        return 0 if self.number is None else 128 + self.number

    def on_signal(self, number: int, _frame: FrameType | None) -> None:
        """Request a stop; a second signal does not cut short the cleanup of the first."""
        if self.number is None:
            self.number = number
            signal.setitimer(signal.ITIMER_REAL, _GRACE)
            self._stop.request()

    def on_alarm(self, _alarm: int, _frame: FrameType | None) -> None:
        """Interrupt a login in progress; if the process is still running later, kill it.

        It lives on while it is changing a host.
        """
        if self.number is None:
            return
        if not self._insisted:
            self._insisted = True
            signal.setitimer(signal.ITIMER_REAL, _LAST)
            self._stop.insist()
        elif self._stop.kept:
            signal.setitimer(signal.ITIMER_REAL, _LAST)
        else:
            signal.signal(self.number, signal.SIG_DFL)
            os.kill(os.getpid(), self.number)


@contextmanager
def terminating() -> Iterator[Termination]:
    """Stop the command in the block on SIGINT, SIGTERM or SIGHUP."""
    with stop.heeded() as requested:
        found = Termination(requested)
        alarm = signal.signal(signal.SIGALRM, found.on_alarm)
        signal.setitimer(signal.ITIMER_REAL, _TICK, _TICK)
        try:
            with _handled(_TERMINATING, found.on_signal):
                yield found
        finally:  # now that no signal can set the alarm again
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, alarm)


@contextmanager
def forwarded(receive: Callable[[int], None]) -> Iterator[None]:
    """Pass signals to ``receive`` within the block, as for a child process that we wait for."""
    with _handled(_FORWARDED, lambda number, _frame: receive(number)):
        yield


@contextmanager
def waking(number: signal.Signals) -> Iterator[Callable[[float], bool]]:
    """Yield a function that sleeps for some seconds, or until the signal ``number`` arrives.

    It returns whether the signal has arrived since it last returned.
    """
    woken, waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def wake(_number: int, _frame: FrameType | None) -> None:
        with suppress(BlockingIOError):  # it is full of signals already
            os.write(waker, b"\0")

    def sleep(seconds: float) -> bool:
        return stop.readable(woken, seconds) and bool(os.read(woken, _MANY))

    try:
        with _handled((number,), wake):
            yield sleep
    finally:
        os.close(woken)
        os.close(waker)


@contextmanager
def _handled(
    numbers: Sequence[signal.Signals], handler: Callable[[int, FrameType | None], None]
) -> Iterator[None]:
    """Install ``handler`` for the signals that were not ignored at startup (``nohup``)."""
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
