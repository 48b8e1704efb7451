"""Certificates that are identical in every run: fixed keys, serials, times and signatures."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from dockertls_vault.certificate.names import Names
from dockertls_vault.certificate.request import KeyType, Purpose, Request
from tests.certificates import SERVER_AUTH, key_usage

NOW = datetime(2027, 1, 1, tzinfo=UTC)
HOST = "a.example.internal"
REQUEST = Request(
    purpose=Purpose.SERVER,
    mount="dockertls",
    role="server",
    names=Names((HOST,), ()),
    common_name=HOST,
    ttl=timedelta(days=7),
    key_type=KeyType.EC_P256,
)


@dataclass(frozen=True)
class Seed:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def _make(name: str, number: int, issuer: Seed | None, *extensions: x509.ExtensionType) -> Seed:
    key = ec.derive_private_key(number, ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    days = 7 if name == HOST else 3650
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(number)
        .not_valid_before(NOW - timedelta(minutes=1))
        .not_valid_after(NOW + timedelta(days=days))
    )
    for extension in extensions:
        builder = builder.add_extension(extension, isinstance(extension, x509.BasicConstraints))
    signer = issuer.key if issuer else key
    return Seed(builder.sign(signer, hashes.SHA256(), ecdsa_deterministic=True), key)


_CA = (
    x509.BasicConstraints(ca=True, path_length=None),
    key_usage(key_cert_sign=True, crl_sign=True),
)
ROOT = _make("fuzz root", 11, None, *_CA)
INTERMEDIATE = _make(
    "fuzz intermediate",
    12,
    ROOT,
    *_CA,
    x509.NameConstraints([x509.DNSName("example.internal")], None),
    x509.AuthorityKeyIdentifier.from_issuer_public_key(ROOT.key.public_key()),
)
LEAF = _make(
    HOST,
    13,
    INTERMEDIATE,
    x509.SubjectAlternativeName([x509.DNSName(HOST)]),
    x509.ExtendedKeyUsage([SERVER_AUTH]),
    key_usage(digital_signature=True),
    x509.AuthorityInformationAccess(
        [
            x509.AccessDescription(
                AuthorityInformationAccessOID.CA_ISSUERS,
                x509.UniformResourceIdentifier("http://ca.example.internal"),
            )
        ]
    ),
)
