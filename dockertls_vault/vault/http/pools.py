"""urllib3's connection pools, with sockets from dialing.py that have a deadline."""

from __future__ import annotations

import http.client
import socket
import ssl
from typing import TYPE_CHECKING, Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import (
    ConnectTimeoutError,
    NameResolutionError,
    NewConnectionError,
    ProxyError,
)

from dockertls_vault import stop

from . import dialing

if TYPE_CHECKING:
    from urllib3 import PoolManager

    from .deadline import Socket

# Idle connections to keep per server: one for each thread that sends requests (vault/session.py).
KEPT = 3


def use_deadlines(manager: PoolManager) -> None:
    """Make ``manager`` use these pools."""
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}


class _Connection(HTTPConnection):
    _pieces: list[bytes] | None = None

    def request(self, *args: Any, **kwargs: Any) -> None:
        """Send the head and the body in one piece, which is faster: the server wakes up once."""
        self._pieces = []
        try:
            super().request(*args, **kwargs)
            whole = b"".join(self._pieces)
        finally:
            self._pieces = None
        self.send(whole)

    def send(self, data: Any) -> None:
        if self._pieces is None:
            super().send(data)
        else:
            self._pieces.append(data)

    def connect(self) -> None:
        """Connect; a signal may interrupt this at once, because nothing has been sent yet."""
        with stop.at_once():
            super().connect()

    def _new_conn(self) -> Socket:
        try:
            return self._dial(self.timeout or 0.0)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        except TimeoutError as error:
            raise ConnectTimeoutError(self, "timed out") from error
        except OSError as error:
            raise NewConnectionError(self, str(error)) from error

    def _dial(self, limit: float) -> Socket:
        return dialing.connect(self._dns_host, self.port, limit)


class HandshakeError(Exception):
    """Is the cause of an error in a TLS handshake, before which no request is sent."""


class _TLSConnection(_Connection, HTTPSConnection):
    def connect(self) -> None:
        try:
            super().connect()
        except ssl.SSLError as error:
            raise error from HandshakeError()

    def _tunnel(self) -> None:
        """Open a tunnel through the proxy; raises ProxyError for any failure until it is open.

        urllib3 only does so if the proxy refuses the tunnel or cannot be reached.
        """
        try:
            super()._tunnel()
        except (OSError, http.client.HTTPException) as error:
            raise ProxyError("tunnel failed", error) from error

    def send(self, data: Any) -> None:
        """Send; if the server has closed, raise BrokenPipeError, so that urllib3 reads the alert.

        With TLS 1.3 a server that requires a client certificate sends its alert after the handshake
        and may close before the request is written.
        """
        try:
            super().send(data)
        except ssl.SSLEOFError as error:
            raise BrokenPipeError from error


class _UnixConnection(_Connection):
    def __init__(self, *args: Any, path: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._path = path

    def _dial(self, limit: float) -> Socket:
        return dialing.connect_unix(self._path, limit)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


class UnixPool(HTTPConnectionPool):
    """Connections to the Unix socket at ``path``; the Host header is localhost, as in Go."""

    ConnectionCls = _UnixConnection

    def __init__(self, path: str) -> None:
        super().__init__("localhost", path=path, maxsize=KEPT)
