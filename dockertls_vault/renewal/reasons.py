"""Why a run renews a credential: according to this machine, or else according to Vault."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dockertls_vault.certificate import also_trusted
from dockertls_vault.certificate.certificate import (
    fingerprint,
    is_self_signed,
    is_signed_by,
    load_all,
    serial_text,
)
from dockertls_vault.certificate.names import Names
from dockertls_vault.credential import causes, contents
from dockertls_vault.credential.causes import Cause, Reason
from dockertls_vault.duration import format_time

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from cryptography.x509 import Certificate

    from dockertls_vault.certificate.threshold import Threshold
    from dockertls_vault.credential.condition import Condition
    from dockertls_vault.credential.contents import Contents
    from dockertls_vault.credential.due import Due
    from dockertls_vault.credential.record import Record

    from .mounts import Mounts


@dataclass(frozen=True)
class Policy:
    """What makes a credential due in this run.

    ``detect`` returns the names of this machine now; ``threshold``, if given, takes the place of
    the schedule.
    """

    detect: Callable[[], Names]
    threshold: Threshold | None = None
    force: bool = False


def known_here(
    found: Condition,
    in_use: Contents | None,
    damage: tuple[str, ...],
    policy: Policy,
    now: datetime,
) -> tuple[Cause, ...]:
    """Return why it is due according to this machine; ``damage`` is that of its contents."""
    damage = (*found.damage, *damage)
    planned = contents.schedule_of(found, in_use)
    names = _known_names(found.record, in_use)
    if planned is None and not damage:
        damage = ("the certificate in use had expired before it was installed",)
    return (
        *((Cause(Reason.FORCED, "--force"),) if policy.force else ()),
        *causes.of_damage(damage),
        *(() if planned is None else causes.of_schedule(planned, now, policy.threshold)),
        *(() if names is None else causes.of_names(names, policy.detect())),
        *causes.of_end_date(found.due, now),
    )


def _known_names(record: Record, in_use: Contents | None) -> Names | None:
    """Return the names that are no reason to renew, None if the names were given.

    Those are the names in the certificate (a run may have been killed before it installed the one
    that the record describes), and those that the role refused.
    """
    detected = record.detected_names
    if detected is None or in_use is None:
        return detected
    refused = detected.without(*record.request.names.all)
    return Names((*in_use.names.dns, *refused.dns), (*in_use.names.addresses, *refused.addresses))


def known_to_vault(
    record: Record, due: Due | None, in_use: Contents, mounts: Mounts, now: datetime
) -> tuple[Cause, ...]:
    """Return why it is due according to Vault; none of this needs a token."""
    revoked = mounts.signing(record).revocation_time(serial_text(in_use.leaf))
    # The next certificate with a lease would be revoked, too, and so be renewed by every run.
    if revoked is not None and not (due and due.leased):
        return (Cause(Reason.REVOKED, f"revoked at {format_time(revoked)}"),)
    default = mounts.default_issuer(record)
    known = due is not None and due.default_issuer == fingerprint(default)
    if not known and not is_signed_by(in_use.leaf, default):
        subject = default.subject.rfc4514_string()
        return (Cause(Reason.ISSUER_CHANGED, f"the default issuer is now {subject!r}"),)
    bundle = mounts.bundle(record)
    if not _has_root(in_use, (*load_all(mounts.signing(record).issuers()), *bundle)):
        return (Cause(Reason.ISSUER_CHANGED, "Vault no longer has the root of the certificate"),)
    expected = also_trusted.bundle(bundle, record.also_trusted, now)
    return causes.of_trust(in_use.roots, expected, record.also_trusted)


def _has_root(in_use: Contents, issuers: Sequence[Certificate]) -> bool:
    """Tell whether the root above the certificate in use is among the issuers."""
    *_, top = (in_use.leaf, *in_use.intermediates)
    return any(is_signed_by(top, ca) for ca in issuers if is_self_signed(ca))
