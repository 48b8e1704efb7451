"""Keys, CSRs and descriptions."""

from __future__ import annotations

import ssl
import subprocess
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from dockertls_vault.errors import VerificationError
from dockertls_vault.names import Names
from dockertls_vault.request import KeyType
from dockertls_vault.x509 import (
    describe,
    generate_key,
    is_self_signed,
    load_certificates,
    make_csr,
    private_key_pem,
)

from .certificates import SERVER_AUTH, Authority

if TYPE_CHECKING:
    from pathlib import Path

KEY = generate_key(KeyType.EC_P256)


@pytest.mark.parametrize("key_type", list(KeyType))
def test_openssl_accepts_the_csr_and_the_key(key_type: KeyType, tmp_path: Path) -> None:
    """Another implementation verifies the CSR's signature and reads the same public key."""
    key = generate_key(key_type)
    csr, pem = tmp_path / "csr.pem", tmp_path / "key.pem"
    csr.write_text(make_csr(key, "a.example", Names(("a.example",), ("::1",))))
    pem.write_bytes(private_key_pem(key))

    def openssl(*arguments: object) -> str:
        command = ["openssl", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    openssl("req", "-in", csr, "-verify", "-noout")
    public = openssl("req", "-in", csr, "-pubkey", "-noout")
    assert openssl("pkey", "-in", pem, "-pubout") == public


@pytest.mark.parametrize(
    ("key_type", "digest"),
    [
        (KeyType.EC_P256, "sha256"),
        (KeyType.EC_P384, "sha384"),
        (KeyType.EC_P521, "sha512"),
        (KeyType.RSA_2048, "sha256"),
        (KeyType.ED25519, None),
    ],
)
def test_a_csr_is_signed_with_a_hash_as_strong_as_its_key(
    key_type: KeyType, digest: str | None
) -> None:
    """A curve of 384 or 521 bits is not weakened by SHA-256."""
    csr = x509.load_pem_x509_csr(make_csr(generate_key(key_type), "alice", Names()).encode())
    algorithm = csr.signature_hash_algorithm
    assert (algorithm.name if algorithm else None) == digest


def test_a_csr_without_names_has_no_san() -> None:
    """A client's CSR holds its common name alone; a server's may have an empty subject."""
    csr = x509.load_pem_x509_csr(make_csr(KEY, "alice", Names()).encode())
    assert csr.subject.rfc4514_string() == "CN=alice"
    assert list(csr.extensions) == []
    csr = x509.load_pem_x509_csr(make_csr(KEY, None, Names((), ("10.0.0.1",))).encode())
    assert csr.subject.rfc4514_string() == ""
    assert len(csr.extensions) == 1


def test_a_description_says_what_openssl_says(tmp_path: Path) -> None:
    """Serial and fingerprint are written as people find them elsewhere."""
    issued = Authority.create().issue(
        "a.example", dns=["a.example"], addresses=["10.0.0.1"], usages=[SERVER_AUTH]
    )
    description = describe(issued.certificate)
    pem = tmp_path / "cert.pem"
    pem.write_bytes(issued.certificate_pem)
    command = ["openssl", "x509", "-in", str(pem), "-noout", "-serial", "-fingerprint", "-sha256"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert f"serial={description.serial.replace(':', '').upper()}" in told
    assert f"Fingerprint={description.fingerprint}\n" in told
    assert description.common_name == "a.example"
    assert description.dns_names == ("a.example",)
    assert description.ip_addresses == ("10.0.0.1",)
    assert description.issuer == "CN=test root"
    assert description.lifetime == timedelta(days=7)


def test_a_root_is_told_by_its_signature() -> None:
    """Equal names are not enough."""
    root = Authority.create()
    assert is_self_signed(root.certificate)
    assert not is_self_signed(root.intermediate("test root").certificate)


def test_a_version_that_there_is_not() -> None:
    """X.509 has versions 1 to 3; cryptography's error for others is none of ValueError's."""
    der = Authority.create().certificate.public_bytes(Encoding.DER)
    eight = der.replace(bytes.fromhex("a003020102"), bytes.fromhex("a003020107"), 1)
    with pytest.raises(VerificationError) as caught:
        load_certificates(ssl.DER_cert_to_PEM_cert(eight))
    assert caught.value.problems == ("7 is not a valid X509 version",)


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    """Whatever a server returns as PEM is either certificates or a VerificationError."""
    pem = b"-----BEGIN CERTIFICATE-----\n" + data + b"\n-----END CERTIFICATE-----\n"
    with pytest.raises(VerificationError):
        load_certificates(pem)
