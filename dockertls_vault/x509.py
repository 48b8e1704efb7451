"""Keys, certificate signing requests and what a certificate says; pure."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

from .errors import VerificationError
from .request import KeyType

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime, timedelta

    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

    from .names import Names

Hash = hashes.SHA256 | hashes.SHA384 | hashes.SHA512
PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

# Each curve with the hash that is as strong (RFC 5480, section 4).
_CURVES: dict[int, tuple[ec.EllipticCurve, Hash]] = {
    256: (ec.SECP256R1(), hashes.SHA256()),
    384: (ec.SECP384R1(), hashes.SHA384()),
    521: (ec.SECP521R1(), hashes.SHA512()),
}
_PUBLIC_EXPONENT = 65537


@dataclass(frozen=True)
class Description:
    """What a certificate says: ``lifetime`` is from not_before to not_after, both in UTC.

    ``serial`` is in hexadecimal as Vault writes it (``3f:0a:…``), ``fingerprint`` the SHA-256
    of the DER form as OpenSSL writes it (``3F:0A:…``).
    """

    subject: str
    common_name: str | None
    dns_names: tuple[str, ...]
    ip_addresses: tuple[str, ...]
    issuer: str
    serial: str
    not_before: datetime
    not_after: datetime
    lifetime: timedelta
    fingerprint: str


def generate_key(key_type: KeyType) -> PrivateKey:
    """Make a private key; RSA takes from a tenth of a second to some seconds."""
    if key_type is KeyType.ED25519:
        return ed25519.Ed25519PrivateKey.generate()
    if key_type.algorithm == "rsa":
        return rsa.generate_private_key(_PUBLIC_EXPONENT, key_type.bits)
    curve, _ = _CURVES[key_type.bits]
    return ec.generate_private_key(curve)


def private_key_pem(key: PrivateKey) -> bytes:
    """Return the key as unencrypted PKCS#8, the one form that Go, OpenSSL and Python all read."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def make_csr(key: PrivateKey, common_name: str | None, names: Names) -> str:
    """Return a CSR in PEM for ``key``, with the names in its SAN extension if there are any."""
    subject = [] if common_name is None else [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(subject))
    sans: list[x509.GeneralName] = [x509.DNSName(name) for name in names.dns]
    sans += [x509.IPAddress(ip_address(address)) for address in names.addresses]
    if sans:
        builder = builder.add_extension(x509.SubjectAlternativeName(sans), critical=False)
    return builder.sign(key, _hash_for(key)).public_bytes(serialization.Encoding.PEM).decode()


def _hash_for(key: PrivateKey) -> Hash | None:
    """Return the hash to sign with; Ed25519 has its own."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return None
    if isinstance(key, rsa.RSAPrivateKey):
        return hashes.SHA256()
    return _CURVES[key.key_size][1]


def load_certificates(pem: str | bytes) -> tuple[x509.Certificate, ...]:
    """Return the certificates in ``pem``, at least one; raises VerificationError for anything else.

    Text around the PEM blocks is skipped; a block cut short, or one that is not a certificate,
    is an error. Each is read in full here, so that nobody meets a broken extension later.
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
        TypeError,  # a BIT STRING in a name
        x509.InvalidVersion,
        x509.DuplicateExtension,
        x509.UnsupportedGeneralNameType,
        UnsupportedAlgorithm,
    ) as error:
        raise VerificationError("a certificate cannot be read", (str(error),)) from None
    if data.count(b"-----BEGIN ") != len(certificates):
        raise VerificationError(
            "a certificate cannot be read", ("there is more in the PEM than certificates",)
        )
    return certificates


def load_all(pems: Iterable[str]) -> tuple[x509.Certificate, ...]:
    """Return the certificates in several texts, in order; raises VerificationError."""
    return tuple(certificate for pem in pems for certificate in load_certificates(pem))


def certificates_pem(certificates: Iterable[x509.Certificate]) -> bytes:
    """Return the certificates as PEM blocks, one after the other."""
    return b"".join(
        certificate.public_bytes(serialization.Encoding.PEM) for certificate in certificates
    )


def describe(certificate: x509.Certificate) -> Description:
    """Return what the certificate says."""
    common_names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    san = subject_alternative_names(certificate)
    return Description(
        subject=certificate.subject.rfc4514_string(),
        common_name=str(common_names[0].value) if common_names else None,
        dns_names=tuple(san.get_values_for_type(x509.DNSName)) if san else (),
        ip_addresses=tuple(map(str, san.get_values_for_type(x509.IPAddress))) if san else (),
        issuer=certificate.issuer.rfc4514_string(),
        serial=serial_text(certificate),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        lifetime=certificate.not_valid_after_utc - certificate.not_valid_before_utc,
        fingerprint=fingerprint(certificate),
    )


def subject_alternative_names(
    certificate: x509.Certificate,
) -> x509.SubjectAlternativeName | None:
    """Return the SAN extension, None if there is none."""
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
    """Return the SHA-256 of the public key, the same for each certificate of that key."""
    digest = hashes.Hash(hashes.SHA256())
    digest.update(_public_bytes(certificate.public_key()))
    return digest.finalize().hex(":").upper()


def is_key_of(pem: bytes, certificate: x509.Certificate) -> bool:
    """Tell whether ``pem`` is the private key of ``certificate``; raises ValueError for no key."""
    try:
        key = serialization.load_pem_private_key(pem, None)
    except (TypeError, UnsupportedAlgorithm) as error:  # the first where it is encrypted
        raise ValueError(str(error)) from None
    return _public_bytes(key.public_key()) == _public_bytes(certificate.public_key())


def _public_bytes(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def is_self_signed(certificate: x509.Certificate) -> bool:
    """Tell whether the certificate is a root: issued to itself, and signed by its own key."""
    return certificate.issuer == certificate.subject and is_signed_by(certificate, certificate)


def is_signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Tell whether ``issuer``'s name and key are those that signed ``certificate``."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True
