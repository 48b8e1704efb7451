"""A distant Vault behind TLS: a proxy on this machine adds the latency."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING

from tests.certificates import Authority
from tests.harness.openbao import DevVault
from tests.vault.listening import tls_openbao

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Seconds in each direction.
ONE_WAY = 0.02
_PIECE = 64 * 1024


@contextmanager
def far_openbao(directory: Path) -> Iterator[tuple[DevVault, dict[str, str]]]:
    """Run a server; yield its operator, and the variables to log in through the proxy."""
    authority = Authority.create()
    certificate = authority.server("127.0.0.1")
    with tls_openbao(directory, authority.pem, certificate) as listener, far(listener.port) as port:
        operator = listener.operator
        operator.write("sys/auth/approle", {"type": "approle"})
        policy = operator.policy('path "+/+/+" { capabilities = ["read", "update"] }')
        operator.write("auth/approle/role/bench", {"token_policies": policy, "token_ttl": "5m"})
        yield (
            DevVault(operator.address, operator.token),
            {
                "BAO_ADDR": f"https://127.0.0.1:{port}",
                "BAO_CACERT": str(listener.ca),
                "DOCKERTLS_ROLE_ID": operator.read("auth/approle/role/bench/role-id")["role_id"],
                "DOCKERTLS_SECRET_ID": operator.write("auth/approle/role/bench/secret-id")["data"][
                    "secret_id"
                ],
            },
        )


@contextmanager
def far(port: int) -> Iterator[int]:
    """Yield the port of a proxy to ``port`` that delays everything in each direction.

    It also accounts for the TCP handshake, which it answers at once: data sent before that
    would be finished is delayed until then.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_serve, args=(listener, port), daemon=True).start()
        yield listener.getsockname()[1]


def _serve(listener: socket.socket, port: int) -> None:
    with suppress(OSError):  # it was closed
        while True:
            client, _ = listener.accept()
            connected = time.monotonic() + 2 * ONE_WAY
            server = socket.create_connection(("127.0.0.1", port))
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _carry(client, server, connected)
            _carry(server, client, connected)


def _carry(source: socket.socket, target: socket.socket, connected: float) -> None:
    """Forward the data of ``source``; an empty piece is its end."""
    pieces: SimpleQueue[tuple[float, bytes]] = SimpleQueue()

    def take() -> None:
        piece = b"begun"
        while piece:
            try:
                piece = source.recv(_PIECE)
            except OSError:
                piece = b""
            pieces.put((max(time.monotonic(), connected) + ONE_WAY, piece))

    def give() -> None:
        with suppress(OSError):  # it has gone
            while True:
                due, piece = pieces.get()
                time.sleep(max(0.0, due - time.monotonic()))
                if not piece:
                    target.shutdown(socket.SHUT_WR)
                    return
                target.sendall(piece)

    for work in (take, give):
        threading.Thread(target=work, daemon=True).start()
