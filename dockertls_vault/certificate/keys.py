"""Private keys and certificate signing requests (CSRs); no I/O."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

from .request import KeyType

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes

    from .names import Names

Hash = hashes.SHA256 | hashes.SHA384 | hashes.SHA512
PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

# Each curve with the hash of matching strength (RFC 5480 §4).
_CURVES: dict[int, tuple[ec.EllipticCurve, Hash]] = {
    256: (ec.SECP256R1(), hashes.SHA256()),
    384: (ec.SECP384R1(), hashes.SHA384()),
    521: (ec.SECP521R1(), hashes.SHA512()),
}
_PUBLIC_EXPONENT = 65537
_PRIVATE_KEY = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----")


def generate_key(key_type: KeyType) -> PrivateKey:
    """Generate a private key; for RSA this takes from a tenth of a second to several seconds."""
    if key_type is KeyType.ED25519:
        return ed25519.Ed25519PrivateKey.generate()
    if key_type.algorithm == "rsa":
        return rsa.generate_private_key(_PUBLIC_EXPONENT, key_type.bits)
    curve, _ = _CURVES[key_type.bits]
    return ec.generate_private_key(curve)


def private_key_pem(key: PrivateKey) -> bytes:
    """Return the key as unencrypted PKCS#8 in PEM, which Go, OpenSSL and Python all read."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def make_csr(key: PrivateKey, common_name: str | None, names: Names) -> str:
    """Return a CSR in PEM, signed by ``key``; ``names``, if any, go into its SAN extension."""
    subject = [] if common_name is None else [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(subject))
    sans: list[x509.GeneralName] = [x509.DNSName(name) for name in names.dns]
    sans += [x509.IPAddress(ip_address(address)) for address in names.addresses]
    if sans:
        builder = builder.add_extension(x509.SubjectAlternativeName(sans), critical=False)
    return builder.sign(key, _hash_for(key)).public_bytes(serialization.Encoding.PEM).decode()


def _hash_for(key: PrivateKey) -> Hash | None:
    """Return the hash to sign with; None for Ed25519, which includes one."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return None
    if isinstance(key, rsa.RSAPrivateKey):
        return hashes.SHA256()
    return _CURVES[key.key_size][1]


def load(pem: bytes) -> PrivateKey:
    """Return the private key in ``pem``.

    Raises ValueError if it is not an unencrypted private key of one of the types made here.
    """
    key = _load(pem)
    if not isinstance(key, PrivateKey):
        raise ValueError(f"unsupported key: {type(key).__name__}")  # noqa: TRY004 - of the PEM
    return key


def is_key_of(pem: bytes, certificate: x509.Certificate) -> bool:
    """Return whether ``pem`` is the private key of ``certificate``.

    Raises ValueError if ``pem`` is not a supported, unencrypted private key.
    """
    return public_key_der(_load(pem).public_key()) == public_key_der(certificate.public_key())


def has_private_key(pem: bytes) -> bool:
    """Tell whether there is a private key among other PEM, also one behind a passphrase."""
    return _PRIVATE_KEY.search(pem) is not None


def _load(pem: bytes) -> PrivateKeyTypes:
    try:
        return serialization.load_pem_private_key(pem, None)
    except (TypeError, UnsupportedAlgorithm) as error:  # TypeError: the key is encrypted
        raise ValueError(str(error)) from None


def public_key_der(key: PublicKeyTypes) -> bytes:
    """Return a public key as SubjectPublicKeyInfo in DER (RFC 5280 §4.1.2.7)."""
    return key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
