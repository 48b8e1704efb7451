"""An issuer that is too new for certificates backdated by its role: for how long it still is.

Vault (>= 1.21.1) signs nothing that is valid before its issuer; OpenBao does.
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

# Seconds until the next try, where nobody says how long the wait is.
_POLL = 2.0


def wait_until_old_enough(
    session: Session,
    role: str,
    parameters: Mapping[str, Any] | None,
    read_issuer: Callable[[str], str],
    young: IssuerTooNew,
) -> None:
    """Wait until the issuer of ``role``, which was just refused as ``young``, may sign.

    Where the token may not read the role's ``parameters``, this is only until the next try.
    ``read_issuer`` returns the PEM of an issuer. Raises IssuerTooNew, with the time that is
    left, where the budget is shorter than that.
    """
    known = {**roles.CLIENT, **(parameters or {})}
    backdated = fields.seconds(known, "not_before_duration")
    issuer = read_issuer(fields.text(known, "issuer_ref"))
    left = _left(issuer, backdated, young.asked_at or datetime.now(UTC))
    if parameters is not None:
        wait = left.total_seconds()
        told = (
            f"the issuer of the role {role!r} is too new for certificates backdated by "
            f"{format_duration(backdated)}"
        )
        why = f"waiting {format_duration(left)}: {told}"
        hint = f"try again in {format_duration(left)}, or give a longer --timeout"
    else:
        wait = _POLL
        told = f"{young.message}; for how long is not known: the token may not read the role"
        why = f"waiting: {told}"
        hint = f"try again in {format_duration(left)}, which is late enough for a role of `ca init`"
    if not session.wait(wait, why):
        raise IssuerTooNew(told, asked_at=young.asked_at, hint=hint)


def _left(issuer: str, backdated: timedelta, now: datetime) -> timedelta:
    """Return for how long ``now - backdated`` is before the issuer: whole seconds, at least one."""
    (certificate, *_) = load_certificates(issuer)
    # In this order, since a time after the year 9999 cannot be held.
    left = certificate.not_valid_before_utc - now + backdated
    return timedelta(seconds=max(math.ceil(left.total_seconds()), 1))
