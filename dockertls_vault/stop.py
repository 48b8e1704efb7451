"""A request to stop, made from outside and checked between steps.

The caller of a command (the cli, for signals) runs it within ``heeded()`` and may call ``request``
from anywhere, even from a signal handler: nothing is raised there. Any wait is cut short, and the
command raises Stopped at its next check, so no exception interrupts a step halfway. Outside
``heeded()``, as in a thread that did not enter it, nothing is ever stopped.
"""

from __future__ import annotations

import os
import select
import socket
import threading
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TextIO


class Stopped(BaseException):
    """The command was asked to stop; like KeyboardInterrupt, it passes any ``except Exception``."""


class _Hold(IntEnum):
    """What may continue after a request to stop: nothing, what takes seconds, or everything."""

    NONE = 0
    PATIENT = 1
    SHIELDED = 2


class Stop:
    """A request to stop one command; its methods raise nothing and take no lock."""

    def __init__(self) -> None:
        self.kept = 0  # blocks within ``to_the_end``
        self._asked = 0
        self._cuts: list[tuple[Callable[[], object], _Hold]] = []

    def request(self) -> None:
        """Request a stop: cut any wait, unless it is held ``patiently``."""
        self._ask(1)

    def insist(self) -> None:
        """Cut patient waits too: their time is up."""
        self._ask(2)

    def _ask(self, how: int) -> None:
        self._asked = max(self._asked, how)
        for cut, hold in tuple(self._cuts):
            if how > hold:
                with suppress(OSError):
                    cut()

    @contextmanager
    def _cutting(self, cut: Callable[[], object], hold: _Hold) -> Iterator[None]:
        entry = (cut, hold)
        self._cuts.append(entry)
        try:
            if self._asked > hold:  # it was requested since the last check
                cut()
            yield
        finally:
            self._cuts.remove(entry)


class Bell:
    """Ends a wait from another thread, or from a signal handler that interrupts it.

    queue.SimpleQueue would not do: if a signal interrupts its ``get`` at the end of the timeout,
    Python before 3.13 takes the negative remainder for no timeout at all.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def ring(self) -> None:
        """End the present wait, or else the next one."""
        with suppress(RuntimeError):  # it has rung before
            self._lock.release()

    def wait(self, seconds: float) -> bool:
        """Wait; tell whether it has rung."""
        return self._lock.acquire(timeout=max(seconds, 0.0))


_current: ContextVar[Stop] = ContextVar("stop", default=Stop())  # noqa: B039 - this one is never requested
_hold: ContextVar[_Hold] = ContextVar("hold", default=_Hold.NONE)


@contextmanager
def heeded(stop: Stop | None = None) -> Iterator[Stop]:
    """Within it, this thread, and no other, heeds requests to the Stop, and holds nothing yet."""
    stop = stop or Stop()
    token = _current.set(stop)
    try:
        with _holding(_Hold.NONE):
            yield stop
    finally:
        _current.reset(token)


@contextmanager
def passed_on(other: Stop) -> Iterator[None]:
    """Within it, pass requests that would cut this thread's waits on to ``other``."""
    ours = _current.get()
    with ours._cutting(lambda: other._ask(ours._asked), _hold.get()):  # noqa: SLF001 - of this module
        yield


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Within it, cut any wait once ``seconds`` have passed; raises TimeoutError then.

    If no thread may be started for that, there is no limit.
    """
    own = Stop()
    timer = threading.Timer(seconds, own.request)
    timer.daemon = True
    with passed_on(own):
        with suppress(RuntimeError):
            timer.start()
        try:
            with heeded(own):
                yield
        except Stopped:
            check()  # it was requested from outside
            raise TimeoutError(f"not done within {seconds:.0f} seconds") from None
        finally:
            timer.cancel()


def check() -> None:
    """Raise Stopped if a stop was requested."""
    if _current.get()._asked > _hold.get():  # noqa: SLF001 - of this module
        raise Stopped


@contextmanager
def cutting(cut: Callable[[], object]) -> Iterator[None]:
    """Within it, a request to stop calls ``cut``, which ends the wait; at any bytecode.

    Raises Stopped instead of the error that the cut causes. If the wait is held patiently, that
    error is raised instead, because the caller needs to know how the wait ended.
    """
    check()
    hold = _hold.get()
    try:
        with _current.get()._cutting(cut, hold):  # noqa: SLF001 - of this module
            yield
    except Exception:
        if hold is _Hold.NONE:
            check()
        raise
    if hold is _Hold.NONE:
        check()


def wait(seconds: float) -> None:
    """Sleep; raises Stopped as soon as a stop is requested."""
    bell = Bell()
    with cutting(bell.ring):
        bell.wait(seconds)


def readline(stream: TextIO) -> str:
    """Return the next line that the user types; raises Stopped as soon as a stop is requested."""
    readable(stream.fileno(), None)
    return stream.readline()


def readable(descriptor: int, seconds: float | None) -> bool:
    """Wait for input or its end; tell whether it came in time. Raises Stopped as ``wait`` does."""
    woken, waker = os.pipe()
    try:
        with cutting(lambda: os.write(waker, b"\0")):
            ready, _, _ = select.select([descriptor, woken], [], [], seconds)
    finally:
        os.close(woken)
        os.close(waker)
    return descriptor in ready


def shut(connection: socket.socket) -> None:
    """End any wait on a connection, in any state, with or without TLS."""
    # SSLSocket.shutdown drops its TLS state, so that later data would go in plaintext.
    socket.socket.shutdown(connection, socket.SHUT_RDWR)


@contextmanager
def patiently() -> Iterator[None]:
    """Within it, let waits continue until ``insist``: what was begun leaves something behind."""
    with _holding(max(_hold.get(), _Hold.PATIENT)):
        yield


@contextmanager
def at_once() -> Iterator[None]:
    """Within it, hold nothing patiently: nothing has begun yet."""
    with _holding(_Hold.SHIELDED if _hold.get() is _Hold.SHIELDED else _Hold.NONE):
        yield


@contextmanager
def shielded() -> Iterator[None]:
    """Within it, stop nothing: clean-up has its own time limit."""
    with _holding(_Hold.SHIELDED):
        yield


@contextmanager
def to_the_end() -> Iterator[None]:
    """Within it, stop nothing, and let the process live for as long as it takes.

    For changes to a host that nobody else would complete; each of their waits has a limit.
    """
    ours = _current.get()
    ours.kept += 1
    try:
        with shielded():
            yield
    finally:
        ours.kept -= 1


@contextmanager
def _holding(hold: _Hold) -> Iterator[None]:
    token = _hold.set(hold)
    try:
        yield
    finally:
        _hold.reset(token)
