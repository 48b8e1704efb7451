"""Can certificates of the default TTLs be issued by a CA, and if not, why? Pure."""

from __future__ import annotations

from datetime import timedelta
from shlex import quote
from typing import TYPE_CHECKING

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


def obstacle(
    mount: str,
    signer: Signer | None,
    trust_mount: str,
    trusted: Sequence[Certificate],
    now: datetime,
) -> str | None:
    """Say why the default issuer signs nothing that would be installed, and what to do.

    ``signer`` is None where there is none; ``trusted`` are the current roots of ``trust_mount``.
    """
    chain = load_all(signer.chain) if signer else ()
    if signer is None or not chain:
        return (
            f"{mount} has no default issuer; choose one: "
            f"bao write {quote(mount)}/config/issuers default=NAME"
        )
    issuer = f"the default issuer of {mount} ({chain[0].subject.rfc4514_string()})"
    left = chain[0].not_valid_after_utc - now
    another = IssuerExpired.default_hint.replace("MOUNT", quote(mount))
    if left <= timedelta():
        return f"{issuer} expired at {format_time(chain[0].not_valid_after_utc)}; {another}"
    if signer.revoked:
        return f"{issuer} is revoked; {another}"
    unfit = [ca for ca in chain if not is_of_the_web_pki(ca.public_key())]
    if unfit:
        return (
            f"{issuer} signs what is refused here: the key of "
            f"{unfit[0].subject.rfc4514_string()} is not RSA, P-256, P-384 or P-521; {another}"
        )
    if not signer.may_sign:
        usage = ",".join(filter(None, (signer.usage, "issuing-certificates")))
        return (
            f"{issuer} may not issue certificates (usage: {signer.usage}); let it: "
            f"bao patch {quote(mount)}/issuer/default usage={quote(usage)}, or {another}"
        )
    if left < LONGEST_DEFAULT and signer.beyond_its_end == "err":
        return (
            f"{issuer} ends in {format_duration(left)}, and the default TTL of servers is "
            f"{format_duration(LONGEST_DEFAULT)}; {another}"
        )
    if not trusted:
        return no_root(trust_mount)
    if not _leads_to_a_root(chain, trusted, now):
        return _import(
            f"the default issuer of {mount} does not lead to a root that is there", trust_mount
        )
    return None


def no_root(mount: str) -> str:
    """Say that a mount has no root to trust, and what to do."""
    return _import(f"the mount {mount} has no current root certificate", mount)


def _import(why: str, mount: str) -> str:
    return (
        f"{why}; import its root (bao write {quote(mount)}/issuers/import/cert "
        "pem_bundle=@root.pem), or name the mount that has it with --trust-mount"
    )


def _leads_to_a_root(
    chain: Sequence[Certificate], trusted: Sequence[Certificate], now: datetime
) -> bool:
    """Tell whether a chain ends in a current root of its own mount, or below a trusted one."""
    return bool(current_roots(chain, now)) or any(
        is_signed_by(certificate, root) for certificate in chain for root in trusted
    )
