"""Wait for an issuer that is too new for the backdated certificates of its role.

Vault 1.21.1 and later refuse to sign a notBefore that is earlier than the issuer's; OpenBao signs
it.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from dockertls_vault.certificate.certificate import load_certificates
from dockertls_vault.duration import format_duration
from dockertls_vault.errors import IssuerTooNew

from . import roles
from .answers import fields

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .session import Session

# Seconds between attempts, if it is not known how long the wait is.
_POLL = 2.0


def wait_until_old_enough(
    session: Session,
    role: str,
    parameters: Mapping[str, Any] | None,
    read_issuer: Callable[[str], str],
    refused: IssuerTooNew,
) -> None:
    """Wait until the issuer of ``role`` is old enough to sign, after Vault ``refused``.

    If ``parameters`` is None, because the token may not read the role, wait only until the next
    attempt. ``read_issuer`` returns the PEM of an issuer. Raises IssuerTooNew, with the remaining
    time, if the timeout ends before that.
    """
    known = {**roles.CLIENT, **(parameters or {})}
    backdated = fields.seconds(known, "not_before_duration")
    issuer = read_issuer(fields.text(known, "issuer_ref"))
    left = _left(issuer, backdated, refused.asked_at or datetime.now(UTC))
    if parameters is not None:
        wait = left.total_seconds()
        message = (
            f"the issuer of the role {role!r} is too new for certificates backdated by "
            f"{format_duration(backdated)}"
        )
        why = f"waiting {format_duration(left)}: {message}"
        hint = f"try again in {format_duration(left)}, or give a longer --timeout"
    else:
        wait = _POLL
        message = (
            f"{refused.message}; the remaining time is unknown, because the token may not read "
            "the role"
        )
        why = f"waiting: {message}"
        hint = f"try again in {format_duration(left)}: enough for a role of `ca init`"
    if not session.wait(wait, why):
        raise IssuerTooNew(message, asked_at=refused.asked_at, hint=hint)


def _left(issuer: str, backdated: timedelta, now: datetime) -> timedelta:
    """Return how long until the issuer is ``backdated`` old, in whole seconds, at least one."""
    (certificate, *_) = load_certificates(issuer)
    # In this order, because a datetime cannot be later than the year 9999.
    left = certificate.not_valid_before_utc - now + backdated
    return timedelta(seconds=max(math.ceil(left.total_seconds()), 1))
