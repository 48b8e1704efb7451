"""A certificate as an intruder could make it: our name, from a CA that only has a known name."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from dockertls_vault.certificate.keys import generate_key
from dockertls_vault.certificate.request import KeyType

from .channel import Identity

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

_LIFE = timedelta(hours=1)
_NOBODY = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "dockertls-vault check")])


def forge(
    like: x509.Certificate | None, authorities: Sequence[x509.Name], now: datetime
) -> Identity:
    """Return a client's certificate that has the names of ``like``, forged.

    Only the keys are others, and the issuer where it is not one of ``authorities``, the CAs whose
    clients the server says it lets in: it is then the first of them.
    """
    subject, issuer = (like.subject, like.issuer) if like else (_NOBODY, _NOBODY)
    if authorities and issuer not in authorities:
        issuer = authorities[0]
    key, ca_key = generate_key(KeyType.EC_P256), generate_key(KeyType.EC_P256)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _LIFE)
        .not_valid_after(now + _LIFE)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    return Identity((certificate,), key)
