"""Reading certificates: description, self-signature, and any bytes as PEM."""

from __future__ import annotations

import ssl
import subprocess
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtensionOID
from hypothesis import given
from hypothesis import strategies as st

from dockertls_vault.certificate.certificate import (
    describe,
    is_self_signed,
    load_certificates,
    serial_text,
)
from dockertls_vault.certificate.keys import generate_key
from dockertls_vault.certificate.request import KeyType
from dockertls_vault.errors import VerificationError
from tests.certificates import SERVER_AUTH, Authority

if TYPE_CHECKING:
    from pathlib import Path

KEY = generate_key(KeyType.EC_P256)


def test_description_matches_openssl(tmp_path: Path) -> None:
    """Serial and fingerprint are formatted as `openssl x509` prints them."""
    issued = Authority.create().issue(
        "a.example", dns=["a.example"], addresses=["10.0.0.1"], usages=[SERVER_AUTH]
    )
    description = describe(issued.certificate)
    pem = tmp_path / "cert.pem"
    pem.write_bytes(issued.certificate_pem)
    command = ["openssl", "x509", "-in", str(pem), "-noout", "-serial", "-fingerprint", "-sha256"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert f"serial={description.serial.replace(':', '').upper()}" in told
    assert f"Fingerprint={description.fingerprint_sha256}\n" in told
    assert description.common_name == "a.example"
    assert description.dns_names == ("a.example",)
    assert description.ip_addresses == ("10.0.0.1",)
    assert description.issuer == "CN=test root"
    assert description.validity == timedelta(days=7)


def test_root_is_recognized_by_its_signature() -> None:
    """Equal subject and issuer names are not enough."""
    root = Authority.create()
    assert is_self_signed(root.certificate)
    assert not is_self_signed(root.intermediate("test root").certificate)


def test_invalid_x509_version_is_a_verification_error() -> None:
    """X.509 has versions 1 to 3; cryptography's error for others is not a ValueError."""
    der = Authority.create().certificate.public_bytes(Encoding.DER)
    eight = der.replace(bytes.fromhex("a003020102"), bytes.fromhex("a003020107"), 1)
    with pytest.raises(VerificationError) as caught:
        load_certificates(ssl.DER_cert_to_PEM_cert(eight))
    assert caught.value.problems == ("7 is not a valid X509 version",)


def test_malformed_extension_is_a_verification_error() -> None:
    """It is found at once, although nothing has asked for the extension yet."""
    garbled = x509.UnrecognizedExtension(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, b"no DER")
    issued = Authority.create().issue("a.example", extra=[garbled])
    with pytest.raises(VerificationError, match="cannot be read"):
        load_certificates(issued.certificate_pem)


@pytest.mark.parametrize(
    ("number", "text"), [(0x5, "05"), (0x123, "01:23"), (0x3F0A, "3f:0a"), (0xFF00, "ff:00")]
)
def test_serial_has_two_digits_per_byte(number: int, text: str) -> None:
    """As Vault writes it: in lower case, with colons."""
    nobody = x509.Name([])
    now = datetime.now(UTC)
    built = x509.CertificateBuilder(
        nobody, nobody, KEY.public_key(), number, now, now + timedelta(days=1)
    ).sign(KEY, hashes.SHA256())
    assert serial_text(built) == text


@given(st.binary(max_size=200))
def test_any_bytes_give_certificates_or_a_verification_error(data: bytes) -> None:
    """A server may return anything as PEM."""
    pem = b"-----BEGIN CERTIFICATE-----\n" + data + b"\n-----END CERTIFICATE-----\n"
    with pytest.raises(VerificationError):
        load_certificates(pem)
