"""Does a certificate lead to a trusted root, by CAs that may sign for its purpose? Pure.

The path is found and judged by cryptography's own verifier, whose defaults are the profile of
the Web PKI. An organisation's CA need not keep that (a root made by ``openssl req -x509`` has no
key usage, a client no SAN), so the extensions are judged here by RFC 5280 alone, as Go does it.
docs/explanation/verification.md tells which rule is whose.
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
# The kinds of name that Go reads, in a SAN and in a constraint. It refuses others where they are
# critical, and the verifier does not look at them.
_READ = (x509.DNSName, x509.IPAddress, x509.RFC822Name, x509.UniformResourceIdentifier)
_WRAPPED = re.compile(
    r"validation failed: |(all )?candidates exhausted(: | with no interior errors)|"
    r"Python extension validator failed: ValueError: | \(encountered processing .*\)"
)
_ALGORITHM = re.compile(r"AlgorithmIdentifier \{.* params: (\w+).*\}")


@dataclass(frozen=True)
class Chain:
    """A leaf, the intermediates from its issuer upwards, and the root of the trust bundle."""

    leaf: x509.Certificate
    intermediates: tuple[x509.Certificate, ...]
    root: x509.Certificate

    @property
    def first_to_end(self) -> x509.Certificate:
        """The certificate that ends first: from then on both ends refuse the leaf."""
        path = (self.leaf, *self.intermediates, self.root)
        return min(path, key=lambda certificate: certificate.not_valid_after_utc)

    @property
    def valid_until(self) -> datetime:
        """The end of the whole chain, in UTC; a leaf may outlive its issuers."""
        return self.first_to_end.not_valid_after_utc


def path_to_a_root(
    leaf: x509.Certificate,
    offered: Sequence[x509.Certificate],
    *,
    roots: Sequence[x509.Certificate],
    purpose: Purpose,
    at: datetime,
) -> Chain:
    """Return the path from ``leaf`` to one of ``roots``; of several, one that lasts longest.

    There are several where a root was renewed with its key, or an intermediate cross-signed.
    ``at`` is when each certificate of the path must be valid. Raises VerificationError with why
    there is no path, as one problem.
    """
    found = _a_path(leaf, offered, roots, purpose, at)
    ends = {ca.not_valid_after_utc for ca in (*offered, *roots)}
    for end in sorted({min(end, leaf.not_valid_after_utc) for end in ends}, reverse=True):
        if end <= found.valid_until:
            break
        lasting, lasting_roots = (
            [ca for ca in cas if end <= ca.not_valid_after_utc] for cas in (offered, roots)
        )
        with suppress(VerificationError):
            return _a_path(leaf, lasting, lasting_roots, purpose, at)
    return found


def _a_path(
    leaf: x509.Certificate,
    offered: Sequence[x509.Certificate],
    roots: Sequence[x509.Certificate],
    purpose: Purpose,
    at: datetime,
) -> Chain:
    """Return the first path that the verifier finds."""
    if not roots:
        raise _no_path(leaf, roots, "")
    policy = (
        verification.PolicyBuilder()
        .store(verification.Store(list(roots)))
        .time(at)
        .extension_policies(ca_policy=_ca_policy(purpose), ee_policy=_leaf_policy())
    )
    try:
        # A server's verifier would ask for one name to compare; all are compared elsewhere.
        verified = policy.build_client_verifier().verify(
            leaf, [certificate for certificate in offered if not is_self_signed(certificate)]
        )
    except verification.VerificationError as error:
        reason = _reason(error)
        if "name constraint" in reason:
            reason += "".join(f"; {words}" for words in _constraints((*offered, *roots)))
        raise _no_path(leaf, roots, reason) from None
    return Chain(leaf, tuple(verified.chain[1:-1]), verified.chain[-1])


def _policy() -> verification.ExtensionPolicy:
    """Return what any certificate of the path must keep to.

    Go cannot read a certificate in which one of these is critical (RFC 5280, 4.2.1 and 4.2.2.1).
    """
    never = verification.Criticality.NON_CRITICAL
    return (
        verification.ExtensionPolicy.permit_all()
        .may_be_present(x509.AuthorityKeyIdentifier, never, None)
        .may_be_present(x509.SubjectKeyIdentifier, never, None)
        .may_be_present(x509.AuthorityInformationAccess, never, None)
        .may_be_present(x509.SubjectAlternativeName, verification.Criticality.AGNOSTIC, _is_read)
    )


def _is_read(
    _policy: verification.Policy,
    certificate: x509.Certificate,
    san: x509.SubjectAlternativeName | None,
) -> None:
    """Refuse a critical SAN without a name of the kinds that Go reads: it is unhandled there."""
    if san is None or any(isinstance(name, _READ) for name in san):
        return
    if certificate.extensions.get_extension_for_oid(san.oid).critical:
        raise ValueError(f"{_name(certificate)} has a critical SAN without a name that Go supports")


def _leaf_policy() -> verification.ExtensionPolicy:
    agnostic = verification.Criticality.AGNOSTIC
    return _policy().may_be_present(x509.BasicConstraints, agnostic, _asks_for_no_policy)


def _asks_for_no_policy(
    _policy: verification.Policy,
    certificate: x509.Certificate,
    _constraints: x509.BasicConstraints | None,
) -> None:
    """Refuse policy constraints, which Go enforces even where they are not critical.

    The verifier compares no policies, and refuses the critical ones itself. It is called for an
    extension that is asked about, present or not.
    """
    with suppress(x509.ExtensionNotFound):
        certificate.extensions.get_extension_for_class(x509.PolicyConstraints)
        raise ValueError(f"{_name(certificate)} has policy constraints, which are not supported")


def _ca_policy(purpose: Purpose) -> verification.ExtensionPolicy:
    """Return what the extensions of each CA in the path must say, the root's included.

    That it is a CA, its path length, its DNS and IP constraints and unknown critical extensions
    are the verifier's own rules, whatever the policy.
    """
    agnostic = verification.Criticality.AGNOSTIC
    wanted = {EXTENDED_KEY_USAGE[purpose], ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}

    def signs(
        _policy: verification.Policy, ca: x509.Certificate, usage: x509.KeyUsage | None
    ) -> None:
        if usage is not None and not usage.key_cert_sign:
            raise ValueError(f"the key usage of {_name(ca)} lacks keyCertSign")
        # The verifier's own rule, but its words are the dump of a data structure.
        if not is_of_the_web_pki(ca.public_key()):
            raise ValueError(f"the key of {_name(ca)} is not RSA, P-256, P-384 or P-521")

    def nests(
        _policy: verification.Policy, ca: x509.Certificate, usages: x509.ExtendedKeyUsage | None
    ) -> None:
        if usages is not None and not wanted & set(usages):
            names = ", ".join(USAGE_NAMES.get(oid, oid.dotted_string) for oid in usages)
            raise ValueError(f"{_name(ca)} may sign for {names} alone")

    def constrains(
        _policy: verification.Policy, ca: x509.Certificate, names: x509.NameConstraints | None
    ) -> None:
        if names is None:
            return
        subtrees = (*(names.permitted_subtrees or ()), *(names.excluded_subtrees or ()))
        kinds = {type(name).__name__ for name in subtrees if not isinstance(name, _READ)}
        if kinds:
            raise ValueError(f"{_name(ca)} has unsupported name constraints: {', '.join(kinds)}")

    return (
        _policy()
        .require_present(x509.BasicConstraints, agnostic, _asks_for_no_policy)
        .may_be_present(x509.KeyUsage, agnostic, signs)
        .may_be_present(x509.ExtendedKeyUsage, agnostic, nests)
        .may_be_present(x509.NameConstraints, agnostic, constrains)
    )


def is_of_the_web_pki(key: CertificatePublicKeyTypes) -> bool:
    """Tell whether the verifier takes such a key for that of a CA; the size of RSA is its own."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        return isinstance(key.curve, ec.SECP256R1 | ec.SECP384R1 | ec.SECP521R1)
    return isinstance(key, rsa.RSAPublicKey)


def _no_path(
    leaf: x509.Certificate, roots: Sequence[x509.Certificate], reason: str
) -> VerificationError:
    bundle = "; ".join(map(_name, roots)) or "which is empty"
    problem = (
        f"it does not chain to a root in the trust bundle ({bundle}) by its issuer "
        f"{leaf.issuer.rfc4514_string()!r}{reason and ': '}{reason}"
    )
    return VerificationError("there is no chain to a trusted root", (problem,))


def _reason(error: verification.VerificationError) -> str:
    """Return the verifier's innermost reason, none where no certificate fits the issuer's name."""
    return _ALGORITHM.sub(r"\1", _WRAPPED.sub("", str(error)))


def _constraints(certificates: Iterable[x509.Certificate]) -> Iterator[str]:
    """Say what CAs permit and exclude: the verifier does not say which name is outside."""
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
