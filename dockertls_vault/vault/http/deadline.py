"""Connections that keep to one deadline, for urllib3.

A timeout of ``socket`` is for each step, so that a server which sends a byte a second would
never exceed it. Here the timeout of a connection is for all of it: making it (dialing.py), and
then the whole answer, headers included.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import (
    ConnectTimeoutError,
    LocationParseError,
    NameResolutionError,
    NewConnectionError,
    ProxyError,
)

from dockertls_vault import stop

from . import dialing

if TYPE_CHECKING:
    from urllib3 import PoolManager


def bound(manager: PoolManager) -> None:
    """Let the connections of ``manager`` be such."""
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}


class _Stream(io.RawIOBase):
    """A socket's bytes until the deadline; reading on raises TimeoutError."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._raw = sock.makefile("rb", buffering=0)
        self._deadline = time.monotonic() + (sock.gettimeout() or 0.0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        # A connection that was closed in between has no socket left to set anything on.
        if self._socket.fileno() >= 0:
            self._socket.settimeout(left)
        with stop.cutting(partial(stop.shut, self._socket)):
            return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self.fp = io.BufferedReader(_Stream(sock))


class _Connection(HTTPConnection):
    response_class = _Response
    # The socket once more, to be cut: TLS takes the other's descriptor before it shakes hands.
    _own: socket.socket | None = None

    def connect(self) -> None:
        """Connect; as long as nothing was sent, there is nothing to be patient for."""
        with stop.at_once(), stop.cutting(self._cut):
            super().connect()

    def request(self, *args: Any, **kwargs: Any) -> None:
        with stop.cutting(self._cut):
            super().request(*args, **kwargs)

    def close(self) -> None:
        super().close()
        if self._own is not None:
            self._own.close()
            self._own = None

    def _cut(self) -> None:
        if self._own is not None:
            stop.shut(self._own)

    def _new_conn(self) -> socket.socket:
        try:
            connection = self._dial(self.timeout or 0.0)
            self._own = connection.dup()
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        except UnicodeError as error:
            raise LocationParseError(self.host) from error
        except TimeoutError as error:
            raise ConnectTimeoutError(self, "timed out") from error
        except OSError as error:
            raise NewConnectionError(self, str(error)) from error
        return connection

    def _dial(self, limit: float) -> socket.socket:
        return dialing.connect(self._dns_host, self.port, limit)


class _TLSConnection(_Connection, HTTPSConnection):
    def _tunnel(self) -> None:
        """Ask the proxy for a way to Vault; what fails until that is there is the proxy's fault.

        urllib3 says so only where the proxy refuses or cannot be reached.
        """
        try:
            super()._tunnel()
        except (OSError, http.client.HTTPException) as error:
            raise ProxyError("no way through", error) from error

    def send(self, data: Any) -> None:
        """Send, or let urllib3 read why the server has gone, as it does for a broken pipe.

        A server that wants a client's certificate says so after the handshake of TLS 1.3, and
        may have closed before the request is written: its alert is still to be read.
        """
        try:
            super().send(data)
        except ssl.SSLEOFError as error:
            raise BrokenPipeError from error


class _UnixConnection(_Connection):
    def __init__(self, *args: Any, path: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._path = path

    def _dial(self, limit: float) -> socket.socket:
        return dialing.connect_unix(self._path, limit)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


class UnixPool(HTTPConnectionPool):
    """Connections to the Unix socket at ``path``; its server is called localhost, as by Go's."""

    ConnectionCls = _UnixConnection

    def __init__(self, path: str) -> None:
        super().__init__("localhost", path=path)
