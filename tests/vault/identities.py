"""Small stand-ins for identity providers, each for one call only."""

from __future__ import annotations

import base64
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from tests.docker.servers import talking

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator


class Signer:
    """A signer of JWTs (ES256)."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())

    @property
    def public_key(self) -> str:
        """Return the key with which Vault verifies the JWTs, as PEM."""
        return (
            self._key.public_key()
            .public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
            .decode()
        )

    def sign(self, claims: dict[str, Any]) -> str:
        """Return a JWT with these claims."""
        parts = [{"alg": "ES256", "typ": "JWT"}, claims]
        signed = ".".join(_base64(json.dumps(part).encode()) for part in parts)
        signature = self._key.sign(signed.encode(), ec.ECDSA(hashes.SHA256()))
        raw = b"".join(number.to_bytes(32, "big") for number in decode_dss_signature(signature))
        return f"{signed}.{_base64(raw)}"


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@contextmanager
def answering_json(answer: Callable[[BaseHTTPRequestHandler, bytes], object]) -> Iterator[str]:
    """Answer each HTTP request with JSON, or with 401 for None; yield the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            found = answer(self, body)
            raw = json.dumps(found or {}).encode()
            self.send_response(401 if found is None else 201 if body else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        do_POST = do_GET  # noqa: N815 - named by http.server

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's signature
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def github(bearer: str, jwt: Callable[[str | None], str]) -> Iterator[str]:
    """Issue a JWT for an audience to any client with ``bearer``; yield the URL with its query."""

    def answer(request: BaseHTTPRequestHandler, _body: bytes) -> object:
        if request.headers["Authorization"] != f"Bearer {bearer}":
            return None
        query = parse_qs(urlsplit(request.path).query)
        assert query["api-version"] == ["2.0"]
        return {"count": 1, "value": jwt(query.get("audience", [None])[0])}

    with answering_json(answer) as address:
        yield f"{address}/token?api-version=2.0"


@contextmanager
def token_review(jwt: str, namespace: str, account: str) -> Iterator[str]:
    """Serve the API of a cluster with one service account; yield the address."""

    def answer(_request: BaseHTTPRequestHandler, body: bytes) -> object:
        review = json.loads(body)
        user = {"username": f"system:serviceaccount:{namespace}:{account}", "uid": "1"}
        status: dict[str, object] = {"authenticated": review["spec"]["token"] == jwt}
        if status["authenticated"]:
            status |= {"user": user, "audiences": review["spec"].get("audiences", [])}
        kind = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview"}
        return {**review, **kind, "status": status}

    with answering_json(answer) as address:
        yield address


@contextmanager
def ldap(user: str, password: str) -> Iterator[str]:
    """Serve an LDAP directory with one user who can bind (RFC 4511); yield its URL.

    Vault binds as the user, and looks up groups only if groupdn is configured.
    """

    def talk(connection: socket.socket) -> None:
        while message := connection.recv(4096):
            if message[5] != 0x60:  # it takes its leave (UnbindRequest)
                return
            right = user.encode() in message and message.endswith(password.encode())
            result = 0 if right else 49  # invalidCredentials
            identifier = message[2:5]
            answer = b"\x61\x07\x0a\x01" + bytes([result]) + b"\x04\x00\x04\x00"
            connection.sendall(b"\x30" + bytes([len(identifier + answer)]) + identifier + answer)

    with talking(talk) as port:
        yield f"ldap://127.0.0.1:{port}"
