"""Check the issuers that a mount returned: roots to trust, and an expired issuer; no I/O.

Without these checks, both problems would surface later as a chain that cannot be verified.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockertls_vault.duration import format_time
from dockertls_vault.errors import IssuerExpired, VerificationError

from .certificate import is_self_signed, load_certificates
from .verify import current_roots

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cryptography.x509 import Certificate


def trust_bundle(
    mount: str, issuers: Sequence[Certificate], now: datetime
) -> tuple[Certificate, ...]:
    """Return the current roots among the issuers of ``mount``.

    Raises IssuerExpired if all roots have expired, and VerificationError if the mount has none, as
    one that only holds an intermediate.
    """
    found = current_roots(issuers, now)
    if found:
        return found
    ends = [issuer.not_valid_after_utc for issuer in issuers if is_self_signed(issuer)]
    if ends:
        raise IssuerExpired(f"the root of the mount {mount!r} expired at {format_time(max(ends))}")
    raise VerificationError(
        f"the mount {mount!r} has no root certificate",
        (),
        hint="import the root of its intermediate there, or name the mount that has it with "
        "--trust-mount",
    )


def refuse_expired(chain: Sequence[str], now: datetime) -> None:
    """Raise IssuerExpired if the issuer, the first certificate in ``chain`` (PEM), has expired.

    With ``leaf_not_after_behavior=permit`` Vault signs such a certificate all the same.
    """
    if not chain:
        return
    issuer, *_ = load_certificates(chain[0])
    if issuer.not_valid_after_utc <= now:
        raise IssuerExpired(
            f"the issuer {issuer.subject.rfc4514_string()!r} expired at "
            f"{format_time(issuer.not_valid_after_utc)}"
        )
