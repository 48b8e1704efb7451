"""A certificate as an intruder could make it: our name, from a CA that only has a known name."""

from __future__ import annotations

import os
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from dockertls_vault.request import KeyType
from dockertls_vault.x509 import certificates_pem, generate_key, private_key_pem

from .probe import tls_context

if TYPE_CHECKING:
    import ssl
    from collections.abc import Sequence
    from datetime import datetime

_LIFE = timedelta(hours=1)
_NOBODY = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "dockertls-vault check")])


def foreign_context(
    like: x509.Certificate | None, authorities: Sequence[x509.Name], now: datetime
) -> ssl.SSLContext:
    """Return a context with a client's certificate that has the names of ``like``, forged.

    Only the keys are others, and the issuer where it is not one of ``authorities``, the CAs whose
    clients the server says it lets in: it is then the first of them. The keys are in a directory
    of mode 0700, because OpenSSL reads files only, and gone when this returns.
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
    with tempfile.TemporaryDirectory(prefix="dockertls-vault-") as directory:
        cert_file, key_file = Path(directory, "cert.pem"), Path(directory, "key.pem")
        _create(cert_file, certificates_pem([certificate]))
        _create(key_file, private_key_pem(key))
        return tls_context(certificate=cert_file, key=key_file)


def _create(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
