"""Verify that a certificate is what was requested, and report every mismatch at once; no I/O.

This is stricter than TLS: exactly one extended key usage, exactly the requested names, and a
validity no longer than requested. ``chain`` verifies the path to a root.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from dockertls_vault.duration import format_duration, format_time
from dockertls_vault.errors import VerificationError

from .certificate import (
    Description,
    describe,
    is_self_signed,
    is_signed_by,
    load_all,
    load_certificates,
    subject_alternative_names,
)
from .chain import EXTENDED_KEY_USAGE, USAGE_NAMES, find_chain
from .names import Names

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime, timedelta

    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

    from .chain import Chain
    from .clocks import Clocks
    from .request import Purpose, Request

_CLOCK_HINT = (
    "nothing was installed; check this machine's clock (NTP), then the role and the issuer in Vault"
)


def verify(
    certificate: str,
    chain: Sequence[str],
    *,
    roots: Sequence[x509.Certificate],
    request: Request,
    public_key: CertificatePublicKeyTypes,
    clocks: Clocks,
) -> Chain:
    """Verify a certificate and its chain, both in PEM, against the request and the trusted roots.

    Raises VerificationError with every mismatch in its ``problems``.
    """
    leaf, *extra = load_certificates(certificate)
    offered = [*extra, *load_all(chain)]
    found: Chain | None = None
    problems = [
        *_key_problems(leaf, public_key),
        *_usage_problems(leaf, request.purpose),
        *_name_problems(leaf, request),
        *_validity_problems(leaf, request.ttl, clocks),
    ]
    # If the leaf is not valid now, which is reported above, its chain is still verified.
    at = min(max(clocks.agreed, leaf.not_valid_before_utc), leaf.not_valid_after_utc)
    try:
        found = find_chain(leaf, offered, roots=roots, purpose=request.purpose, at=at)
    except VerificationError as error:
        problems += error.problems
    if found is None or problems:
        is_clock_issue = clocks.difference and _is_outside_validity(
            leaf, offered, request.ttl, clocks
        )
        raise VerificationError(
            "the certificate returned by Vault was rejected",
            tuple(problems),
            hint=_usage_hint(leaf, request) or (_CLOCK_HINT if is_clock_issue else ""),
        )
    return found


def untrusted(
    bundle: Sequence[x509.Certificate], roots: Sequence[x509.Certificate], now: datetime
) -> tuple[Description, ...]:
    """Describe the CAs in ``bundle`` whose certificates are rejected if only ``roots`` are trusted.

    A CA signed by one of the roots is not among them: peers send it as an intermediate.
    """
    return tuple(
        describe(ca)
        for ca in bundle
        if now <= ca.not_valid_after_utc
        and ca not in roots
        and not any(is_signed_by(ca, root) for root in roots)
    )


def current_roots(
    certificates: Sequence[x509.Certificate], now: datetime
) -> tuple[x509.Certificate, ...]:
    """Return the trust bundle: the self-signed CAs that have not expired, without duplicates.

    A root that is not valid yet is included: a rotation has prepared it.
    """
    unique = {certificate.fingerprint(hashes.SHA256()): certificate for certificate in certificates}
    return tuple(
        certificate
        for certificate in unique.values()
        if is_self_signed(certificate)
        and is_ca(certificate)
        and now <= certificate.not_valid_after_utc
    )


def unexpired(
    certificates: Sequence[x509.Certificate], now: datetime
) -> tuple[x509.Certificate, ...]:
    """Return the certificates that have not expired: what a ca.pem with them trusts."""
    return tuple(each for each in certificates if now <= each.not_valid_after_utc)


def is_ca(certificate: x509.Certificate) -> bool:
    """Return whether its basic constraints say that it is a CA."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def extended_key_usages(certificate: x509.Certificate) -> frozenset[x509.ObjectIdentifier]:
    """Return the EKUs of the certificate; empty if it has no EKU extension."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    except x509.ExtensionNotFound:
        return frozenset()
    return frozenset(extension.value)


def _key_problems(leaf: x509.Certificate, public_key: CertificatePublicKeyTypes) -> Iterator[str]:
    if leaf.public_key() != public_key:
        yield "its public key does not match the CSR"


def _usage_problems(leaf: x509.Certificate, purpose: Purpose) -> Iterator[str]:
    wanted = EXTENDED_KEY_USAGE[purpose]
    found = extended_key_usages(leaf)
    if not found:
        yield f"it has no extended key usage, so it is valid for any purpose; {_only(wanted)}"
    elif found != {wanted}:
        names = ", ".join(sorted(USAGE_NAMES.get(oid, oid.dotted_string) for oid in found))
        yield f"its extended key usage is {names}; {_only(wanted)}"
    if is_ca(leaf):
        yield "it is a CA certificate"
    usage = _key_usage(leaf)
    if usage is not None and not usage.digital_signature:
        yield "its key usage lacks digitalSignature, which TLS requires"
    if usage is not None and (usage.key_cert_sign or usage.crl_sign):
        yield "its key usage allows signing certificates or CRLs"


def _usage_hint(leaf: x509.Certificate, request: Request) -> str:
    """Return how to fix the extended key usages, which only the role determines."""
    wanted = EXTENDED_KEY_USAGE[request.purpose]
    found = extended_key_usages(leaf)
    role = repr(request.role)
    if found == {wanted}:
        return ""
    if found and wanted not in found:
        return f"nothing was installed; check that {role} is a {request.purpose} role (--role)"
    flags = {oid: f"{purpose}_flag" for purpose, oid in EXTENDED_KEY_USAGE.items()}
    if not found:
        change = f"{flags[wanted]}=true"
    elif found <= flags.keys():
        change = " and ".join(f"{flags[oid]}=false" for oid in found - {wanted})
    else:
        change = f"{flags[wanted]}=true, and no other extended key usage,"
    return f"nothing was installed; set {change} in the role {role}"


def _only(wanted: x509.ObjectIdentifier) -> str:
    return f"only {USAGE_NAMES[wanted]} was requested"


def _name_problems(leaf: x509.Certificate, request: Request) -> Iterator[str]:
    san = subject_alternative_names(leaf)
    general_names = list(san) if san is not None else []
    found = Names(
        tuple(str(name.value) for name in general_names if isinstance(name, x509.DNSName)),
        tuple(str(name.value) for name in general_names if isinstance(name, x509.IPAddress)),
    )
    asked, has = _by_kind(request.names), _by_kind(found)
    for name, kind in asked:
        if (name, kind) not in has:
            yield f"it lacks a requested name: {name}"
    for name, kind in has:
        if (name, kind) not in asked:
            # Clients do not match an IP address against DNS names (RFC 2818 §3.1).
            as_another = f" as {kind}" if name in request.names.all else ""
            yield f"it has a name that was not requested{as_another}: {name}"
    for name in general_names:
        if not isinstance(name, x509.DNSName | x509.IPAddress):
            yield f"it has a name that was not requested: {name.value}"
    common_names = [
        str(attribute.value)
        for attribute in leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    ]
    wanted = [] if request.common_name is None else [request.common_name]
    if common_names == wanted:
        return
    if wanted:
        present = " and ".join(map(repr, common_names)) or "empty"
        yield f"its common name is {present}, not {request.common_name!r} as requested"
    else:
        yield f"it has a common name that was not requested: {common_names[0]!r}"


def _by_kind(names: Names) -> list[tuple[str, str]]:
    return [
        *((name, "a DNS name") for name in names.dns),
        *((address, "an address") for address in names.addresses),
    ]


def _validity_problems(leaf: x509.Certificate, ttl: timedelta, clocks: Clocks) -> Iterator[str]:
    if clocks.agreed < leaf.not_valid_before_utc:
        start = format_time(leaf.not_valid_before_utc)
        ahead = format_duration(leaf.not_valid_before_utc - clocks.now)
        yield f"it is not valid until {start}, {ahead} from now by {clocks}"
    if leaf.not_valid_after_utc < clocks.agreed:
        yield f"it expired at {format_time(leaf.not_valid_after_utc)} by {clocks}"
    if leaf.not_valid_after_utc > clocks.latest + ttl:
        left = format_duration(leaf.not_valid_after_utc - clocks.now)
        asked = format_duration(ttl)
        yield f"it is valid for {left} from now by {clocks}, but {asked} was requested"


def _is_outside_validity(
    leaf: x509.Certificate, cas: Sequence[x509.Certificate], ttl: timedelta, clocks: Clocks
) -> bool:
    """Return whether the leaf or a CA is not valid by these clocks, or the leaf for too long."""
    return any(_validity_problems(leaf, ttl, clocks)) or any(
        not ca.not_valid_before_utc <= clocks.agreed <= ca.not_valid_after_utc for ca in cas
    )


def _key_usage(certificate: x509.Certificate) -> x509.KeyUsage | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return None
