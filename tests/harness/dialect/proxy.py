"""A proxy in front of one server, which passes each request through a chain of rules."""

from __future__ import annotations

import http.client
import sys
import threading
from contextlib import closing, contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .exchange import Answer, Forward, Request

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .exchange import Rule

_LIMIT = 120.0  # seconds; far more than any call takes
_NO_BODY = {204, 304}
# Hop-by-hop headers (RFC 9110 section 7.6.1), and those that each sender of a body sets.
_HOP_BY_HOP = {"Connection", "Keep-Alive", "Transfer-Encoding", "Upgrade", "Te", "Trailer"}
_SET_ANEW = {"Host", "Accept-Encoding", "Content-Length"}


@contextmanager
def speaking(rules: Sequence[Rule], address: str) -> Iterator[str]:
    """Serve the server at ``address`` through ``rules``, the first one nearest to the client.

    Yields the address of the proxy: HTTP on loopback, like the server's.
    """
    forward: Forward = partial(_pass_on, address)
    for rule in reversed(rules):
        forward = _through(rule, forward)
    server = _Server(("127.0.0.1", 0), partial(_Handler, forward))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _through(rule: Rule, forward: Forward) -> Forward:
    return lambda request: rule(request, forward)


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report what goes wrong, but not that a client was killed."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Otherwise head and body are sent separately, and the body waits 40 ms (Nagle, delayed ACK).
    wbufsize = -1

    def __init__(self, forward: Forward, *arguments: Any) -> None:
        self._forward = forward
        super().__init__(*arguments)  # which serves the connection

    def _handle(self) -> None:
        if "Transfer-Encoding" in self.headers:
            self.send_error(http.HTTPStatus.LENGTH_REQUIRED)
            return
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = Request(self.command, self.path, _capitalized(self.headers.items()), body)
        try:
            answer = self._forward(request)
        except OSError as error:
            self.send_error(http.HTTPStatus.BAD_GATEWAY, explain=str(error))
            return
        self._reply(answer)

    do_GET = do_HEAD = do_LIST = do_SCAN = do_OPTIONS = _handle  # noqa: N815 - named by http.server
    do_POST = do_PUT = do_PATCH = do_DELETE = _handle  # noqa: N815 - likewise

    def _reply(self, answer: Answer) -> None:
        self.send_response_only(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if self.command != "HEAD" and answer.status not in _NO_BODY:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's signature
        pass


def _pass_on(address: str, request: Request) -> Answer:
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_LIMIT)
    with closing(connection):
        sent = _without(request.headers, _HOP_BY_HOP | _SET_ANEW)
        connection.request(request.method, request.target, request.body or None, sent)
        answer = connection.getresponse()
        left_out = _HOP_BY_HOP if request.method == "HEAD" else _HOP_BY_HOP | {"Content-Length"}
        headers = _without(_capitalized(answer.getheaders()), left_out)
        return Answer(answer.status, headers, answer.read())


def _capitalized(headers: Sequence[tuple[str, str]]) -> dict[str, str]:
    return {name.title(): value for name, value in headers}


def _without(headers: Mapping[str, str], names: set[str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name not in names}
