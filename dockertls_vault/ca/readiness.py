"""Whether a CA can issue certificates with the default TTLs, and if not, why not; pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from shlex import quote
from typing import TYPE_CHECKING

from dockertls_vault.certificate import constraints
from dockertls_vault.certificate.certificate import is_signed_by, load_all
from dockertls_vault.certificate.chain import is_web_pki_key
from dockertls_vault.certificate.verify import current_roots
from dockertls_vault.duration import format_duration, format_time
from dockertls_vault.errors import IssuerExpired
from dockertls_vault.vault.roles import LONGEST_DEFAULT_TTL

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cryptography.x509 import Certificate

    from dockertls_vault.vault.mount import Signer
    from dockertls_vault.vault.roles import Role


@dataclass(frozen=True)
class Issuing:
    """The default issuer of ``mount``, None if it has none, and the role that signs for servers.

    ``now`` is the time by Vault's clock, if known; ``timeout`` is how long `issue` waits for Vault.
    ``limits_backdating`` tells whether Vault rejects a notBefore that is earlier than the issuer's.
    """

    mount: str
    signer: Signer | None
    role: Role
    now: datetime
    timeout: timedelta
    limits_backdating: bool


@dataclass(frozen=True)
class Obstacle:
    """Why no certificate can be issued, and the remedy; ``retry_after`` if that is to wait."""

    reason: str
    retry_after: timedelta | None = None


def obstacle(issuing: Issuing, trust_mount: str, trusted: Sequence[Certificate]) -> Obstacle | None:
    """Return why the default issuer cannot sign a usable certificate; None if it can.

    ``trusted`` are the current roots of ``trust_mount``.
    """
    if reason := _lasting(issuing, trust_mount, trusted):
        return Obstacle(reason)
    return _too_new(issuing)


def _lasting(issuing: Issuing, trust_mount: str, trusted: Sequence[Certificate]) -> str | None:
    """Return an obstacle, with its remedy, that persists until something in Vault is changed."""
    mount, signer = issuing.mount, issuing.signer
    chain = load_all(signer.chain) if signer else ()
    if signer is None or not chain:
        return (
            f"{mount} has no default issuer; choose one: "
            f"bao write {quote(mount)}/config/issuers default=NAME"
        )
    issuer = _named(mount, chain[0])
    another = IssuerExpired.default_hint.replace("MOUNT", quote(mount))
    if why := _of_the_issuer(signer, chain, issuing, another):
        return f"{issuer} {why}"
    if not trusted:
        return _no_root(trust_mount)
    if not _leads_to_a_root(chain, trusted, issuing.now):
        return _import(
            f"the default issuer of {mount} does not chain to a trusted root", trust_mount
        )
    if excluded := _excluded(issuing.role, _path(chain, trusted)):
        remove = " ".join(f"--remove-domain {quote(domain)}" for domain in excluded)
        return (
            f"{issuer} may sign for no name below {', '.join(excluded)}: its name constraints or "
            f"those of a CA above it exclude them; run `ca init` with {remove}, or {another}"
        )
    return None


def _too_new(issuing: Issuing) -> Obstacle | None:
    """Return the obstacle of an issuer that will be too new for longer than `issue` waits.

    The role backdates certificates, but their notBefore must not be earlier than the issuer's.
    """
    if issuing.signer is None or not issuing.limits_backdating:
        return None
    issuer, *_ = load_all(issuing.signer.chain)
    backdated = timedelta(seconds=issuing.role["not_before_duration"])
    left = issuer.not_valid_before_utc - issuing.now + backdated
    if left <= issuing.timeout:
        return None
    return Obstacle(
        f"{_named(issuing.mount, issuer)} is too new for the backdated certificates of the roles: "
        "HashiCorp Vault 1.21.1 and later will not sign them for another "
        f"{format_duration(left)}; run `dockertls-vault ca init` again then",
        retry_after=left,
    )


def _named(mount: str, issuer: Certificate) -> str:
    return f"the default issuer of {mount} ({issuer.subject.rfc4514_string()})"


def _of_the_issuer(
    signer: Signer, chain: Sequence[Certificate], issuing: Issuing, another: str
) -> str | None:
    """Return what is wrong with the issuer, whatever it signs."""
    left = chain[0].not_valid_after_utc - issuing.now
    if left <= timedelta():
        return f"expired at {format_time(chain[0].not_valid_after_utc)}; {another}"
    if signer.revoked:
        return f"is revoked; {another}"
    unfit = [ca for ca in chain if not is_web_pki_key(ca.public_key())]
    if unfit:
        return (
            f"cannot be used: the key of {unfit[0].subject.rfc4514_string()} is not "
            f"RSA, P-256, P-384 or P-521; {another}"
        )
    if not signer.may_sign:
        usage = ",".join(filter(None, (signer.usage, "issuing-certificates")))
        return (
            f"may not issue certificates (usage: {signer.usage}); allow it: bao patch "
            f"{quote(issuing.mount)}/issuer/default usage={quote(usage)}, or {another}"
        )
    if left < LONGEST_DEFAULT_TTL and signer.leaf_not_after_behavior == "err":
        return (
            f"expires in {format_duration(left)}, before the default server TTL of "
            f"{format_duration(LONGEST_DEFAULT_TTL)}; {another}"
        )
    return None


def no_root(mount: str) -> Obstacle:
    """Return that a mount has no root to trust."""
    return Obstacle(_no_root(mount))


def _no_root(mount: str) -> str:
    return _import(f"the mount {mount} has no current root certificate", mount)


def _import(why: str, mount: str) -> str:
    return (
        f"{why}; import its root (bao write {quote(mount)}/issuers/import/cert "
        "pem_bundle=@root.pem), or set the mount that has it with --trust-mount"
    )


def _path(chain: Sequence[Certificate], trusted: Sequence[Certificate]) -> list[Certificate]:
    """Return the chain and the roots that signed it, which may be in another mount."""
    above = [root for root in trusted if any(is_signed_by(ca, root) for ca in chain)]
    return [*chain, *above]


def _excluded(role: Role, path: Sequence[Certificate]) -> tuple[str, ...]:
    """Return the domains of the role that the name constraints of a CA exclude entirely."""
    if role.get("allow_any_name"):
        return ()
    return tuple(
        domain
        for domain in role.get("allowed_domains") or ()
        if any(constraints.excludes(ca, domain.lower()) for ca in path)
    )


def _leads_to_a_root(
    chain: Sequence[Certificate], trusted: Sequence[Certificate], now: datetime
) -> bool:
    """Tell whether a chain ends in a current root of its mount, or is signed by a trusted root."""
    return bool(current_roots(chain, now)) or any(
        is_signed_by(certificate, root) for certificate in chain for root in trusted
    )
