"""A Vault that lies: each lie is rejected, and the installed credential stays."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509

from dockertls_vault.certificate.certificate import certificates_pem
from dockertls_vault.cli import main

from .certificates import CLIENT_AUTH, SERVER_AUTH, Authority
from .fake_vault import FakeVault, Order, signed
from .mounts import lead_to

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def snapshot(directory: Path) -> dict[str, tuple[int, bytes | str]]:
    """Return everything in a directory except the lock: modes, contents, link targets."""
    return {
        str(path.relative_to(directory)): (
            path.lstat().st_mode,
            str(path.readlink())
            if path.is_symlink()
            else b""
            if path.is_dir()
            else path.read_bytes(),
        )
        for path in sorted(directory.rglob("*"))
        if path.name != "lock"
    }


def _now() -> datetime:
    return datetime.now(UTC)


def _with_chain(order: Order, chain: list[str]) -> dict[str, Any]:
    answer = signed(order.honest(authority=_ONE))
    return {"data": {**answer["data"], "ca_chain": chain}}


def _each_signed_by_the_other() -> list[str]:
    """Return cross-signed certificates of two CAs: every step has sixteen continuations."""
    pairs = (("one", _ONE, _TWO), ("two", _TWO, _ONE)) * 16
    found = [
        issuer.issue(name, public_key=subject.key.public_key(), extra=[A_CA]).certificate
        for name, subject, issuer in pairs
    ]
    return [certificates_pem([certificate]).decode() for certificate in found]


OTHER = Authority.create("another root")
SAME_NAME = Authority.create("test root")
_ONE, _TWO = Authority.create("one"), Authority.create("two")
A_CA = x509.BasicConstraints(ca=True, path_length=None)
LIES: dict[str, tuple[Callable[[Order], Any], int, str]] = {
    "another key": (
        lambda order: order.honest(public_key=OTHER.key.public_key()),
        65,
        "public key does not match the CSR",
    ),
    "dual EKU": (
        lambda order: order.honest(usages=[SERVER_AUTH, CLIENT_AUTH]),
        65,
        "clientAuth, serverAuth; only serverAuth",
    ),
    "no EKU": (lambda order: order.honest(usages=None), 65, "no extended key usage"),
    "missing SAN": (lambda order: order.honest(dns=[]), 65, "lacks a requested name"),
    "added SAN": (
        lambda order: order.honest(dns=["a.example.internal", "evil.example"]),
        65,
        "was not requested: evil.example",
    ),
    "expired": (
        lambda order: order.honest(not_before=_now() - timedelta(days=30)),
        65,
        "it expired at",
    ),
    "not yet valid": (
        lambda order: order.honest(not_before=_now() + timedelta(hours=1)),
        65,
        "it is not valid until",
    ),
    "too long a validity": (
        lambda order: order.honest(lifetime=timedelta(days=400)),
        65,
        "was requested",
    ),
    "wrong chain": (
        lambda order: signed(order.honest(authority=OTHER), chain=(OTHER.certificate,)),
        65,
        "does not chain to a root in the trust bundle",
    ),
    "a root of the same name": (
        lambda order: order.honest(authority=SAME_NAME),
        65,
        "does not chain to a root in the trust bundle",
    ),
    "an intermediate for clients alone": (
        lambda order: order.honest(
            authority=order.authority.intermediate(extra=[x509.ExtendedKeyUsage([CLIENT_AUTH])])
        ),
        65,
        "may only issue certificates for clientAuth",
    ),
    "a name outside of the constraints": (
        lambda order: order.honest(
            authority=order.authority.intermediate(
                extra=[x509.NameConstraints([x509.DNSName("b.example.internal")], None)]
            )
        ),
        65,
        "permits b.example.internal",
    ),
    "CA certificate": (
        lambda order: order.honest(extra=[A_CA]),
        65,
        "it is a CA certificate",
    ),
    "truncated PEM": (
        lambda order: {"data": {"certificate": order.authority.pem.decode()[:300], "ca_chain": []}},
        65,
        "a certificate cannot be read",
    ),
    "half of a surrogate pair": (
        lambda _: {"data": {"certificate": "\ud800"}},
        69,
        "'certificate' is missing",
    ),
    "half of a surrogate pair in the chain": (
        lambda order: {
            "data": {"certificate": order.authority.pem.decode(), "ca_chain": ["\ud800"]}
        },
        69,
        "'ca_chain' is missing",
    ),
    "a chain that is a number": (
        lambda order: {"data": {"certificate": order.authority.pem.decode(), "ca_chain": 5}},
        69,
        "'ca_chain' is missing",
    ),
    "no certificate": (lambda _: {"data": {"certificate": ""}}, 69, "'certificate' is missing"),
    "HTML with 200": (lambda _: b"<html>It works!</html>", 69, "did not respond like Vault"),
    "another kind of JSON": (lambda _: {"data": [1, 2, 3]}, 69, "has no data"),
    "a list": (lambda _: b"[1, 2, 3]", 69, "did not respond like Vault"),
    "nothing": (lambda _: b"", 69, "has no data"),
    "a chain of 1,500": (
        lambda order: _with_chain(order, [order.authority.pem.decode()] * 1500),
        69,
        "1500 certificates in 'ca_chain': too many for a chain",
    ),
    "a chain of 1,500 in one": (
        lambda order: _with_chain(order, [order.authority.pem.decode() * 1500]),
        69,
        "1500 certificates in 'ca_chain': too many for a chain",
    ),
    "CAs that sign each other in more ways than can be tried": (
        lambda order: _with_chain(order, _each_signed_by_the_other()),
        65,
        "Exceeded maximum signature check limit",
    ),
    "brackets without end": (lambda _: b"[" * 100_000, 69, "like Vault"),
    "objects, 100,000 deep": (
        lambda _: b'{"data":' * 100_000 + b"1" + b"}" * 100_000,
        69,
        "like Vault",
    ),
    "a number of 5,000 digits": (
        lambda _: b'{"data": {"certificate": ' + b"9" * 5000 + b"}}",
        69,
        "like Vault",
    ),
    "what is no number": (lambda _: b'{"data": {"certificate": NaN}}', 69, "like Vault"),
    "bytes that are no text": (lambda _: b'{"data": {"certificate": "\xff"}}', 69, "like Vault"),
}


@pytest.mark.parametrize(("lie", "status", "words"), LIES.values(), ids=LIES.keys())
def test_lying_vault_is_rejected(
    lie: Callable[[Order], Any],
    status: int,
    words: str,
    fake: FakeVault,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The error names the lie, and the installed credential stays the same, byte for byte."""
    lead_to(fake, monkeypatch)
    command = ["issue", "server", "--host", "a.example.internal", "--dir", str(tmp_path / "s")]
    assert main.run(command) == 0
    before = snapshot(tmp_path)
    fake.answer = lie
    assert main.run(command) == status
    assert words in capsys.readouterr().err
    assert snapshot(tmp_path) == before


def test_json_error_has_every_problem_of_the_certificate(
    fake: FakeVault,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each mismatch is a separate entry."""
    lead_to(fake, monkeypatch)
    fake.answer = lambda order: order.honest(
        usages=[SERVER_AUTH, CLIENT_AUTH], dns=["evil.example"], lifetime=timedelta(days=400)
    )
    command = ["issue", "server", "--host", "a.example.internal", "--dir", str(tmp_path / "s")]
    assert main.run([*command, "-o", "json"]) == 65
    assert len(json.loads(capsys.readouterr().out)["error"]["problems"]) == 4
    assert list(tmp_path.iterdir()) == []
