"""Parse and describe certificates, and find out who signed them; no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from dockertls_vault.errors import VerificationError

from .keys import public_key_der

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime, timedelta


@dataclass(frozen=True)
class Description:
    """The contents of a certificate; times in UTC, ``validity`` is not_after minus not_before.

    ``serial`` is in hexadecimal as Vault writes it (``3f:0a:…``), ``fingerprint_sha256`` the
    SHA-256 of the DER encoding as OpenSSL writes it (``3F:0A:…``).
    """

    subject: str | None
    common_name: str | None
    dns_names: tuple[str, ...]
    ip_addresses: tuple[str, ...]
    issuer: str
    serial: str
    not_before: datetime
    not_after: datetime
    validity: timedelta
    fingerprint_sha256: str


def load_certificates(pem: str | bytes) -> tuple[x509.Certificate, ...]:
    """Parse ``pem`` and return its certificates, at least one.

    Text around the PEM blocks is ignored. Raises VerificationError for a truncated block or one
    that is not a certificate. Every certificate is parsed in full, so that a malformed extension
    is an error here and not later.
    """
    data = pem.encode() if isinstance(pem, str) else pem
    try:
        certificates = tuple(x509.load_pem_x509_certificates(data))
        for certificate in certificates:
            describe(certificate)
            certificate.public_key()
            _ = certificate.signature_hash_algorithm
    except (
        ValueError,
        TypeError,  # a name that contains a BIT STRING
        x509.InvalidVersion,
        x509.DuplicateExtension,
        x509.UnsupportedGeneralNameType,
        UnsupportedAlgorithm,
    ) as error:
        raise VerificationError("a certificate cannot be read", (str(error),)) from None
    if data.count(b"-----BEGIN ") != len(certificates):
        raise VerificationError(
            "a certificate cannot be read",
            ("it has a truncated PEM block, or one that is not a certificate",),
        )
    return certificates


def load_all(pems: Iterable[str]) -> tuple[x509.Certificate, ...]:
    """Parse several PEM texts; return the certificates in order. Raises VerificationError."""
    return tuple(certificate for pem in pems for certificate in load_certificates(pem))


def certificates_pem(certificates: Iterable[x509.Certificate]) -> bytes:
    """Return the certificates as concatenated PEM blocks."""
    return b"".join(
        certificate.public_bytes(serialization.Encoding.PEM) for certificate in certificates
    )


def describe(certificate: x509.Certificate) -> Description:
    """Return a description of the certificate."""
    common_names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    san = subject_alternative_names(certificate)
    return Description(
        subject=certificate.subject.rfc4514_string() or None,
        common_name=str(common_names[0].value) if common_names else None,
        dns_names=tuple(san.get_values_for_type(x509.DNSName)) if san else (),
        ip_addresses=tuple(map(str, san.get_values_for_type(x509.IPAddress))) if san else (),
        issuer=certificate.issuer.rfc4514_string(),
        serial=serial_text(certificate),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        validity=certificate.not_valid_after_utc - certificate.not_valid_before_utc,
        fingerprint_sha256=fingerprint(certificate),
    )


def subject_alternative_names(
    certificate: x509.Certificate,
) -> x509.SubjectAlternativeName | None:
    """Return the SAN extension, None if the certificate has none."""
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None


def serial_text(certificate: x509.Certificate) -> str:
    """Return the serial number as Vault writes it: ``3f:0a:…``."""
    text = f"{certificate.serial_number:x}"
    return bytes.fromhex(text.zfill(len(text) + len(text) % 2)).hex(":")


def fingerprint(certificate: x509.Certificate) -> str:
    """Return the SHA-256 fingerprint as OpenSSL writes it: ``3F:0A:…``."""
    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()


def public_key_fingerprint(certificate: x509.Certificate) -> str:
    """Return the SHA-256 of the public key, which all certificates for that key share."""
    digest = hashes.Hash(hashes.SHA256())
    digest.update(public_key_der(certificate.public_key()))
    return digest.finalize().hex(":").upper()


def is_self_signed(certificate: x509.Certificate) -> bool:
    """Return whether the certificate is a root: issued to itself and signed by its own key."""
    return certificate.issuer == certificate.subject and is_signed_by(certificate, certificate)


def is_signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Return whether ``certificate`` names ``issuer`` as its issuer and its key signed it."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True
