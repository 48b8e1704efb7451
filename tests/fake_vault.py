"""A Vault that can lie: the PKI endpoints that issuing uses, with answers that a test chooses.

It replaces a real server that cannot be made to misbehave. ``tests/test_issue.py`` runs the
honest cases against both it and a real OpenBao; the lies are in test_hostile_vault.py.
"""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from cryptography import x509

from dockertls_vault.certificate.certificate import certificates_pem

from .certificates import CLIENT_AUTH, SERVER_AUTH, Authority, Issued

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BACKDATED = timedelta(seconds=30)


@dataclass
class FakeVault:
    """One mount ``dockertls`` with one issuer and the roles ``server`` and ``client``.

    ``answer`` may take the place of what an honest server would return to a signing request:
    a certificate, another JSON body, or bytes that are no JSON at all. Its clock is ``ahead`` of
    the test's. What is read is answered after ``before_reading``.
    """

    address: str = ""
    token: str = "a-token-of-the-fake"
    authority: Authority = field(default_factory=Authority.create)
    answer: Callable[[Order], Issued | dict[str, Any] | bytes] | None = None
    orders: list[Order] = field(default_factory=list)
    ahead: timedelta = timedelta(0)
    before_reading: Callable[[], object] = lambda: None

    def sign(self, role: str, body: dict[str, Any]) -> Issued | dict[str, Any] | bytes:
        """Answer a signing request, honestly unless told otherwise."""
        csr = x509.load_pem_x509_csr(body["csr"].encode())
        order = Order(self.authority, role, csr, body, datetime.now(UTC) + self.ahead)
        self.orders.append(order)
        return order.honest() if self.answer is None else self.answer(order)


@dataclass(frozen=True)
class Order:
    """A signing request, the authority that signs it, and the time by its clock."""

    authority: Authority
    role: str
    csr: x509.CertificateSigningRequest
    body: dict[str, Any]
    now: datetime

    def honest(self, **changes: Any) -> Issued:
        """Issue what was requested, with ``changes`` (the arguments of Authority.issue)."""
        split = {key: self._list(key) for key in ("alt_names", "ip_sans")}
        arguments: dict[str, Any] = {
            "common_name": self.body.get("common_name") or None,
            "dns": split["alt_names"],
            "addresses": split["ip_sans"],
            "usages": [SERVER_AUTH if self.role == "server" else CLIENT_AUTH],
            "public_key": self.csr.public_key(),
            "not_before": self.now - BACKDATED,
            "lifetime": timedelta(seconds=int(self.body["ttl"].rstrip("s"))) + BACKDATED,
        }
        authority: Authority = changes.pop("authority", self.authority)
        return authority.issue(**{**arguments, **changes})

    def _list(self, key: str) -> list[str]:
        return [part for part in self.body.get(key, "").split(",") if part]


def signed(issued: Issued, *, chain: tuple[x509.Certificate, ...] = ()) -> dict[str, Any]:
    """Return the body of Vault's answer to a signing request."""
    return {
        "data": {
            "certificate": certificates_pem([issued.certificate]).decode().strip(),
            "issuing_ca": certificates_pem((*issued.chain, *chain)[:1]).decode().strip(),
            "ca_chain": [
                certificates_pem([found]).decode().strip() for found in (*issued.chain, *chain)
            ],
            "serial_number": f"{issued.certificate.serial_number:x}",
        }
    }


class _Handler(BaseHTTPRequestHandler):
    vault: ClassVar[FakeVault]
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.vault.before_reading()
        pem = self.vault.authority.pem.decode()
        if self.path.startswith("/v1/dockertls/issuers"):
            self._answer({"data": {"keys": ["one"], "key_info": {"one": {}}}})
        elif self.path.startswith("/v1/dockertls/issuer/one/json"):
            self._answer({"data": {"certificate": pem, "ca_chain": [pem]}})
        else:
            self._answer({"errors": []}, 404)

    do_LIST = do_GET  # noqa: N815 - named by http.server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        mount, _, role = self.path.removeprefix("/v1/").partition("/sign/")
        if mount != "dockertls" or role not in {"server", "client"}:
            self._answer({"errors": [f"unknown role: {role}"]}, 400)
            return
        answer = self.vault.sign(role, body)
        chain = (self.vault.authority.certificate,)
        self._answer(signed(answer, chain=chain) if isinstance(answer, Issued) else answer)

    do_PUT = do_POST  # noqa: N815 - likewise

    def _answer(self, body: dict[str, Any] | bytes, status: int = 200) -> None:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def date_time_string(self, timestamp: float | None = None) -> str:
        """Return the value of the Date header."""
        now = datetime.now(UTC).timestamp() if timestamp is None else timestamp
        return super().date_time_string(now + self.vault.ahead.total_seconds())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's signature
        pass


@contextmanager
def running() -> Iterator[FakeVault]:
    """Run a fake on a free loopback port."""
    vault = FakeVault()
    handler = type("Handler", (_Handler,), {"vault": vault})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    vault.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield vault
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def fake() -> Iterator[FakeVault]:
    """Run a Vault that answers as the test chooses."""
    with running() as vault:
        yield vault
