"""Servers that treat some connections differently: impostors, and proxies in front of a daemon."""

from __future__ import annotations

import contextlib
import itertools
import socket
import struct
import threading
from typing import TYPE_CHECKING

from OpenSSL import SSL

from . import servers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_ALERT = b"\x15\x03\x03\x00\x02\x02"  # fatal, and then which (RFC 8446, section 6)
_BODY = b'{"Version":"28.5.1","ApiVersion":"1.51","Os":"linux","Arch":"amd64"}'
VERSION = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(_BODY) + _BODY


def daemon(
    credential: Path, *, maximum: int = SSL.TLS1_3_VERSION
) -> Callable[[socket.socket], None]:
    """Answer clients of the CA in ``credential`` as dockerd does, and refuse all others."""
    context = servers.openssl_context(credential, maximum=maximum)
    context.load_verify_locations(str(credential / "ca.pem"))
    context.load_client_ca(bytes(credential / "ca.pem"))
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT)

    def answer(tls: SSL.Connection) -> None:
        tls.recv(4096)
        tls.sendall(VERSION)
        tls.shutdown()

    return servers.shaking_hands(context, answer)


def saying(data: bytes) -> Callable[[socket.socket], None]:
    """Send this reply to whatever the client sends first, then close."""

    def talk(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(data)

    return talk


def alerting(number: int) -> Callable[[socket.socket], None]:
    """Send an alert instead of a handshake."""
    return saying(_ALERT + bytes([number]))


def reset(connection: socket.socket) -> None:
    """Reset the connection as a firewall does."""
    connection.recv(65536)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def passing(port: int) -> Callable[[socket.socket], None]:
    """Forward everything to the genuine daemon and back."""

    def talk(connection: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", port), servers.LIMIT) as behind:
            back = threading.Thread(target=_pump, args=(behind, connection), daemon=True)
            back.start()
            _pump(connection, behind)
            back.join(servers.LIMIT)

    return talk


def replaying(port: int, after: bytes) -> Callable[[socket.socket], None]:
    """Replay a genuine TLS 1.2 daemon's certificate message, then send ``after``."""

    def talk(connection: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", port), servers.LIMIT) as behind:
            behind.sendall(connection.recv(65536))
            shown = behind.recv(65536)
        connection.sendall(shown + after)

    return talk


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


def by_number(
    usual: Callable[[socket.socket], None],
    others: Mapping[int, Callable[[socket.socket], None]],
) -> Callable[[socket.socket], None]:
    """Handle the TLS connections with these numbers, from 0 on, differently from ``usual``."""
    numbers = itertools.count()

    def talk(connection: socket.socket) -> None:
        first = connection.recv(1, socket.MSG_PEEK)
        if first == b"\x16":
            others.get(next(numbers), usual)(connection)
        elif first:
            connection.recv(4096)
            connection.sendall(servers.GO)

    return talk
