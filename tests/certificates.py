"""A small certificate authority for tests: any key, names, usage and validity, correct or not.

ca = Authority.create()
server = ca.issue("localhost", dns=["localhost"], addresses=["127.0.0.1"], usages=[SERVER_AUTH])
files = write_credential(directory, ca.pem, server)
"""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from dockertls_vault.certificate.certificate import certificates_pem
from dockertls_vault.certificate.keys import PrivateKey, generate_key, private_key_pem
from dockertls_vault.certificate.request import KeyType

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

SERVER_AUTH = ExtendedKeyUsageOID.SERVER_AUTH
CLIENT_AUTH = ExtendedKeyUsageOID.CLIENT_AUTH

# ASN.1 tags (X.680 section 8.4).
BIT_STRING, T61 = 3, 20

_BACKDATED = timedelta(minutes=5)
_CRITICAL = (x509.BasicConstraints, x509.KeyUsage, x509.NameConstraints)

# With explicit criticality, or without it to use the one that RFC 5280 prescribes.
Extension = x509.ExtensionType | x509.Extension[x509.ExtensionType]


@dataclass(frozen=True)
class Issued:
    """A leaf with its key; ``chain`` holds its intermediates, nearest first."""

    certificate: x509.Certificate
    key: PrivateKey
    chain: tuple[x509.Certificate, ...] = ()

    @property
    def certificate_pem(self) -> bytes:
        """Return the leaf followed by its intermediates."""
        return certificates_pem((self.certificate, *self.chain))

    @property
    def key_pem(self) -> bytes:
        """Return the key as PKCS #8."""
        return private_key_pem(self.key)


@dataclass(frozen=True)
class Authority:
    """A root or an intermediate; ``path`` holds the certificates sent along with its leaves."""

    certificate: x509.Certificate
    key: PrivateKey
    path: tuple[x509.Certificate, ...] = ()

    @classmethod
    def create(
        cls,
        name: str = "test root",
        *,
        key_type: KeyType = KeyType.EC_P256,
        key: PrivateKey | None = None,
        not_before: datetime | None = None,
        lifetime: timedelta = timedelta(days=365),
        extra: Sequence[Extension] = (),
        without: Sequence[type[x509.ExtensionType]] = (),
    ) -> Authority:
        """Create a self-signed root.

        ``extra`` are extensions to add to those of a CA, replacing any of the same kind;
        ``without`` are kinds of extension that are left out.
        """
        key = key or generate_key(key_type)
        builder = _builder(name, _name(name), key.public_key(), not_before, lifetime)
        return cls(_sign(_extend(builder, _of_a_ca(key, key), extra, without), key), key)

    @property
    def pem(self) -> bytes:
        """Return the certificate of this authority."""
        return certificates_pem([self.certificate])

    def intermediate(
        self,
        name: str = "test intermediate",
        *,
        key_type: KeyType = KeyType.EC_P256,
        not_before: datetime | None = None,
        lifetime: timedelta = timedelta(days=180),
        extra: Sequence[Extension] = (),
        without: Sequence[type[x509.ExtensionType]] = (),
    ) -> Authority:
        """Create an authority under this one; ``extra`` and ``without`` as for a root."""
        key = generate_key(key_type)
        builder = _builder(name, self.certificate.subject, key.public_key(), not_before, lifetime)
        extensions = _of_a_ca(key, self.key)
        certificate = _sign(_extend(builder, extensions, extra, without), self.key)
        return Authority(certificate, key, (certificate, *self.path))

    def issue(
        self,
        common_name: str | None,
        *,
        dns: Sequence[str] = (),
        addresses: Sequence[str] = (),
        usages: Sequence[x509.ObjectIdentifier] | None = None,
        key_type: KeyType = KeyType.EC_P256,
        key: PrivateKey | None = None,
        public_key: CertificatePublicKeyTypes | None = None,
        not_before: datetime | None = None,
        lifetime: timedelta = timedelta(days=7),
        extra: Sequence[Extension] = (),
        without: Sequence[type[x509.ExtensionType]] = (),
    ) -> Issued:
        """Issue a leaf; ``usages`` None or empty omits the extended key usage.

        ``not_before`` is five minutes ago by default, ``lifetime`` counts from it, ``key`` is
        a new one of ``key_type``, ``public_key`` is another's where a CSR is signed, and
        ``extra`` and ``without`` are as for a root.
        """
        key = key or generate_key(key_type)
        certified = public_key or key.public_key()
        builder = _builder(common_name, self.certificate.subject, certified, not_before, lifetime)
        names: list[x509.GeneralName] = [x509.DNSName(name) for name in dns]
        names += [x509.IPAddress(ip_address(address)) for address in addresses]
        extensions: list[Extension] = [
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        ]
        if names:
            extensions.append(x509.SubjectAlternativeName(names))
        if usages:
            extensions.append(x509.ExtendedKeyUsage(usages))
        builder = _extend(builder, extensions, extra, without)
        return Issued(_sign(builder, self.key), key, self.path)

    def server(self, *names: str, lifetime: timedelta = timedelta(days=7)) -> Issued:
        """Issue a server certificate as our role does; ``names`` default to this machine's."""
        names = names or ("localhost", "127.0.0.1", "::1")
        addresses = [name for name in names if _is_address(name)]
        dns = [name for name in names if name not in addresses]
        return self.issue(
            names[0], dns=dns, addresses=addresses, usages=[SERVER_AUTH], lifetime=lifetime
        )

    def client(self, name: str = "alice", *, lifetime: timedelta = timedelta(hours=1)) -> Issued:
        """Issue a client certificate as our role does."""
        return self.issue(name, usages=[CLIENT_AUTH], lifetime=lifetime)


def in_t61(authority: Authority, *, tag: int = T61) -> bytes:
    """Return an authority's certificate (PEM) with a T.61 name, which cryptography cannot read.

    Names of old CAs may be so. dockerd reads it, and looks at no root's own signature; the name
    of ``authority`` is in ASCII. With another ``tag`` the name is of that type.
    """
    name = authority.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
    assert isinstance(name, str)
    size = bytes([len(name)])
    der = authority.certificate.public_bytes(Encoding.DER)
    utf8 = b"\x0c" + size + name.encode()
    # The zero is for a BIT STRING: how many bits of its last byte are unused.
    other = bytes([tag]) + size + b"\0" + b"\xe9" * (len(name) - 1)
    return ssl.DER_cert_to_PEM_cert(der.replace(utf8, other)).encode()


def key_usage(**allowed: bool) -> x509.KeyUsage:
    """Return a key usage extension with only these bits."""
    usage = {
        "digital_signature": False,
        "content_commitment": False,
        "key_encipherment": False,
        "data_encipherment": False,
        "key_agreement": False,
        "key_cert_sign": False,
        "crl_sign": False,
        "encipher_only": False,
        "decipher_only": False,
    }
    return x509.KeyUsage(**(usage | allowed))


def write_credential(directory: Path, ca_pem: bytes, issued: Issued) -> Path:
    """Write ca.pem, cert.pem and key.pem (0400) to ``directory``, created if missing."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    (directory / "ca.pem").write_bytes(ca_pem)
    (directory / "cert.pem").write_bytes(issued.certificate_pem)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with open(os.open(directory / "key.pem", flags, 0o400), "wb") as file:  # noqa: PTH123 - Path.open takes no descriptor
        file.write(issued.key_pem)
    return directory


def _name(common_name: str | None) -> x509.Name:
    if common_name is None:
        return x509.Name([])
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    common_name: str | None,
    issuer: x509.Name,
    public_key: CertificatePublicKeyTypes,
    not_before: datetime | None,
    lifetime: timedelta,
) -> x509.CertificateBuilder:
    start = not_before or datetime.now(UTC) - _BACKDATED
    return (
        x509.CertificateBuilder()
        .subject_name(_name(common_name))
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + lifetime)
    )


def _of_a_ca(key: PrivateKey, issuer: PrivateKey) -> list[Extension]:
    return [
        x509.BasicConstraints(ca=True, path_length=None),
        key_usage(key_cert_sign=True, crl_sign=True),
        x509.SubjectKeyIdentifier.from_public_key(key.public_key()),
        x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key()),
    ]


def _extend(
    builder: x509.CertificateBuilder,
    usual: Sequence[Extension],
    extra: Sequence[Extension],
    without: Sequence[type[x509.ExtensionType]],
) -> x509.CertificateBuilder:
    """Add the usual extensions except those replaced or omitted, and the extra ones."""
    replaced = {extension.oid for extension in extra} | {kind.oid for kind in without}
    for extension in (*(one for one in usual if one.oid not in replaced), *extra):
        if isinstance(extension, x509.Extension):
            builder = builder.add_extension(extension.value, extension.critical)
        else:
            builder = builder.add_extension(extension, isinstance(extension, _CRITICAL))
    return builder


def _sign(builder: x509.CertificateBuilder, key: PrivateKey) -> x509.Certificate:
    return builder.sign(
        key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    )


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
