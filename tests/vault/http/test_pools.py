"""Connections to Vault: what goes over them, and how."""

from __future__ import annotations

import ssl
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from urllib3 import PoolManager

from dockertls_vault import stop
from dockertls_vault.vault.http import pools
from dockertls_vault.vault.http.deadline import Socket
from tests.resolvers import LIMIT
from tests.vault.operator import session

from .test_dialing import full

if TYPE_CHECKING:
    from tests.harness.openbao import DevVault


def test_alert_of_a_server_that_has_closed_is_still_read() -> None:
    """Writing fails as for a broken pipe, after which urllib3 reads the response."""

    class Closed:
        """A socket in TLS whose other end is closed."""

        def sendall(self, _data: bytes) -> None:
            raise ssl.SSLEOFError

    manager = PoolManager()
    pools.use_deadlines(manager)
    kind: Any = manager.pool_classes_by_scheme["https"]
    connection = kind.ConnectionCls("vault.example")
    connection.sock = Closed()
    with pytest.raises(BrokenPipeError):
        connection.send(b"GET /")


def test_signal_interrupts_connecting_for_a_login_that_works_once() -> None:
    """Such a login is completed once it is sent, but nothing has been sent yet."""
    manager = PoolManager()
    pools.use_deadlines(manager)
    kind: Any = manager.pool_classes_by_scheme["http"]
    with full() as (host, port), stop.heeded() as asked, stop.patiently():
        timer = threading.Timer(0.2, asked.request)
        timer.start()
        started = time.monotonic()
        with pytest.raises(stop.Stopped):
            kind.ConnectionCls(host, port, timeout=LIMIT).connect()
        assert time.monotonic() - started < LIMIT / 2
        timer.join()


def test_request_is_sent_in_one_piece(openbao: DevVault, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server is woken once, and never waits for the body."""
    sendall = Socket.sendall
    pieces: list[bytes] = []

    def noted(connection: Socket, data: bytes, *more: Any) -> None:
        pieces.append(data)
        sendall(connection, data, *more)

    monkeypatch.setattr(Socket, "sendall", noted)
    with session(openbao.address, VAULT_TOKEN=openbao.token) as opened:
        opened.adapter.post("/v1/sys/tools/hash", json={"input": "b25l"})
    *_, body = [piece.partition(b"\r\n\r\n")[2] for piece in pieces]
    assert body == b'{"input":"b25l"}'
    assert all(piece.startswith(b"POST ") for piece in pieces)
