"""Forge a client certificate as an attacker could: our name, signed by a CA with a trusted name."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from dockertls_vault.certificate.keys import generate_key
from dockertls_vault.certificate.request import KeyType

from .channel import ClientCertificate

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

_CLOCK_SKEW = timedelta(hours=1)
_DEFAULT_NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "dockertls-vault check")])


def forge(
    like: x509.Certificate | None, authorities: Sequence[x509.Name], now: datetime
) -> ClientCertificate:
    """Return a client certificate with the subject and issuer of ``like``, but other keys.

    If the issuer is not among ``authorities``, the CAs whose clients the server claims to accept,
    the first of those is used instead.
    """
    subject, issuer = (like.subject, like.issuer) if like else (_DEFAULT_NAME, _DEFAULT_NAME)
    if authorities and issuer not in authorities:
        issuer = authorities[0]
    key, ca_key = generate_key(KeyType.EC_P256), generate_key(KeyType.EC_P256)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + _CLOCK_SKEW)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    return ClientCertificate((certificate,), key)
