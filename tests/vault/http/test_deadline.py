"""Sockets with a deadline: transfers in many small steps still end in time."""

from __future__ import annotations

import socket
import ssl
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from dockertls_vault.vault.http.deadline import Socket, TLSSocket
from tests.certificates import SERVER_AUTH, Authority, write_credential
from tests.docker.servers import LIMIT, server_context, silent, talking

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_MUCH = b"x" * (64 << 20)


def drip(connection: socket.socket) -> None:
    """Send a byte now and then until the client is gone."""
    while True:
        connection.sendall(b"x")
        time.sleep(0.02)


def sip(connection: socket.socket) -> None:
    """Read a little now and then until nothing is left."""
    while connection.recv(65536):
        time.sleep(0.02)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory with a server certificate."""
    authority = Authority.create()
    certificate = authority.issue("localhost", usages=[SERVER_AUTH])
    return write_credential(tmp_path_factory.mktemp("tls"), authority.pem, certificate)


@contextmanager
def connected(talk: Callable[[socket.socket], None], files: Path | None) -> Iterator[Socket]:
    """Connect to a peer that behaves as given, over TLS if there are files for it."""

    def serve(connection: socket.socket) -> None:
        if files is None:
            talk(connection)
        else:
            with server_context(files).wrap_socket(connection, server_side=True) as wrapped:
                talk(wrapped)

    with talking(serve) as port, dialed(port) as plain:
        if files is None:
            yield plain
        else:
            with client_context().wrap_socket(plain) as wrapped:
                assert isinstance(wrapped, TLSSocket)
                yield wrapped


@contextmanager
def dialed(port: int) -> Iterator[Socket]:
    """Connect without TLS."""
    with Socket(socket.AF_INET) as plain:
        plain.settimeout(LIMIT)
        plain.connect(("127.0.0.1", port))
        yield plain


def client_context() -> ssl.SSLContext:
    """Return a client's TLS context with deadline sockets, which verifies nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.sslsocket_class = TLSSocket
    return context


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "TLS"])
@pytest.mark.parametrize(
    ("talk", "step"),
    [
        (drip, lambda connection: connection.recv(1)),
        (drip, lambda connection: connection.recv_into(bytearray(1))),
        (sip, lambda connection: connection.send(_MUCH[:65536])),
        (sip, lambda connection: connection.sendall(_MUCH)),
    ],
    ids=["recv", "recv_into", "send", "sendall"],
)
def test_deadline_covers_many_small_steps(
    files: Path,
    talk: Callable[[socket.socket], None],
    step: Callable[[Socket], object],
    *,
    encrypted: bool,
) -> None:
    """A peer that does a little now and then gets no more time than one that hangs."""
    with connected(talk, files if encrypted else None) as connection:
        connection.settimeout(0.3)
        started = time.monotonic()
        with pytest.raises(TimeoutError):
            _go_on(step, connection)
        assert time.monotonic() - started < LIMIT / 2


def _go_on(step: Callable[[Socket], object], connection: Socket) -> None:
    """Repeat a step, with an upper limit."""
    started = time.monotonic()
    while time.monotonic() < started + LIMIT:
        step(connection)


def test_deadline_is_kept_when_tls_starts() -> None:
    """Neither the handshake nor the traffic after it restarts the clock."""
    with silent() as port, dialed(port) as plain:
        plain.settimeout(0.1)
        time.sleep(0.05)
        context = client_context()
        with context.wrap_socket(plain, do_handshake_on_connect=False) as wrapped:
            assert 0 < (wrapped.gettimeout() or 0) <= 0.05


def test_socket_without_a_timeout_reports_the_reset() -> None:
    """Ssl reads from a socket that was reset before its handshake."""
    with Socket(socket.AF_INET) as plain, pytest.raises(OSError, match="not connected"):
        plain.recv(1)


def test_operation_after_the_deadline_times_out_at_once() -> None:
    """Rather than failing as non-blocking I/O with a timeout of zero does."""
    with silent() as port, dialed(port) as plain:
        plain.settimeout(0.0)
        assert plain.gettimeout() > 0
        with pytest.raises(TimeoutError, match="timed out"):
            plain.sendall(b"x")
