"""Sockets whose timeout is a deadline, and that are cut when the command is to end.

A timeout of ``socket`` is for each step, so that a server which sends a byte a second would
never exceed it. Here it is for all that is done from when it is set until it is set anew; http's
and urllib3's own code does the rest, whichever they read and write with.
"""

from __future__ import annotations

import math
import socket
import ssl
import time
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from dockertls_vault import stop

if TYPE_CHECKING:
    from collections.abc import Iterator

# Seconds; a timeout of zero would mean not to wait at all.
_SHORTEST = 0.001


class Socket(socket.socket):
    """A socket in the clear."""

    # Until one is set: ssl reads from a connection that was reset before there is TLS.
    _deadline = math.inf

    def settimeout(self, value: float | None) -> None:
        """Set for how many seconds from now on it may be waited, whatever for; never for ever."""
        self._deadline = time.monotonic() + (value or 0.0)
        super().settimeout(self._left())

    def gettimeout(self) -> float:
        """Return what is left, and never zero: whoever does nothing in time fails then."""
        return self._left()

    def connect(self, address: Any) -> None:
        with self._in_time():
            super().connect(address)

    def recv(self, *args: Any) -> bytes:
        with self._in_time():
            return super().recv(*args)

    def recv_into(self, *args: Any) -> int:
        with self._in_time():
            return super().recv_into(*args)

    def send(self, *args: Any) -> int:
        with self._in_time():
            return super().send(*args)

    def sendall(self, *args: Any) -> None:
        with self._in_time():
            super().sendall(*args)

    def _left(self) -> float:
        return max(self._deadline - time.monotonic(), _SHORTEST)

    @contextmanager
    def _in_time(self) -> Iterator[None]:
        if time.monotonic() >= self._deadline:
            raise TimeoutError("timed out")
        if self._deadline < math.inf:
            super().settimeout(self._left())
        try:
            with stop.cutting(partial(stop.shut, self)):
                yield
        except stop.Stopped:
            self.close()  # in a handshake, nobody else has it yet
            raise


class TLSSocket(Socket, ssl.SSLSocket):
    """A socket in TLS: what ``SSLContext.sslsocket_class`` is to be."""

    def do_handshake(self, *args: Any) -> None:
        with self._in_time():
            super().do_handshake(*args)
