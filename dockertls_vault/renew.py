"""Renew a credential that is due: a new certificate, or only a new ca.pem; then run its hooks.

What fails leaves the old credential in use, which has a third of its validity left for the next
attempts.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from . import reasons
from .certificate import verify
from .certificate.certificate import (
    certificates_pem,
    fingerprint,
    serial_text,
)
from .credential import condition, contents, hooks, settle, store
from .credential.causes import Cause, Reason
from .credential.due import Due
from .credential.layout import Layout
from .credential.naming import PRIVATE, REQUEST
from .credential.reader import locate
from .credential.settle import Settled
from .credential.trust import warn_of_removed_cas
from .credential.worker import by_worker
from .duration import format_duration
from .errors import ConflictingState, DockerTLSError, RenewalFailed, RenewalOverdue
from .files.atomic import KEEP
from .files.writers import user_name
from .issue import issue, server_common_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path

    from .certificate.schedule import Schedule
    from .credential.condition import Condition
    from .credential.contents import Contents
    from .credential.layout import Placement
    from .credential.record import Record
    from .credential.registry import Registry
    from .credential.settle import Running
    from .issue import Issued
    from .mounts import Mounts
    from .reasons import Policy


class Action(StrEnum):
    """What was done with a credential."""

    NOTHING = "nothing"
    RENEWED = "renewed"
    TRUST_UPDATED = "trust-updated"
    FAILED = "failed"


@dataclass(frozen=True)
class Renewal:
    """What was done with the credential in ``directory``, and why.

    ``valid_until`` and ``renewal_due`` are of the certificate in use afterwards, in UTC, None if
    unknown. ``vault_asked`` tells whether Vault answered all that a renewal may depend on.
    """

    directory: Path
    action: Action
    causes: tuple[Cause, ...] = ()
    valid_until: datetime | None = None
    renewal_due: datetime | None = None
    hooks: Settled = field(default_factory=Settled)
    error: DockerTLSError | None = None
    vault_asked: bool = False
    warnings: tuple[str, ...] = ()


def renew(
    directory: Path,
    policy: Policy,
    running: Running,
    mounts: Mounts,
    *,
    registry: Registry,
    admins: str | None,
    clock: Callable[[], datetime],
) -> Renewal:
    """Renew the credential in ``directory`` if it is due, and run the hooks that are pending.

    In a directory of another user, ``registry`` must vouch for what is requested. A failure is the
    result's ``error``, so that one credential keeps no other from being renewed.
    """
    try:
        place = locate(directory, admins=admins)
        with store.renewing(place):
            return _renew(place, policy, running, mounts, registry, clock)
    except DockerTLSError as error:
        return Renewal(directory, Action.FAILED, error=error)


def _renew(
    place: Placement,
    policy: Policy,
    running: Running,
    mounts: Mounts,
    registry: Registry,
    clock: Callable[[], datetime],
) -> Renewal:
    found = by_worker(place, condition.read)
    is_requested = place.uid == KEEP or registry.vouches_for(place.directory, found.record)
    in_use, damage = by_worker(place, lambda _: contents.read(found))
    schedule = reasons.schedule(found, in_use)
    why = reasons.known_here(found, in_use, damage, policy, clock())
    warnings: tuple[str, ...] = ()
    if not why and in_use is not None:
        why, warnings = _look(found, in_use, mounts)
    failure: DockerTLSError | None = None
    try:
        if why and not is_requested:
            raise _not_requested(place)
        action, more = _act(found, in_use, why, policy, mounts, clock)
    except DockerTLSError as error:
        action, more, failure = Action.FAILED, (), _failed(error, schedule, clock())
    asked = failure is None and not warnings
    if action is Action.NOTHING and found.due is None and schedule and found.generation:
        store.note_due(found.place, Due(schedule), found.generation)
    now = by_worker(place, condition.read)
    # No daemon that still runs may be restarted with files that are damaged.
    broken = failure is not None and bool(found.damage or damage)
    settled = Settled()
    try:
        settled = settled if broken else settle.settle(now, running, clock())
    except DockerTLSError as error:  # what was installed stays installed
        failure = failure or error
    if settled.failure is not None:
        hook = hooks.failed(settled.failure.command, settled.failure.reason)
        more = more if failure is None else (*more, hook.message)
        failure = failure or hook
    known = schedule if now.due is None else now.due.schedule
    return Renewal(
        now.place.directory,
        action,
        why,
        valid_until=None if known is None else known.end,
        renewal_due=None if known is None else known.due,
        hooks=settled,
        error=failure,
        vault_asked=asked,
        warnings=(*warnings, *more),
    )


def _not_requested(place: Placement) -> ConflictingState:
    """Return the error for a request that its owner has changed since root issued it.

    Root's token would sign whatever they write there.
    """
    owner = user_name(place.uid)
    path = place.directory / PRIVATE / REQUEST
    return ConflictingState(
        f"{path} belongs to {owner}, and does not contain what root requested",
        hint=f"issue the certificate again as root, or let {owner} renew it",
    )


def _look(
    found: Condition, in_use: Contents, mounts: Mounts
) -> tuple[tuple[Cause, ...], tuple[str, ...]]:
    """Return why it is renewed by what Vault says, and a warning if Vault cannot be asked.

    By what is known here nothing is due then, so it can wait.
    """
    try:
        with mounts.asking(with_token=False):
            return reasons.known_to_vault(found.record, found.due, in_use, mounts), ()
    except DockerTLSError as error:
        return (), (f"could not check the issuer and the trust bundle: {error.message}",)


def _act(
    found: Condition,
    in_use: Contents | None,
    why: tuple[Cause, ...],
    policy: Policy,
    mounts: Mounts,
    clock: Callable[[], datetime],
) -> tuple[Action, tuple[str, ...]]:
    """Do what the causes call for; return what was done, and warnings."""
    if not why:
        return Action.NOTHING, ()
    if in_use is not None and {cause.reason for cause in why} == {Reason.TRUST_CHANGED}:
        return Action.TRUST_UPDATED, _update_trust(found, in_use, mounts, clock())
    record = found.record if found.record.detected_names is None else _detected(found, policy)
    with mounts.asking(with_token=True):
        default = mounts.default_issuer(record)
        mounts.read_issuers(record)
        issued = issue(
            record,
            record.replacing(found.place),
            signer=mounts.signing(record),
            trust=mounts.trusted(record),
            drop_refused_names=record.detected_names is not None,
            replace_files=False,
            ends_session=False,
            clock=clock,
            kept_key=in_use.key if in_use is not None and record.reuse_key else None,
            default_issuer=fingerprint(default),
            successor_of=found.generation,
        )
    return Action.RENEWED, (*_losses(found.record, in_use, issued), *issued.warnings)


def _losses(record: Record, in_use: Contents | None, issued: Issued) -> Iterator[str]:
    """Warn of what the certificate in use had, and the new one lacks."""
    if in_use is None:
        if record.reuse_key:
            yield "the private key could not be reused, so a new one was generated"
        return
    described = issued.certificate
    has = (*described.dns_names, *described.ip_addresses)
    lost = [name for name in in_use.names.all if name not in has]
    if refused := [name for name in lost if name in issued.dropped_names]:
        yield (
            f"the new certificate lacks {', '.join(refused)}, which the role {issued.role} or its "
            "issuer no longer allows"
        )
    if gone := [name for name in lost if name not in refused]:
        yield f"the new certificate lacks {', '.join(gone)}, which this machine no longer has"


def _detected(found: Condition, policy: Policy) -> Record:
    """Return the record with the names of this machine now."""
    names = policy.detect()
    request = replace(found.record.request, names=names, common_name=server_common_name(names))
    return replace(found.record, request=request, detected_names=names)


def _update_trust(
    found: Condition, in_use: Contents, mounts: Mounts, now: datetime
) -> tuple[str, ...]:
    """Install the same certificate and key with the roots of now; return warnings."""
    roots = mounts.bundle(found.record)
    warn_of_removed_cas(found.record.request.purpose, verify.untrusted(in_use.trusted, roots, now))
    inner = in_use.intermediates if found.record.layout is Layout.DIND else ()
    schedule = contents.schedule_of(found, replace(in_use, trusted=roots))
    material = store.Material(
        ca=certificates_pem((*inner, *roots)),
        cert=certificates_pem((in_use.leaf, *in_use.intermediates)),
        key=in_use.key,
        serial=serial_text(in_use.leaf),
        due=Due(schedule) if found.due is None else found.due._replace(schedule=schedule),
    )
    place = found.record.replacing(found.place)
    installed = store.install(
        place, material, found.record, replace=False, now=now, successor_of=found.generation
    )
    return installed.warnings


def _failed(error: DockerTLSError, schedule: Schedule | None, now: datetime) -> DockerTLSError:
    """Return the failure with how long the certificate in use is still valid."""
    if schedule is None or schedule.left(now).total_seconds() <= 0:
        kind: type[DockerTLSError] = RenewalOverdue
        left = "no valid certificate is in use"
    else:
        kind = RenewalFailed
        left = f"the certificate in use is valid for another {format_duration(schedule.left(now))}"
    return kind(f"{error.message}; {left}", hint=error.hint, problems=error.problems)
