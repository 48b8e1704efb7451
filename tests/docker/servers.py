"""Small servers on a loopback port, one thread each: whatever answers where Docker should."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

LIMIT = 30.0  # seconds; far more than anything here takes


@contextlib.contextmanager
def silent() -> Iterator[int]:
    """Take connections and never say a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@contextlib.contextmanager
def talking(talk: Callable[[socket.socket], None]) -> Iterator[int]:
    """Call ``talk`` with each connection, one after the other."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        over = threading.Event()

        def serve() -> None:
            while True:
                connection, _ = listener.accept()
                with connection:
                    if over.is_set():
                        return
                    connection.settimeout(LIMIT)
                    with contextlib.suppress(OSError):
                        talk(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        port = listener.getsockname()[1]
        try:
            yield port
        finally:
            over.set()
            socket.create_connection(("127.0.0.1", port), LIMIT).close()
            thread.join(LIMIT)


def server_context(credential: Path, *, verify: bool = False) -> ssl.SSLContext:
    """Return a server's TLS with the files in ``credential``."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(credential / "cert.pem", credential / "key.pem")
    if verify:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(credential / "ca.pem")
    return context


def resetting(context: ssl.SSLContext) -> Callable[[socket.socket], None]:
    """Do the handshake, then reset the connection, so that nothing more is heard."""

    def talk(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as tls:
            tls.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return talk


@contextlib.contextmanager
def http(
    status: int,
    body: bytes,
    *,
    context: ssl.SSLContext | None = None,
    headers: Mapping[str, str] | None = None,
) -> Iterator[int]:
    """Answer each GET with ``status``, ``body`` and ``headers``."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Be quiet."""

    class Server(HTTPServer):
        def get_request(self) -> tuple[socket.socket, object]:
            connection, address = super().get_request()
            connection.settimeout(LIMIT)
            if context is None:
                return connection, address
            return context.wrap_socket(connection, server_side=True), address

        def handle_error(self, *_: object) -> None:
            """Nothing: clients that come without a certificate are what is tested."""

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join(LIMIT)
