"""Small servers on loopback ports, one thread each, in place of Docker."""

from __future__ import annotations

import contextlib
import itertools
import select
import socket
import ssl
import struct
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

from OpenSSL import SSL

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Mapping
    from pathlib import Path

# The answer of Podman 4.3.1 (Debian 12) to GET /version, shortened.
PODMAN = (
    b'{"Platform":{"Name":"linux/amd64/debian-12"},"Components":[{"Name":"Podman Engine",'
    b'"Version":"4.3.1","Details":{"APIVersion":"4.3.1","Arch":"amd64","MinAPIVersion":"4.0.0",'
    b'"Os":"linux"}},{"Name":"Conmon","Version":"conmon version 2.1.6, commit: unknown",'
    b'"Details":{"Package":"conmon_2.1.6+ds1-1_amd64"}}],"Version":"4.3.1","ApiVersion":"1.41",'
    b'"MinAPIVersion":"1.24","GitCommit":"","GoVersion":"go1.19.8","Os":"linux","Arch":"amd64"}'
)
# Go's answer to plaintext on a TLS port.
GO = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"
LIMIT = 30.0  # seconds; far more than anything here takes


@contextlib.contextmanager
def silent() -> Iterator[int]:
    """Accept connections and never send anything."""
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
    """Return a server's TLS context with the files in ``credential``."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(credential / "cert.pem", credential / "key.pem")
    if verify:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(credential / "ca.pem")
    return context


def openssl_context(credential: Path, *, maximum: int = SSL.TLS1_3_VERSION) -> SSL.Context:
    """Return one of pyOpenSSL, which can do more; ``maximum`` is a TLS version."""
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_max_proto_version(maximum)
    context.use_certificate_chain_file(str(credential / "cert.pem"))
    context.use_privatekey_file(str(credential / "key.pem"))
    return context


def shaking_hands(
    context: SSL.Context, then: Callable[[SSL.Connection], object] = lambda _: None
) -> Callable[[socket.socket], None]:
    """Do the handshake, then call ``then``; a client that leaves is not an error."""

    def talk(connection: socket.socket) -> None:
        connection.setblocking(True)
        tls = SSL.Connection(context, connection)
        tls.set_accept_state()
        with contextlib.suppress(SSL.Error):
            tls.do_handshake()
            then(tls)

    return talk


def refusing_late(
    context: ssl.SSLContext, listening: threading.Event
) -> Callable[[socket.socket], None]:
    """Refuse, but not before ``listening``; reset if the client keeps writing, as dockerd does.

    The handshake runs detached from the socket, so that the alert can be delayed.
    """

    def talk(connection: socket.socket) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_side=True)
        while data := connection.recv(65536):
            incoming.write(data)
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                connection.sendall(outgoing.read())
            except ssl.SSLError:
                while not listening.wait(0.01):
                    if incoming.pending or select.select([connection], [], [], 0)[0]:
                        connection.setsockopt(
                            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                        )
                        return
                connection.sendall(outgoing.read())
                return

    return talk


def asking_late(credential: Path) -> Callable[[socket.socket], None]:
    """Request a certificate only after a request, as TLS 1.2 allows (renegotiation)."""
    context = openssl_context(credential, maximum=SSL.TLS1_2_VERSION)
    context.load_verify_locations(str(credential / "ca.pem"))
    context.set_session_id(b"late")

    def ask(tls: SSL.Connection) -> None:
        tls.recv(4096)
        tls.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT)
        tls.renegotiate()
        tls.do_handshake()
        tls.recv(4096)

    return shaking_hands(context, ask)


def resetting(context: ssl.SSLContext) -> Callable[[socket.socket], None]:
    """Do the handshake, then reset the connection, so that nothing more arrives."""

    def talk(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as tls:
            tls.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return talk


def dropping(
    talk: Callable[[socket.socket], None], dropped: Container[int]
) -> Callable[[socket.socket], None]:
    """Close the connections with these numbers unanswered, as a connection limit does.

    Only connections with TLS are counted, from 0 on.
    """
    numbers = itertools.count()

    def talk_or_drop(connection: socket.socket) -> None:
        is_tls = connection.recv(1, socket.MSG_PEEK) == b"\x16"
        if not (is_tls and next(numbers) in dropped):
            talk(connection)

    return talk_or_drop


def answering(
    context: ssl.SSLContext, body: bytes = b'{"Version":"28.5.1","ApiVersion":"1.51"}'
) -> Callable[[socket.socket], None]:
    """Answer one request over TLS as Docker does, and plaintext as Go does."""

    def talk(connection: socket.socket) -> None:
        if connection.recv(1, socket.MSG_PEEK) != b"\x16":
            connection.recv(4096)
            connection.sendall(GO)
            return
        with context.wrap_socket(connection, server_side=True) as tls:
            if tls.recv(4096):
                tls.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    return talk


def asking(
    credential: Path, *, authorities: Path | None, maximum: int = SSL.TLS1_3_VERSION
) -> Callable[[socket.socket], None]:
    """Request a certificate in the handshake, naming the CAs in ``authorities`` (PEM), if any.

    A client without one is refused; ``maximum`` is the highest TLS version.
    """
    context = openssl_context(credential, maximum=maximum)
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT)
    if authorities is not None:
        context.load_client_ca(bytes(authorities))
    return shaking_hands(context)


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
            """Ignore it: clients without a certificate are part of the tests."""

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join(LIMIT)
