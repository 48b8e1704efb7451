"""Answers of Vault that are wrong in one place of an otherwise successful conversation.

Everything after urllib3's response is the program's own code: decoding, JSON, the table of answers,
logins, fields, certificates, and the revocation at the end.
"""

from __future__ import annotations

import gzip
import io
import json
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from unittest import mock

from cryptography.hazmat.primitives.serialization import Encoding
from urllib3 import HTTPResponse

from dockertls_vault import whoami
from dockertls_vault.ca import bootstrap, desired, plan
from dockertls_vault.certificate import verify
from dockertls_vault.certificate.certificate import certificates_pem, describe, load_certificates
from dockertls_vault.certificate.clocks import Clocks
from dockertls_vault.certificate.keys import make_csr
from dockertls_vault.settings import resolve
from dockertls_vault.vault.http.transport import Transport
from dockertls_vault.vault.mount import CertificateAuthority
from dockertls_vault.vault.pki import PKI
from dockertls_vault.vault.roles import CLIENT
from dockertls_vault.vault.session import open_session

from .border import Border
from .certificates import mutated, pem
from .mutations import of_bytes, of_json
from .seeds import INTERMEDIATE, LEAF, NOW, REQUEST, ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from dockertls_vault.vault.session import Session

_ROOT, _INTERMEDIATE, _LEAF = (
    certificates_pem([seed.certificate]).decode() for seed in (ROOT, INTERMEDIATE, LEAF)
)
_CSR = make_csr(LEAF.key, REQUEST.common_name, REQUEST.names)
_ISSUERS = {
    "keys": ["one", "two"],
    "key_info": {
        "one": {"issuer_name": "root-1", "key_id": "k1"},
        "two": {"issuer_name": "", "key_id": ""},
    },
}
_TOKEN = {
    "display_name": "approle",
    "type": "service",
    "policies": ["default", "dockertls"],
    "identity_policies": None,
    "path": "auth/approle/login",
    "entity_id": "e1",
    "ttl": 2764800,
    "expire_time": "2027-02-01T00:00:00Z",
    "renewable": True,
    "num_uses": 0,
}
# The end of a path, and the answer to it; the first match counts.
_ANSWERS: dict[str, dict[str, Any]] = {
    "auth/approle/login": {
        "auth": {"client_token": "hvs.fuzz", "lease_duration": 60, "token_type": "service"}
    },
    "wrapping/lookup": {"errors": ["wrapping token is not valid or does not exist"]},
    "lookup-self": {"data": _TOKEN},
    "capabilities-self": {"data": {"capabilities": ["update"], "dockertls/sign/server": ["root"]}},
    "revoke-self": {},
    "issuer/one/json": {"data": {"certificate": _ROOT, "ca_chain": [_ROOT]}},
    "issuer/two/json": {"data": {"certificate": _INTERMEDIATE, "ca_chain": [_INTERMEDIATE, _ROOT]}},
    "issuer/default/json": {"data": {"certificate": _INTERMEDIATE}},
    "issuer/default": {"data": {"ca_chain": [_INTERMEDIATE, _ROOT]}},
    "dockertls/issuers": {"data": _ISSUERS},
    "dockertls/keys": {"data": {"keys": ["key"], "key_info": {"key": {"key_name": "old"}}}},
    "config/issuers": {"data": {"default": "one", "default_follows_latest_issuer": False}},
    "sign/server": {
        "lease_id": "",
        "warnings": ["a warning"],
        "data": {
            "certificate": _LEAF,
            "issuing_ca": _INTERMEDIATE,
            "ca_chain": [_INTERMEDIATE, _ROOT],
            "serial_number": "0d",
        },
    },
    "roles/server": {"data": {**CLIENT, "issuer_ref": "default"}},
    "roles/client": {"data": dict(CLIENT)},
    "sys/mounts/dockertls": {"data": {"type": "pki", "options": None}},
    "mounts/dockertls/tune": {"data": {"max_lease_ttl": 315360000}},
}
_STATUSES = (
    *range(200, 210),
    *range(300, 309),
    *range(400, 418),
    429,
    472,
    473,
    *range(500, 506),
    999,
)
_HEADERS = (
    {"Location": "http://["},
    {"Location": "https://vault.example.com:8200/v1/sys/x"},
    {"Location": "http://" + "a" * 64 + ".example/"},
    {"Location": "http://a..b/"},
    {"Date": "Thu, 99 Nov 99999 22:00:00 GMT"},
    {"Date": "Fri, 01 Jan 2027 00:00:00 GMT"},
    {"Date": "0"},
    {"Retry-After": "9" * 5000},
    {"Retry-After": "²"},
    {"Content-Type": "text/html; charset=\x00"},
    {"Content-Encoding": "br"},
    {"Content-Encoding": "gzip"},
    {"Content-Encoding": "deflate"},
    {"Content-Encoding": "gzip, gzip"},
    {"X-Vault-Index": "\n"},
)
_BOMB = gzip.compress(b" " * (32 << 20))
_WORDS = (
    "no such name \ud800",
    "common name a.example.internal not allowed by this role",
    "role requires a minimum of a 999999-bit key",
    "notAfter of x that is beyond the expiration of the CA certificate at 99999-13-01T00:00:00Z",
    "notBefore before signer's notBefore",
    "unknown role: server",
    "permission denied",
    "1 error occurred:\n\t* permission denied",
    "namespace not found",
    "Vault is sealed",
)
# One attempt, without time for another one.
_ENVIRON = {
    "VAULT_ADDR": "http://127.0.0.1:8200",
    "VAULT_MAX_RETRIES": "0",
    "DOCKERTLS_TIMEOUT": "1ms",
    "DOCKERTLS_ROLE_ID": "r",
    "DOCKERTLS_SECRET_ID": "s",
}


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class _Wrong:
    """Wrong answers, by the end of the request's path, and the operation that gets them."""

    answers: dict[str, _Answer]
    command: Callable[[Session], object]


def _issue(session: Session) -> object:
    signer = PKI(session, "dockertls")
    issuers = [found for text in signer.issuers() for found in load_certificates(text)]
    signed = signer.sign(
        "server",
        _CSR,
        common_name=REQUEST.common_name,
        dns_names=REQUEST.names.dns,
        ip_addresses=REQUEST.names.addresses,
        ttl=REQUEST.ttl,
    )
    verified = verify.verify(
        signed.certificate,
        signed.chain,
        roots=verify.current_roots(issuers, NOW),
        request=REQUEST,
        public_key=LEAF.key.public_key(),
        clocks=Clocks(NOW, signed.date),
    )
    return [describe(verified.leaf), signed.warnings]


def _ca(session: Session) -> object:
    ca = CertificateAuthority(session, "dockertls")
    wanted = desired.DesiredState(("example.internal",))
    found = plan.make_plan("dockertls", ca.state(("server", "client")), wanted)
    return bootstrap.with_trust(bootstrap.preview(found), found, ca, PKI(session, "dockertls"), NOW)


def _auth(session: Session) -> object:
    return whoami.who_am_i(session, session.settings)


# The paths that each operation requests; login and revocation belong to all of them.
_COMMANDS: dict[Callable[[Session], object], tuple[str, ...]] = {
    _issue: (
        *("dockertls/issuers", "issuer/one/json", "issuer/two/json", *["sign/server"] * 4),
        *("roles/server", "issuer/default/json"),
    ),
    _ca: (
        "sys/mounts/dockertls",
        "mounts/dockertls/tune",
        "config/issuers",
        "dockertls/issuers",
        "dockertls/keys",
        "issuer/default",
        "roles/server",
        "roles/client",
    ),
    _auth: ("lookup-self", "capabilities-self", "dockertls/issuers", "roles/server"),
}
_OF_EACH = ("auth/approle/login", "revoke-self")


def _draw(random: Random) -> _Wrong:
    command = random.choice(list(_COMMANDS))
    places = (*_COMMANDS[command], *_OF_EACH)
    chosen = random.choices(places, k=random.choice((1, 1, 1, 2)))
    return _Wrong({at: _wrong(random, _ANSWERS[at]) for at in chosen}, command)


def _wrong(random: Random, answer: dict[str, Any]) -> _Answer:
    if random.random() < 0.2:
        answer = {"errors": [random.choice(_WORDS)], "warnings": None, "data": {"error": "x"}}
    body = of_json(random, answer)
    headers = dict(random.choice(_HEADERS)) if random.random() < 0.3 else {}
    if random.random() < 0.1:
        text = json.dumps(answer)
        for good in (ROOT, INTERMEDIATE, LEAF):
            der = mutated(random, good.certificate.public_bytes(Encoding.DER))
            spoilt = json.dumps(pem(random, der).decode("latin-1"))[1:-1]
            text = text.replace(
                json.dumps(certificates_pem([good.certificate]).decode())[1:-1], spoilt
            )
        body = text.encode()
    match headers.get("Content-Encoding"):
        case "gzip":
            body = random.choice((gzip.compress(body), body, _BOMB))
        case "deflate":
            body = of_bytes(random, zlib.compress(body))
    status = 200 if random.random() < 0.6 else random.choice(_STATUSES)
    return _Answer(status, headers, body)


class _Pool:
    """Connections that answer with ``wrong`` where it applies, and correctly otherwise."""

    def __init__(self, wrong: _Wrong) -> None:
        self._wrong = wrong

    def request(self, _method: str, url: str, **_options: object) -> HTTPResponse:
        path = url.partition("?")[0]
        at = next((end for end in _ANSWERS if path.endswith(end)), "")
        if wrong := self._wrong.answers.get(at):
            return _response(wrong.status, wrong.headers, wrong.body)
        answer = _ANSWERS.get(at, {"errors": []})
        status = 404 if "errors" in answer else 200 if answer else 204
        return _response(status, {}, json.dumps(answer).encode() if answer else b"")


def _response(status: int, headers: dict[str, str], body: bytes) -> HTTPResponse:
    return HTTPResponse(io.BytesIO(body), headers, status, preload_content=False)


def _cross(wrong: _Wrong) -> object:
    """Do everything that a command does with Vault's answers, except write files."""
    settings = resolve.resolve({}, _ENVIRON, [])
    with (
        mock.patch.object(Transport, "_pool", lambda _self, target: (_Pool(wrong), str(target))),
        open_session(settings) as session,
    ):
        return wrong.command(session)


BORDER = Border("answers", _draw, _cross)
