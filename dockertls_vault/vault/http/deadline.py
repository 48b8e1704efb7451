"""Sockets whose timeout is a deadline, and that are shut down when the command is stopped.

Python's socket timeout applies to each system call, so a server that sends one byte per second
never exceeds it. Here it limits everything between one ``settimeout`` and the next. http.client and
urllib3 use these sockets unchanged.
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

# Seconds; a timeout of zero would make the socket non-blocking.
_SHORTEST = 0.001


class Socket(socket.socket):
    """A plain socket."""

    # Until it is set: ssl may read from a connection that is reset before the handshake.
    _deadline = math.inf

    def settimeout(self, value: float | None) -> None:
        """Set the deadline to ``value`` seconds from now; None means now, not "no timeout"."""
        self._deadline = time.monotonic() + (value or 0.0)
        super().settimeout(self._left())

    def gettimeout(self) -> float:
        """Return the seconds until the deadline, never zero, so that callers time out."""
        return self._left()

    def connect(self, address: Any) -> None:
        with self._within_deadline():
            super().connect(address)

    def recv(self, *args: Any) -> bytes:
        with self._within_deadline():
            return super().recv(*args)

    def recv_into(self, *args: Any) -> int:
        with self._within_deadline():
            return super().recv_into(*args)

    def send(self, *args: Any) -> int:
        with self._within_deadline():
            return super().send(*args)

    def sendall(self, *args: Any) -> None:
        with self._within_deadline():
            super().sendall(*args)

    def _left(self) -> float:
        return max(self._deadline - time.monotonic(), _SHORTEST)

    @contextmanager
    def _within_deadline(self) -> Iterator[None]:
        if time.monotonic() >= self._deadline:
            raise TimeoutError("timed out")
        if self._deadline < math.inf:
            super().settimeout(self._left())
        try:
            with stop.cutting(partial(stop.shut, self)):
                yield
        except stop.Stopped:
            self.close()  # during the handshake, no caller has it yet
            raise


class TLSSocket(Socket, ssl.SSLSocket):
    """A TLS socket, for ``SSLContext.sslsocket_class``."""

    def do_handshake(self, *args: Any) -> None:
        with self._within_deadline():
            super().do_handshake(*args)
