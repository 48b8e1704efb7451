"""Servers with faults that a real Vault cannot be made to show on demand."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

_LIMIT = 60.0  # seconds; far more than anything here takes


def response(body: object, status: str = "200 OK", *headers: str) -> bytes:
    """Return a complete HTTP response; ``body`` is JSON unless it is bytes."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    length = f"Content-Length: {len(raw)}"
    lines = [f"HTTP/1.1 {status}", length, "Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode() + raw


@dataclass
class Node:
    """A node that calls ``answer`` with each connection, after reading its request."""

    address: str
    answer: Callable[[Node, socket.socket], None]
    over: threading.Event = field(default_factory=threading.Event)
    paths: list[str] = field(default_factory=list)

    def hangs(self, _connection: socket.socket) -> None:
        """Accept the request and never answer."""
        self.over.wait(_LIMIT)

    def closes_mid_body(self, connection: socket.socket) -> None:
        """Close the connection before the announced length."""
        connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"data": {"cert')

    def answers_garbage(self, connection: socket.socket) -> None:
        """Answer with something other than HTTP."""
        connection.sendall(b"\x15\x03\x01\x00\x02\x02\x16 what?\r\n\r\n")

    def answers_html(self, connection: socket.socket) -> None:
        """Answer as some other web server."""
        connection.sendall(response(b"<html>hello</html>", "200 OK", "Content-Type: text/html"))

    def answers_as_another_service(self, connection: socket.socket) -> None:
        """Answer 404 as another service does."""
        connection.sendall(response({"message": "not found"}, "404 Not Found"))

    def drips_headers(self, connection: socket.socket) -> None:
        """Send the headers one byte at a time, without end."""
        self._drip(connection, b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 10_000)

    def drips_body(self, connection: socket.socket) -> None:
        """Send a long body one byte at a time."""
        self._drip(connection, b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n" + b" " * 10_000)

    def never_ends(self, connection: socket.socket) -> None:
        """Send a body for as long as the client reads it."""
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while not self.over.is_set():
            connection.sendall(b"x" * 65536)

    def redirects_in_a_circle(self, connection: socket.socket) -> None:
        """Redirect to this node itself."""
        connection.sendall(response({}, "307 Temporary Redirect", f"Location: {self.address}/v1/x"))

    def _drip(self, connection: socket.socket, content: bytes) -> None:
        for byte in content:
            if self.over.wait(0.05):
                return
            connection.sendall(bytes([byte]))


@contextlib.contextmanager
def misbehaving(
    answer: Callable[[Node, socket.socket], None], context: ssl.SSLContext | None = None
) -> Iterator[Node]:
    """Run a node on a free loopback port, with one thread per connection."""
    scheme = "http" if context is None else "https"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        node = Node(f"{scheme}://127.0.0.1:{listener.getsockname()[1]}", answer)
        threads: list[threading.Thread] = []

        def serve() -> None:
            while not node.over.is_set():
                connection, _ = listener.accept()
                thread = threading.Thread(target=_talk, args=(node, connection, context))
                thread.start()
                threads.append(thread)

        acceptor = threading.Thread(target=serve)
        acceptor.start()
        try:
            yield node
        finally:
            node.over.set()
            socket.create_connection(listener.getsockname(), _LIMIT).close()
            for thread in [acceptor, *threads]:
                thread.join(_LIMIT)


def _talk(node: Node, connection: socket.socket, context: ssl.SSLContext | None) -> None:
    connection.settimeout(_LIMIT)
    with contextlib.suppress(OSError), contextlib.ExitStack() as opened:
        opened.enter_context(connection)
        if context is not None:
            wrapped = context.wrap_socket(connection, server_side=True)
            connection = opened.enter_context(wrapped)
        request = _read_request(connection)
        if request:
            node.paths.append(request.split(b" ")[1].decode())
            node.answer(node, connection)


def _read_request(connection: socket.socket) -> bytes:
    """Read one request with its body: unread data would reset the connection."""
    request = b""
    while b"\r\n\r\n" not in request:
        piece = connection.recv(65536)
        if not piece:
            return b""
        request += piece
    head, _, body = request.partition(b"\r\n\r\n")
    lengths = [line[15:] for line in head.lower().split(b"\r\n") if b"content-length:" in line]
    while lengths and len(body) < int(lengths[0]):
        body += connection.recv(65536)
    return head


@dataclass
class Relay:
    """A relay in front of a real server that can be stopped."""

    address: str
    stop: Callable[[], None]


@contextlib.contextmanager
def relaying(target: str) -> Iterator[Relay]:
    """Forward requests to ``target`` until stopped, then refuse connections."""
    parts = urlsplit(target)
    stopped = threading.Event()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        open_sockets: list[socket.socket] = []

        def serve() -> None:
            while True:
                connection, _ = listener.accept()
                if stopped.is_set():
                    connection.close()
                    return
                upstream = socket.create_connection((parts.hostname, parts.port), _LIMIT)
                open_sockets.extend([connection, upstream])
                for pair in ((connection, upstream), (upstream, connection)):
                    threading.Thread(target=_copy, args=pair, daemon=True).start()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()

        def stop() -> None:
            if stopped.is_set():
                return
            stopped.set()
            socket.create_connection(address, _LIMIT).close()
            thread.join(_LIMIT)
            listener.close()
            for opened in open_sockets:
                with contextlib.suppress(OSError):
                    opened.shutdown(socket.SHUT_RDWR)
                opened.close()

        try:
            yield Relay(f"http://127.0.0.1:{address[1]}", stop)
        finally:
            stop()


def connects(node: Node, connection: socket.socket) -> None:
    """Act as a proxy: tunnel to the host that CONNECT names."""
    host, _, port = node.paths[-1].rpartition(":")
    with socket.create_connection((host, int(port)), _LIMIT) as upstream:
        connection.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
        back = threading.Thread(target=_copy, args=(upstream, connection))
        back.start()
        _copy(connection, upstream)
        upstream.shutdown(socket.SHUT_WR)
        back.join(_LIMIT)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)


def rate_limited(until: int) -> Callable[[Node, socket.socket], None]:
    """Return an answer of 429 to the first ``until`` requests, then a token's data."""

    def answer(node: Node, connection: socket.socket) -> None:
        if len(node.paths) <= until:
            errors = {"errors": ["request path quota: rate limit quota exceeded"]}
            connection.sendall(response(errors, "429 Too Many Requests"))
        else:
            connection.sendall(response({"data": {"display_name": "after all"}}))

    return answer


def redirects_to(location: str) -> Callable[[Node, socket.socket], None]:
    """Return a standby's redirect to the leader at this URL."""

    def answer(_node: Node, connection: socket.socket) -> None:
        connection.sendall(response({}, "307 Temporary Redirect", f"Location: {location}"))

    return answer


def says_json(body: object) -> Callable[[Node, socket.socket], None]:
    """Return an answer of 200 with this body."""

    def answer(_node: Node, connection: socket.socket) -> None:
        connection.sendall(response(body))

    return answer


def says(*errors: str, status: str) -> Callable[[Node, socket.socket], None]:
    """Return an error answer in Vault's format."""

    def answer(_node: Node, connection: socket.socket) -> None:
        connection.sendall(response({"errors": list(errors)}, status))

    return answer
