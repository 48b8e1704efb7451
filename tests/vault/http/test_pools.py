"""Connections to Vault: what goes over them, and how."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dockertls_vault.vault.http.deadline import Socket
from tests.vault.operator import session

if TYPE_CHECKING:
    import pytest

    from tests.harness.openbao import DevVault


def test_a_request_is_sent_in_one_piece(openbao: DevVault, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server is woken once, and never waits for a body that is still to come."""
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
