"""The answer of a daemon to ``GET /version``, from its first byte on."""

from __future__ import annotations

import socket
import threading
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING

from dockertls_vault.docker.diagnosis import answers
from dockertls_vault.docker.diagnosis.checks import Check
from dockertls_vault.docker.diagnosis.report import Result
from dockertls_vault.docker.endpoint import Endpoint
from dockertls_vault.docker.handshake.outcome import Exchange, Greeting
from dockertls_vault.docker.handshake.probe import Peer, ask

from .border import Border
from .mutations import of_bytes, of_json

if TYPE_CHECKING:
    from random import Random

_LIMIT = timedelta(seconds=60)
_VERSION = {
    "Platform": {"Name": "Docker Engine - Community"},
    "Components": [{"Name": "Engine", "Version": "29.0.1", "Details": {"ApiVersion": "1.52"}}],
    "Version": "29.0.1",
    "ApiVersion": "1.52",
    "Os": "linux",
    "Arch": "amd64",
}
_LINES = (
    "HTTP/1.1 200 OK",
    "HTTP/1.1 400 Bad Request",
    "HTTP/1.1 403 Forbidden",
    "HTTP/1.1 502 Bad Gateway",
    "HTTP/1.1 999999999999 x",
    "HTTP/9 200",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK",
)
_HEADERS = (
    "Content-Length: 1" + "0" * 22,
    "Content-Length: -5",
    "Content-Length: " + "9" * 5000,
    "Content-Length: ²",
    "Transfer-Encoding: chunked",
    "Content-Type: text/html",
    "Api-Version: 1.52",
    "Libpod-Api-Version: 5.0.0",
    "X: " + "a" * 70_000,
    ": x",
    "\x1b[2J: \x9b",
)


def _draw(random: Random) -> bytes:
    body = of_json(random, random.choice((_VERSION, {"message": "authorization denied by plugin"})))
    headers = random.choices(_HEADERS, k=random.choice((0, 1, 1, 2, 150)))
    whole = "\r\n".join([random.choice(_LINES), *headers, "", ""]).encode() + body
    return of_bytes(random, whole) if random.random() < 0.3 else whole


@cache
def _server() -> tuple[socket.socket, list[bytes]]:
    """Return a listening socket, and the answer that it sends, as a list of one to change."""
    listener = socket.create_server(("127.0.0.1", 0))
    answer = [b""]

    def serve() -> None:
        while True:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                try:
                    connection.sendall(answer[0])
                except ConnectionError:
                    continue

    threading.Thread(target=serve, daemon=True).start()
    return listener, answer


def _cross(said: bytes) -> object:
    """Send the request, and evaluate the answer without a certificate and with ours."""
    listener, answer = _server()
    answer[0] = said
    address = listener.getsockname()
    peer = Peer(Endpoint(*address), socket.AF_INET, address)
    outcome = ask(peer, None, _LIMIT).outcome
    exchange = Exchange(outcome, Greeting(b"shown", asks=True))
    credential = Check.CREDENTIAL.found(Result.OK, "")
    return [
        answers.judge_plaintext(outcome),
        answers.judge_no_certificate(exchange),
        answers.judge_ours(exchange, credential),
    ]


BORDER = Border("daemon", _draw, _cross)
