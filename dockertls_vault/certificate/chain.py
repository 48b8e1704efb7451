"""Build and verify the chain from a certificate to a trusted root; no I/O.

cryptography's verifier finds and validates the path. By default it enforces the Web PKI profile,
which a private CA need not follow (a root made by ``openssl req -x509`` has no key usage, a client
certificate no SAN), so extensions are checked here against RFC 5280 only, as in Go.
docs/explanation/verification.md lists which rule is enforced where.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509 import verification
from cryptography.x509.oid import ExtendedKeyUsageOID

from dockertls_vault.errors import VerificationError

from .certificate import is_self_signed
from .request import Purpose

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

EXTENDED_KEY_USAGE = {
    Purpose.SERVER: ExtendedKeyUsageOID.SERVER_AUTH,
    Purpose.CLIENT: ExtendedKeyUsageOID.CLIENT_AUTH,
}
USAGE_NAMES = {
    ExtendedKeyUsageOID.SERVER_AUTH: "serverAuth",
    ExtendedKeyUsageOID.CLIENT_AUTH: "clientAuth",
    ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE: "anyExtendedKeyUsage",
}
# The name types that Go supports in a SAN and in name constraints. It rejects other types if the
# extension is critical, while the verifier ignores them.
_SUPPORTED = (x509.DNSName, x509.IPAddress, x509.RFC822Name, x509.UniformResourceIdentifier)
# What the verifier adds around the reason that matters.
_WRAPPING = re.compile(
    r"validation failed: |(all )?candidates exhausted(: | with no interior errors)|"
    r"Python extension validator failed: ValueError: | \(encountered processing .*\)"
)
_ALGORITHM = re.compile(r"AlgorithmIdentifier \{.* params: (\w+).*\}")


@dataclass(frozen=True)
class Chain:
    """A leaf, its intermediates in issuing order, and a root from the trust bundle."""

    leaf: x509.Certificate
    intermediates: tuple[x509.Certificate, ...]
    root: x509.Certificate

    @property
    def first_to_expire(self) -> x509.Certificate:
        """The certificate that expires first: from then on both ends reject the leaf."""
        path = (self.leaf, *self.intermediates, self.root)
        return min(path, key=lambda certificate: certificate.not_valid_after_utc)

    @property
    def valid_until(self) -> datetime:
        """When the chain expires, in UTC; a leaf may outlive its issuers."""
        return self.first_to_expire.not_valid_after_utc


def find_chain(
    leaf: x509.Certificate,
    offered: Sequence[x509.Certificate],
    *,
    roots: Sequence[x509.Certificate],
    purpose: Purpose,
    at: datetime,
) -> Chain:
    """Return the chain from ``leaf`` to one of ``roots``; of several, one that expires last.

    There are several if a root was renewed with the same key, or an intermediate is cross-signed.
    Every certificate in the chain must be valid at the time ``at``. Raises VerificationError, with
    the reason as its one problem, if there is no chain.
    """
    found = _first_chain(leaf, offered, roots, purpose, at)
    ends = {min(ca.not_valid_after_utc, leaf.not_valid_after_utc) for ca in (*offered, *roots)}
    for end in sorted((end for end in ends if end > found.valid_until), reverse=True):
        lasting, lasting_roots = (
            [ca for ca in cas if end <= ca.not_valid_after_utc] for cas in (offered, roots)
        )
        with suppress(VerificationError):
            return _first_chain(leaf, lasting, lasting_roots, purpose, at)
    return found


def _first_chain(
    leaf: x509.Certificate,
    offered: Sequence[x509.Certificate],
    roots: Sequence[x509.Certificate],
    purpose: Purpose,
    at: datetime,
) -> Chain:
    """Return the first chain that the verifier finds."""
    if not roots:
        raise _no_chain(leaf, roots, "")
    policy = (
        verification.PolicyBuilder()
        .store(verification.Store(list(roots)))
        .time(at)
        .extension_policies(ca_policy=_ca_policy(purpose), ee_policy=_leaf_policy())
    )
    try:
        # The server verifier requires a single name to match; verify.py compares all names.
        verified = policy.build_client_verifier().verify(
            leaf, [certificate for certificate in offered if not is_self_signed(certificate)]
        )
    except verification.VerificationError as error:
        reason = _reason(error)
        if "name constraint" in reason:
            reason += "".join(f"; {text}" for text in _constraints((*offered, *roots)))
        raise _no_chain(leaf, roots, reason) from None
    return Chain(leaf, tuple(verified.chain[1:-1]), verified.chain[-1])


def _policy() -> verification.ExtensionPolicy:
    """Return the extension policy for every certificate in the chain.

    Go rejects a certificate in which one of the first three is critical: RFC 5280 forbids it
    (§4.2.1.1, §4.2.1.2, §4.2.2.1).
    """
    never = verification.Criticality.NON_CRITICAL
    return (
        verification.ExtensionPolicy.permit_all()
        .may_be_present(x509.AuthorityKeyIdentifier, never, None)
        .may_be_present(x509.SubjectKeyIdentifier, never, None)
        .may_be_present(x509.AuthorityInformationAccess, never, None)
        .may_be_present(
            x509.SubjectAlternativeName, verification.Criticality.AGNOSTIC, _reject_unsupported_san
        )
    )


def _reject_unsupported_san(
    _policy: verification.Policy,
    certificate: x509.Certificate,
    san: x509.SubjectAlternativeName | None,
) -> None:
    """Reject a critical SAN without a supported name: in Go it is an unhandled extension."""
    if san is None or any(isinstance(name, _SUPPORTED) for name in san):
        return
    if certificate.extensions.get_extension_for_oid(san.oid).critical:
        raise ValueError(f"{_name(certificate)} has a critical SAN without a name that Go supports")


def _leaf_policy() -> verification.ExtensionPolicy:
    agnostic = verification.Criticality.AGNOSTIC
    return _policy().may_be_present(x509.BasicConstraints, agnostic, _reject_policy_constraints)


def _reject_policy_constraints(
    _policy: verification.Policy,
    certificate: x509.Certificate,
    _constraints: x509.BasicConstraints | None,
) -> None:
    """Reject policy constraints, which Go enforces even if they are not critical.

    The verifier does not process policies; it rejects only critical policy constraints. It calls a
    validator for each extension in the policy, whether present or not.
    """
    with suppress(x509.ExtensionNotFound):
        certificate.extensions.get_extension_for_class(x509.PolicyConstraints)
        raise ValueError(f"{_name(certificate)} has policy constraints, which are not supported")


def _ca_policy(purpose: Purpose) -> verification.ExtensionPolicy:
    """Return the extension policy for every CA in the chain, including the root.

    The CA flag, path length, DNS and IP name constraints and unknown critical extensions are
    checked by the verifier itself, whatever the policy.
    """
    agnostic = verification.Criticality.AGNOSTIC
    wanted = {EXTENDED_KEY_USAGE[purpose], ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}

    def check_key_usage(
        _policy: verification.Policy, ca: x509.Certificate, usage: x509.KeyUsage | None
    ) -> None:
        if usage is not None and not usage.key_cert_sign:
            raise ValueError(f"the key usage of {_name(ca)} lacks keyCertSign")
        # The verifier has this rule too, but its message dumps a data structure.
        if not is_web_pki_key(ca.public_key()):
            raise ValueError(f"the key of {_name(ca)} is not RSA, P-256, P-384 or P-521")

    def check_extended_key_usage(
        _policy: verification.Policy, ca: x509.Certificate, usages: x509.ExtendedKeyUsage | None
    ) -> None:
        if usages is not None and not wanted & set(usages):
            names = ", ".join(USAGE_NAMES.get(oid, oid.dotted_string) for oid in usages)
            raise ValueError(f"{_name(ca)} may only issue certificates for {names}")

    def check_name_constraints(
        _policy: verification.Policy, ca: x509.Certificate, names: x509.NameConstraints | None
    ) -> None:
        if names is None:
            return
        subtrees = (*(names.permitted_subtrees or ()), *(names.excluded_subtrees or ()))
        kinds = {type(name).__name__ for name in subtrees if not isinstance(name, _SUPPORTED)}
        if kinds:
            raise ValueError(f"{_name(ca)} has unsupported name constraints: {', '.join(kinds)}")

    return (
        _policy()
        .require_present(x509.BasicConstraints, agnostic, _reject_policy_constraints)
        .may_be_present(x509.KeyUsage, agnostic, check_key_usage)
        .may_be_present(x509.ExtendedKeyUsage, agnostic, check_extended_key_usage)
        .may_be_present(x509.NameConstraints, agnostic, check_name_constraints)
    )


def is_web_pki_key(key: CertificatePublicKeyTypes) -> bool:
    """Return whether the verifier accepts this type of key for a CA; it checks RSA sizes itself."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        return isinstance(key.curve, ec.SECP256R1 | ec.SECP384R1 | ec.SECP521R1)
    return isinstance(key, rsa.RSAPublicKey)


def _no_chain(
    leaf: x509.Certificate, roots: Sequence[x509.Certificate], reason: str
) -> VerificationError:
    bundle = "; ".join(map(_name, roots)) or "which is empty"
    suffix = f": {reason}" if reason else ""
    problem = (
        f"it does not chain to a root in the trust bundle ({bundle}) through its issuer "
        f"{leaf.issuer.rfc4514_string()!r}{suffix}"
    )
    return VerificationError("there is no chain to a trusted root", (problem,))


def _reason(error: verification.VerificationError) -> str:
    """Return the verifier's innermost reason; empty if no certificate matches the issuer's name."""
    return _ALGORITHM.sub(r"\1", _WRAPPING.sub("", str(error)))


def _constraints(certificates: Iterable[x509.Certificate]) -> Iterator[str]:
    """List what the CAs permit and exclude: the verifier does not name the violating name."""
    for ca in certificates:
        for found in ca.extensions:
            if isinstance(found.value, x509.NameConstraints):
                subtrees = {
                    "permits": found.value.permitted_subtrees,
                    "excludes": found.value.excluded_subtrees,
                }
                for verb, names in subtrees.items():
                    if names:
                        yield f"{_name(ca)} {verb} {', '.join(str(name.value) for name in names)}"


def _name(certificate: x509.Certificate) -> str:
    return certificate.subject.rfc4514_string()
