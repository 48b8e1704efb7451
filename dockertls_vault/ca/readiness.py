"""Can certificates of the default TTLs be issued by a CA, and if not, why? Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from shlex import quote
from typing import TYPE_CHECKING

from dockertls_vault.certificate import constraints
from dockertls_vault.certificate.certificate import is_signed_by, load_all
from dockertls_vault.certificate.chain import is_of_the_web_pki
from dockertls_vault.certificate.verify import current_roots
from dockertls_vault.duration import format_duration, format_time
from dockertls_vault.errors import IssuerExpired
from dockertls_vault.vault.roles import LONGEST_DEFAULT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cryptography.x509 import Certificate

    from dockertls_vault.vault.mount import Signer
    from dockertls_vault.vault.roles import Role


@dataclass(frozen=True)
class Issuing:
    """Who signs in ``mount``, None where nobody does, and by which role for servers.

    ``now`` is by Vault's clock where it told, and ``patience`` how long `issue` waits for Vault.
    """

    mount: str
    signer: Signer | None
    role: Role
    now: datetime
    patience: timedelta


def obstacle(issuing: Issuing, trust_mount: str, trusted: Sequence[Certificate]) -> str | None:
    """Say why the default issuer signs nothing that would be installed, and what to do.

    ``trusted`` are the current roots of ``trust_mount``.
    """
    mount, signer = issuing.mount, issuing.signer
    chain = load_all(signer.chain) if signer else ()
    if signer is None or not chain:
        return (
            f"{mount} has no default issuer; choose one: "
            f"bao write {quote(mount)}/config/issuers default=NAME"
        )
    issuer = f"the default issuer of {mount} ({chain[0].subject.rfc4514_string()})"
    another = IssuerExpired.default_hint.replace("MOUNT", quote(mount))
    if why := _of_the_issuer(signer, chain, issuing, another):
        return f"{issuer} {why}"
    if not trusted:
        return no_root(trust_mount)
    if not _leads_to_a_root(chain, trusted, issuing.now):
        return _import(
            f"the default issuer of {mount} does not chain to a trusted root", trust_mount
        )
    if why := _of_the_role(chain, trusted, issuing, another):
        return f"{issuer} {why}"
    return None


def _of_the_issuer(
    signer: Signer, chain: Sequence[Certificate], issuing: Issuing, another: str
) -> str | None:
    """Say what is wrong with the issuer, whatever it is to sign."""
    left = chain[0].not_valid_after_utc - issuing.now
    if left <= timedelta():
        return f"expired at {format_time(chain[0].not_valid_after_utc)}; {another}"
    if signer.revoked:
        return f"is revoked; {another}"
    unfit = [ca for ca in chain if not is_of_the_web_pki(ca.public_key())]
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
    if left < LONGEST_DEFAULT and signer.beyond_its_end == "err":
        return (
            f"ends in {format_duration(left)}, before the default server TTL of "
            f"{format_duration(LONGEST_DEFAULT)}; {another}"
        )
    return None


def _of_the_role(
    chain: Sequence[Certificate], trusted: Sequence[Certificate], issuing: Issuing, another: str
) -> str | None:
    """Say what of the role the issuer does not sign: names of its domains, or any yet."""
    if excluded := _excluded(issuing.role, _path(chain, trusted)):
        remove = " ".join(f"--remove-domain {quote(domain)}" for domain in excluded)
        return (
            f"may sign for no name below {', '.join(excluded)}, by its name constraints or those "
            f"of a CA above it; run `ca init` with {remove}, or {another}"
        )
    too_new_for = _too_new_for(issuing, chain[0])
    if too_new_for > issuing.patience:
        return (
            "is too new for certificates that are backdated, as they are by the roles: from "
            "1.21.1 on, HashiCorp Vault signs none in the next "
            f"{format_duration(too_new_for)}; run it again then"
        )
    return None


def no_root(mount: str) -> str:
    """Say that a mount has no root to trust, and what to do."""
    return _import(f"the mount {mount} has no current root certificate", mount)


def _import(why: str, mount: str) -> str:
    return (
        f"{why}; import its root (bao write {quote(mount)}/issuers/import/cert "
        "pem_bundle=@root.pem), or give the mount that has it with --trust-mount"
    )


def _path(chain: Sequence[Certificate], trusted: Sequence[Certificate]) -> list[Certificate]:
    """Return the chain with the roots above it, which may be in another mount."""
    above = [root for root in trusted if any(is_signed_by(ca, root) for ca in chain)]
    return [*chain, *above]


def _excluded(role: Role, path: Sequence[Certificate]) -> tuple[str, ...]:
    """Return the domains of the role of which a CA may sign no name."""
    if role.get("allow_any_name"):
        return ()
    return tuple(
        domain
        for domain in role.get("allowed_domains") or ()
        if any(constraints.exclude(ca, domain.lower()) for ca in path)
    )


def _too_new_for(issuing: Issuing, issuer: Certificate) -> timedelta:
    """Return for how long Vault refuses what the role dates back; never does so OpenBao.

    OpenBao is known by a parameter of roles that it alone has.
    """
    if "not_after_bound" in issuing.role:
        return timedelta()
    backdated = timedelta(seconds=issuing.role["not_before_duration"])
    return issuer.not_valid_before_utc - issuing.now + backdated


def _leads_to_a_root(
    chain: Sequence[Certificate], trusted: Sequence[Certificate], now: datetime
) -> bool:
    """Tell whether a chain ends in a current root of its own mount, or below a trusted one."""
    return bool(current_roots(chain, now)) or any(
        is_signed_by(certificate, root) for certificate in chain for root in trusted
    )
