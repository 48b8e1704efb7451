"""An end that is asked for from outside, and looked at between steps.

Whoever runs a command (the cli, for signals) does so within ``heeded()``, and asks for its end by
``request`` from wherever it likes, the handler of a signal included: nothing is raised there. What
is waited for is cut, and the command raises Stopped where it next looks. So no exception strikes in
the middle of a step. Outside of ``heeded()``, as in a thread of its own, nothing is ever stopped.
"""

from __future__ import annotations

import os
import queue
import select
import socket
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TextIO


class Stopped(BaseException):
    """The command was asked to end; like KeyboardInterrupt, no ``except Exception`` has it."""


class _Hold(IntEnum):
    """What is let go on although the end is asked for: nothing, what takes seconds, or all."""

    NONE = 0
    PATIENT = 1
    SHIELDED = 2


class Stop:
    """What a command is asked; its methods raise nothing and take no lock."""

    def __init__(self) -> None:
        self._asked = 0
        self._cuts: list[tuple[Callable[[], object], _Hold]] = []

    def request(self) -> None:
        """Ask for the end; what is waited for is cut, but not what is held ``patiently``."""
        self._ask(1)

    def insist(self) -> None:
        """Cut what is held patiently as well: its time is over."""
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
            if self._asked > hold:  # since it was looked at
                cut()
            yield
        finally:
            self._cuts.remove(entry)


_current: ContextVar[Stop] = ContextVar("stop", default=Stop())  # noqa: B039 - nobody asks that one
_hold: ContextVar[_Hold] = ContextVar("hold", default=_Hold.NONE)


@contextmanager
def heeded(stop: Stop | None = None) -> Iterator[Stop]:
    """Within it, only this thread heeds what is asked of the Stop, and holds nothing yet."""
    stop = stop or Stop()
    token = _current.set(stop)
    try:
        with _holding(_Hold.NONE):
            yield stop
    finally:
        _current.reset(token)


@contextmanager
def passed_on(other: Stop) -> Iterator[None]:
    """Within it, whatever would cut what this thread waits for is asked of ``other`` too."""
    ours = _current.get()
    with ours._cutting(lambda: other._ask(ours._asked), _hold.get()):  # noqa: SLF001 - of this module
        yield


def check() -> None:
    """Raise Stopped if the end was asked for."""
    if _current.get()._asked > _hold.get():  # noqa: SLF001 - of this module
        raise Stopped


@contextmanager
def cutting(cut: Callable[[], object]) -> Iterator[None]:
    """Within it, something is waited for, which ``cut`` ends; it may be called at any bytecode.

    Raises Stopped instead of what follows from the cut; not so what is held patiently, of which
    the caller is to know how it ended.
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
    """Sleep; raises Stopped at once when the end is asked for."""
    woken: queue.SimpleQueue[None] = queue.SimpleQueue()  # its put may strike into its get
    with cutting(lambda: woken.put(None)), suppress(queue.Empty):
        woken.get(timeout=max(seconds, 0.0))


def readline(stream: TextIO) -> str:
    """Return the next line that somebody types; raises Stopped when the end is asked for."""
    readable(stream.fileno(), None)
    return stream.readline()


def readable(descriptor: int, seconds: float | None) -> bool:
    """Wait until there is something to read, or its end; raises Stopped as ``wait`` does."""
    woken, waker = os.pipe()
    try:
        with cutting(lambda: os.write(waker, b"\0")):
            ready, _, _ = select.select([descriptor, woken], [], [], seconds)
    finally:
        os.close(woken)
        os.close(waker)
    return descriptor in ready


def shut(connection: socket.socket) -> None:
    """End what is waited for on a connection, in whatever state it is, TLS included."""
    # SSLSocket's own would forget that it speaks TLS, and go on in the clear.
    socket.socket.shutdown(connection, socket.SHUT_RDWR)


@contextmanager
def patiently() -> Iterator[None]:
    """Within it, what has begun is let go on until that is insisted on: it leaves something."""
    with _holding(max(_hold.get(), _Hold.PATIENT)):
        yield


@contextmanager
def at_once() -> Iterator[None]:
    """Within it, nothing is held patiently: nothing has begun yet."""
    with _holding(_Hold.SHIELDED if _hold.get() is _Hold.SHIELDED else _Hold.NONE):
        yield


@contextmanager
def shielded() -> Iterator[None]:
    """Within it, nothing is stopped: what cleans up has a limit of its own."""
    with _holding(_Hold.SHIELDED):
        yield


@contextmanager
def _holding(hold: _Hold) -> Iterator[None]:
    token = _hold.set(hold)
    try:
        yield
    finally:
        _hold.reset(token)
