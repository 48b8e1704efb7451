"""The issuers of a mount as it returned them: the roots to trust, and one that has expired; pure.

Both are causes of what fails later, and are said in their own words.
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
    """Return the current roots among the issuers of ``mount``; raises where there is none.

    Tell roots that have expired, by IssuerExpired, from those of an intermediate, which are
    somewhere else, by VerificationError.
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
        hint="import the root of its intermediate there, or give the mount that has it with "
        "--trust-mount",
    )


def refuse_expired(chain: Sequence[str], now: datetime) -> None:
    """Name the cause, where ``leaf_not_after_behavior`` let a useless certificate be signed.

    Raises IssuerExpired; ``chain``, PEM, begins with the issuer.
    """
    if not chain:
        return
    issuer, *_ = load_certificates(chain[0])
    if issuer.not_valid_after_utc <= now:
        raise IssuerExpired(
            f"the issuer {issuer.subject.rfc4514_string()!r} expired at "
            f"{format_time(issuer.not_valid_after_utc)}"
        )
