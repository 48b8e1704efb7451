"""Keys and CSRs, read by another implementation."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed448

from dockertls_vault.certificate.keys import (
    generate_key,
    is_key_of,
    load,
    make_csr,
    private_key_pem,
)
from dockertls_vault.certificate.names import Names
from dockertls_vault.certificate.request import KeyType
from tests.certificates import Authority

if TYPE_CHECKING:
    from pathlib import Path

KEY = generate_key(KeyType.EC_P256)


@pytest.mark.parametrize("key_type", list(KeyType))
def test_openssl_accepts_the_csr_and_the_key(key_type: KeyType, tmp_path: Path) -> None:
    """OpenSSL verifies the CSR's signature and reads the same public key."""
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
def test_csr_is_signed_with_a_hash_as_strong_as_its_key(
    key_type: KeyType, digest: str | None
) -> None:
    """A P-384 or P-521 key is not weakened by SHA-256."""
    csr = x509.load_pem_x509_csr(make_csr(generate_key(key_type), "alice", Names()).encode())
    algorithm = csr.signature_hash_algorithm
    assert (algorithm.name if algorithm else None) == digest


def test_key_is_matched_with_its_certificate() -> None:
    """A key of the same kind that belongs to another certificate does not match."""
    certificate = Authority.create(key=KEY).certificate
    assert is_key_of(private_key_pem(KEY), certificate)
    assert not is_key_of(private_key_pem(generate_key(KeyType.EC_P256)), certificate)


def test_encrypted_key_is_a_value_error() -> None:
    """Like any other text that cannot be read; cryptography raises a TypeError."""
    encrypted = KEY.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    with pytest.raises(ValueError, match="encrypted"):
        is_key_of(encrypted, Authority.create(key=KEY).certificate)


def test_key_of_another_type_is_a_value_error() -> None:
    """No certificate of ours has one."""
    other = ed448.Ed448PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    with pytest.raises(ValueError, match="unsupported key: Ed448PrivateKey"):
        load(other)


def test_csr_without_names_has_no_san() -> None:
    """A client's CSR has only a common name; a server's may have an empty subject."""
    csr = x509.load_pem_x509_csr(make_csr(KEY, "alice", Names()).encode())
    assert csr.subject.rfc4514_string() == "CN=alice"
    assert list(csr.extensions) == []
    csr = x509.load_pem_x509_csr(make_csr(KEY, None, Names((), ("10.0.0.1",))).encode())
    assert csr.subject.rfc4514_string() == ""
    assert len(csr.extensions) == 1
