"""Chains of every kind, valid and crafted, for the table in test_chain.py."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from dockertls_vault.certificate.request import KeyType, Purpose

from .certificates import SERVER_AUTH, Authority, Issued

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Row:
    """A chain and three verdicts: a part of the reason, None for acceptance.

    ``chain`` makes a leaf for a.example with its intermediates, and the trust bundle; ``why`` is
    said where the verdicts differ.
    """

    chain: Callable[[], tuple[Issued, list[Authority]]]
    ours: str | None = None
    openssl: str | None = None
    go: str | None = None
    why: str = ""
    purpose: Purpose = Purpose.SERVER


def under(
    *,
    intermediates: list[dict[str, Any]] | None = None,
    leaf: dict[str, Any] | None = None,
    **root: Any,
) -> Callable[[], tuple[Issued, list[Authority]]]:
    """Return a function that creates a root, intermediates and a leaf, each with changes."""

    def make() -> tuple[Issued, list[Authority]]:
        top = authority = Authority.create(**root)
        for number, changes in enumerate(intermediates or []):
            authority = authority.intermediate(f"intermediate {number}", **changes)
        return issue(authority, **(leaf or {})), [top]

    return make


def issue(authority: Authority, **changes: Any) -> Issued:
    """Issue a server certificate with the given changes."""
    return authority.issue(
        **{"common_name": "a.example", "dns": ["a.example"], "usages": [SERVER_AUTH], **changes}
    )


def path_length(length: int) -> dict[str, Any]:
    """Give a CA a path length."""
    return {"extra": [x509.BasicConstraints(ca=True, path_length=length)]}


def eku(*usages: x509.ObjectIdentifier) -> dict[str, Any]:
    """Give a CA extended key usages."""
    return {"extra": [x509.ExtendedKeyUsage(usages)]}


def permits(*names: str | x509.GeneralName, critical: bool = True) -> dict[str, Any]:
    """Give a CA permitted subtrees."""
    constraints = x509.NameConstraints(list(map(subtree, names)), None)
    return {"extra": [x509.Extension(constraints.oid, critical, constraints)]}


def excludes(*names: str | x509.GeneralName) -> dict[str, Any]:
    """Give a CA excluded subtrees."""
    return {"extra": [x509.NameConstraints(None, list(map(subtree, names)))]}


def subtree(name: str | x509.GeneralName) -> x509.GeneralName:
    """Return a network if the text is one, else a DNS name."""
    if isinstance(name, x509.GeneralName):
        return name
    return x509.IPAddress(ip_network(name)) if "/" in name else x509.DNSName(name)


def unknown(*, critical: bool) -> dict[str, Any]:
    """Give a certificate an unknown extension."""
    extension = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\5\0")
    return {"extra": [x509.Extension(extension.oid, critical, extension)]}


def critical(extension: x509.ExtensionType) -> x509.Extension[x509.ExtensionType]:
    """Mark an extension as critical."""
    return x509.Extension(extension.oid, critical=True, value=extension)


def uncritical(extension: x509.ExtensionType) -> x509.Extension[x509.ExtensionType]:
    """Mark an extension as not critical."""
    return x509.Extension(extension.oid, critical=False, value=extension)


def by_openssl(*extensions: str) -> Callable[[], tuple[Issued, list[Authority]]]:
    """Sign with a root created by OpenSSL with these lines of configuration."""
    lines = ["[req]", "distinguished_name=name", "prompt=no", "x509_extensions=ca"]
    lines += ["[name]", "CN=openssl root", "[ca]", *extensions]
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-config", "/dev/stdin", "-keyout", "-"]

    def make() -> tuple[Issued, list[Authority]]:
        done = subprocess.run(
            command, input="\n".join(lines).encode(), capture_output=True, check=True
        )
        key = serialization.load_pem_private_key(done.stdout, None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        root = Authority(x509.load_pem_x509_certificates(done.stdout)[0], key)
        return issue(root), [root]

    return make


def of_two_roots_with_one_name() -> tuple[Issued, list[Authority]]:
    """Sign with the second of two roots of one name, as after a rotation."""
    old, new = Authority.create(), Authority.create()
    return issue(new), [old, new]


def beside_a_pending_root() -> tuple[Issued, list[Authority]]:
    """Sign with the current root; the bundle also holds its successor."""
    root = Authority.create()
    return issue(root), [Authority.create(not_before=datetime.now(UTC) + timedelta(days=1)), root]


def of_another_root() -> tuple[Issued, list[Authority]]:
    """Sign with a root whose name is in the bundle but whose key is not."""
    return issue(Authority.create()), [Authority.create()]


def of_an_unknown_root() -> tuple[Issued, list[Authority]]:
    """Sign with a root that is sent along but is not in the bundle."""
    other = Authority.create("another root")
    issued = issue(other)
    return Issued(issued.certificate, issued.key, (other.certificate,)), [Authority.create()]


def without_its_intermediate() -> tuple[Issued, list[Authority]]:
    """Send the leaf without its intermediate."""
    root = Authority.create()
    issued = issue(root.intermediate())
    return Issued(issued.certificate, issued.key), [root]


def under_a_leaf() -> tuple[Issued, list[Authority]]:
    """Sign with a server certificate."""
    root = Authority.create()
    false = issue(root)
    return issue(Authority(false.certificate, false.key, (false.certificate,))), [root]


def signed_with_sha1(*, leaf: bool) -> Callable[[], tuple[Issued, list[Authority]]]:
    """Sign the leaf, or the intermediate, with SHA-1."""

    def make() -> tuple[Issued, list[Authority]]:
        root = Authority.create(key_type=KeyType.RSA_2048)
        if leaf:
            issued = issue(root)
            return Issued(weakened(issued.certificate, root), issued.key), [root]
        intermediate = root.intermediate()
        issued = issue(intermediate)
        chain = (weakened(intermediate.certificate, root),)
        return Issued(issued.certificate, issued.key, chain), [root]

    return make


def weakened(certificate: x509.Certificate, issuer: Authority) -> x509.Certificate:
    """Re-sign a certificate of an RSA issuer with SHA-1, which cryptography refuses to do."""
    strong, weak = bytes.fromhex("2a864886f70d01010b"), bytes.fromhex("2a864886f70d010105")
    assert isinstance(issuer.key, rsa.RSAPrivateKey)
    tbs = certificate.tbs_certificate_bytes.replace(strong, weak)
    signature = issuer.key.sign(tbs, padding.PKCS1v15(), hashes.SHA1())  # noqa: S303 - the point
    der = certificate.public_bytes(serialization.Encoding.DER)
    der = der.replace(strong, weak).replace(certificate.signature, signature)
    return x509.load_der_x509_certificate(der)
