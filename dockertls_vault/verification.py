"""Is what Vault returned what was asked for? All that is wrong is found at once; pure.

The rules are those of RFC 5280 that Docker's two ends enforce, made stricter: exactly one
extended key usage, exactly the names asked for, no longer a life than asked for. The chain is
walked here, and not with ``cryptography.x509.verification``, because that follows the Web PKI
and refuses Ed25519 keys, which Go and OpenSSL accept.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID

from .duration import format_duration
from .errors import VerificationError
from .names import Names
from .request import Purpose
from .x509 import is_self_signed, is_signed_by, load_certificates, subject_alternative_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

    from .request import Request

# How far Vault's clock may run ahead of ours before a life counts as too long.
CLOCK_TOLERANCE = timedelta(seconds=60)
EXTENDED_KEY_USAGE = {
    Purpose.SERVER: ExtendedKeyUsageOID.SERVER_AUTH,
    Purpose.CLIENT: ExtendedKeyUsageOID.CLIENT_AUTH,
}
_USAGE_NAMES = {
    ExtendedKeyUsageOID.SERVER_AUTH: "serverAuth",
    ExtendedKeyUsageOID.CLIENT_AUTH: "clientAuth",
    ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE: "anyExtendedKeyUsage",
}
# What Go, OpenSSL and Python understand; a critical extension beyond these makes them refuse.
_UNDERSTOOD = {
    ExtensionOID.BASIC_CONSTRAINTS,
    ExtensionOID.KEY_USAGE,
    ExtensionOID.EXTENDED_KEY_USAGE,
    ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
    ExtensionOID.NAME_CONSTRAINTS,
}
_HASHES = (hashes.SHA256, hashes.SHA384, hashes.SHA512)


@dataclass(frozen=True)
class Verified:
    """A certificate that is what was asked for, and the intermediates up to a trusted root."""

    leaf: x509.Certificate
    intermediates: tuple[x509.Certificate, ...]


def verify(
    certificate: str,
    chain: Sequence[str],
    *,
    roots: Sequence[x509.Certificate],
    request: Request,
    public_key: CertificatePublicKeyTypes,
    now: datetime,
) -> Verified:
    """Check a certificate and its chain, both in PEM, against the request and the trusted roots.

    ``now`` is the time the certificate was asked for, in UTC. Raises VerificationError with
    every mismatch in its ``problems``.
    """
    leaf, *extra = load_certificates(certificate)
    offered = [*extra, *(found for pem in chain for found in load_certificates(pem))]
    path = _path_to_a_root(leaf, offered, roots, now)
    problems = (
        *_key_problems(leaf, public_key),
        *_usage_problems(leaf, request.purpose),
        *_name_problems(leaf, request),
        *_validity_problems(leaf, request.ttl, now),
        *((_no_path(leaf, roots),) if path is None else ()),
    )
    if problems:
        raise VerificationError("the certificate that Vault returned is refused", problems)
    return Verified(leaf, tuple(path or ()))


def current_roots(
    certificates: Sequence[x509.Certificate], now: datetime
) -> tuple[x509.Certificate, ...]:
    """Return the trust bundle: the self-signed CAs that have not expired, each once.

    A root that is not yet valid stays in: it is one that a rotation has prepared.
    """
    unique = {certificate.fingerprint(hashes.SHA256()): certificate for certificate in certificates}
    return tuple(
        certificate
        for certificate in unique.values()
        if is_self_signed(certificate)
        and _is_ca(certificate)
        and now <= certificate.not_valid_after_utc
    )


def extended_key_usages(certificate: x509.Certificate) -> frozenset[x509.ObjectIdentifier]:
    """Return the EKUs of the certificate; none if it has no such extension."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    except x509.ExtensionNotFound:
        return frozenset()
    return frozenset(extension.value)


def _key_problems(leaf: x509.Certificate, public_key: CertificatePublicKeyTypes) -> Iterator[str]:
    if leaf.public_key() != public_key:
        yield "its public key is not the one that was sent"
    algorithm = leaf.signature_hash_algorithm
    if algorithm is not None and not isinstance(algorithm, _HASHES):
        yield f"it is signed with {algorithm.name}, which is weak"


def _usage_problems(leaf: x509.Certificate, purpose: Purpose) -> Iterator[str]:
    wanted = EXTENDED_KEY_USAGE[purpose]
    found = extended_key_usages(leaf)
    if not found:
        yield f"it has no extended key usage and so would pass as both ends; {_only(wanted)}"
    elif found != {wanted}:
        names = ", ".join(sorted(_USAGE_NAMES.get(oid, oid.dotted_string) for oid in found))
        yield f"its extended key usage is {names}; {_only(wanted)}"
    if _is_ca(leaf):
        yield "it is a CA certificate"
    usage = _key_usage(leaf)
    if usage is not None and not usage.digital_signature:
        yield "its key usage lacks digitalSignature, so TLS refuses it"
    if usage is not None and (usage.key_cert_sign or usage.crl_sign):
        yield "its key usage allows it to sign certificates or CRLs"
    for extension in leaf.extensions:
        if extension.critical and extension.oid not in _UNDERSTOOD:
            yield f"it has a critical extension that TLS refuses: {extension.oid.dotted_string}"


def _only(wanted: x509.ObjectIdentifier) -> str:
    return f"{_USAGE_NAMES[wanted]} alone was asked for"


def _name_problems(leaf: x509.Certificate, request: Request) -> Iterator[str]:
    san = subject_alternative_names(leaf)
    general_names = list(san) if san is not None else []
    found = Names(
        tuple(str(name.value) for name in general_names if isinstance(name, x509.DNSName)),
        tuple(str(name.value) for name in general_names if isinstance(name, x509.IPAddress)),
    )
    for name in request.names.all:
        if name not in found.all:
            yield f"it lacks a name that was asked for: {name}"
    for name in found.all:
        if name not in request.names.all:
            yield f"it has a name that was not asked for: {name}"
    for name in general_names:
        if not isinstance(name, x509.DNSName | x509.IPAddress):
            yield f"it has a name that was not asked for: {name.value}"
    common_names = [
        str(attribute.value)
        for attribute in leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    ]
    wanted = [] if request.common_name is None else [request.common_name]
    if common_names != wanted:
        yield (
            f"its common name is {' and '.join(map(repr, common_names)) or 'empty'}, "
            f"not {request.common_name!r} as asked for"
            if wanted
            else f"it has a common name that was not asked for: {common_names[0]!r}"
        )


def _validity_problems(leaf: x509.Certificate, ttl: timedelta, now: datetime) -> Iterator[str]:
    if now < leaf.not_valid_before_utc:
        yield (
            f"it is not valid until {leaf.not_valid_before_utc:%Y-%m-%d %H:%M:%S} UTC, "
            f"{format_duration(leaf.not_valid_before_utc - now)} from now by this machine's clock"
        )
    if leaf.not_valid_after_utc <= now:
        yield (
            f"it expired at {leaf.not_valid_after_utc:%Y-%m-%d %H:%M:%S} UTC "
            "by this machine's clock"
        )
    left = leaf.not_valid_after_utc - now
    if left > ttl + CLOCK_TOLERANCE:
        yield (
            f"it lives for {format_duration(left)} from now by this machine's clock, "
            f"and {format_duration(ttl)} was asked for"
        )


def _path_to_a_root(
    leaf: x509.Certificate,
    offered: Sequence[x509.Certificate],
    roots: Sequence[x509.Certificate],
    now: datetime,
) -> list[x509.Certificate] | None:
    """Return the intermediates from ``leaf``'s issuer up to below a root, None if there is no path.

    Each certificate offered is tried once, so cross-signed ones cannot send it in circles.
    """
    untried = [certificate for certificate in offered if not is_self_signed(certificate)]

    def walk(
        below: x509.Certificate, path: list[x509.Certificate]
    ) -> list[x509.Certificate] | None:
        if any(_may_issue(root, below, len(path), now) for root in roots):
            return path
        for candidate in tuple(untried):
            if candidate in untried and _may_issue(candidate, below, len(path), now):
                untried.remove(candidate)
                found = walk(candidate, [*path, candidate])
                if found is not None:
                    return found
        return None

    return walk(leaf, [])


def _may_issue(
    issuer: x509.Certificate, below: x509.Certificate, depth: int, now: datetime
) -> bool:
    """Tell whether ``issuer`` signed ``below``, and may, with ``depth`` CAs under it."""
    if below.issuer != issuer.subject or not _is_ca(issuer):
        return False
    usage = _key_usage(issuer)
    path_length = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length
    return (
        issuer.not_valid_before_utc <= now <= issuer.not_valid_after_utc
        and (usage is None or usage.key_cert_sign)
        and (path_length is None or depth <= path_length)
        and is_signed_by(below, issuer)
    )


def _no_path(leaf: x509.Certificate, roots: Sequence[x509.Certificate]) -> str:
    names = "; ".join(root.subject.rfc4514_string() for root in roots)
    return (
        f"its issuer {leaf.issuer.rfc4514_string()!r} does not lead to a root of the trust bundle "
        f"({names or 'which is empty'})"
    )


def _is_ca(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _key_usage(certificate: x509.Certificate) -> x509.KeyUsage | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return None
