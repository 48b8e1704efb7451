"""Wait for an issuer that is too new for the backdated certificates of its role.

Vault 1.21.1 and later refuse to sign a notBefore that is earlier than the issuer's; OpenBao signs
it.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from dockertls_vault.certificate.certificate import load_certificates
from dockertls_vault.duration import format_duration
from dockertls_vault.errors import DockerTLSError, IssuerTooNew

from . import roles
from .answers import fields

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .session import Session

# The first version of Vault that rejects a notBefore earlier than the issuer's.
_SINCE = (1, 21, 1)
# Seconds for sys/health, which a proxy may block; it is read only to word a result better.
_HEALTH = 2.0
_VERSION = re.compile(r"(\d{1,9})\.(\d{1,9})\.(\d{1,9})")
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
        hint = f"try again in {format_duration(left)}, or use a longer --timeout"
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


def limits_backdating(session: Session) -> bool:
    """Tell whether the server rejects a notBefore that is earlier than the issuer's.

    HashiCorp Vault does since 1.21.1; only Vault has ``enterprise`` in sys/health. If Vault hides
    its version (``redact_version``), it counts as recent; a server that reveals nothing counts as
    OpenBao.
    """
    # OpenBao serves it only in the root namespace. By default, a standby returns 429.
    root = {"X-Vault-Namespace": ""}
    any_node = {"standbyok": "true", "perfstandbyok": "true"}
    try:
        with session.at_most(_HEALTH):
            health = session.anonymous.get("/v1/sys/health", headers=root, params=any_node)
    except DockerTLSError:
        return False
    if not isinstance(health, dict) or "enterprise" not in health:
        return False
    version = _VERSION.match(str(health.get("version")))
    return version is None or tuple(map(int, version.groups())) >= _SINCE


def _left(issuer: str, backdated: timedelta, now: datetime) -> timedelta:
    """Return how long until the issuer is ``backdated`` old, in whole seconds, at least one."""
    (certificate, *_) = load_certificates(issuer)
    # In this order, because a datetime cannot be later than the year 9999.
    left = certificate.not_valid_before_utc - now + backdated
    return timedelta(seconds=max(math.ceil(left.total_seconds()), 1))
