"""Renew a credential that is due: a new certificate, or only a new ca.pem; then run its hooks.

A failure leaves the old credential in use, which has about a third of its validity left for further
attempts.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from .certificate.also_trusted import current
from .certificate.request import Purpose
from .credential import condition, contents, hooks, settle, store
from .credential.causes import Cause, Reason
from .credential.due import Due
from .credential.naming import PRIVATE, REQUEST
from .credential.reader import locate
from .credential.settle import Settled
from .credential.worker import by_worker
from .duration import format_duration
from .errors import ConflictingState, DockerTLSError, Locked, RenewalFailed, RenewalOverdue
from .files.atomic import KEEP
from .files.refusals import refusals
from .files.writers import user_name
from .renewal import reasons, replacement

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from .certificate.schedule import Schedule
    from .credential.condition import Condition
    from .credential.contents import Contents
    from .credential.layout import Placement
    from .credential.registry import Registry
    from .credential.settle import Running
    from .renewal.mounts import Mounts
    from .renewal.reasons import Policy

logger = logging.getLogger(__name__)


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
    unknown. ``needs_restart`` is whether a server's certificate was replaced and no hook restarts
    its daemon; ``vault_asked`` is whether Vault answered all that a renewal may depend on.
    """

    directory: Path
    action: Action
    causes: tuple[Cause, ...] = ()
    valid_until: datetime | None = None
    renewal_due: datetime | None = None
    hooks: Settled = field(default_factory=Settled)
    error: DockerTLSError | None = None
    vault_asked: bool = False
    needs_restart: bool = False
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
    result's ``error``, so that it does not stop the renewal of other credentials.
    """
    try:
        with refusals(directory):
            place = locate(directory, admins=admins)
    except DockerTLSError as error:
        return Renewal(directory, Action.FAILED, error=error)
    try:
        with store.renewing(place):
            return _renew(place, policy, running, mounts, registry, clock)
    except Locked as error:
        return Renewal(directory, Action.FAILED, error=error)
    except DockerTLSError as error:
        schedule = _schedule(place)
        return Renewal(directory, Action.FAILED, error=_failed(error, schedule, clock()))


def _renew(
    place: Placement,
    policy: Policy,
    running: Running,
    mounts: Mounts,
    registry: Registry,
    clock: Callable[[], datetime],
) -> Renewal:
    found = by_worker(place, condition.read)
    in_use, damage = by_worker(place, lambda _: contents.read(found))
    is_requested = place.uid == KEEP or registry.vouches_for(place.directory, found.record)
    schedule = contents.schedule_of(found, in_use)
    why = reasons.known_here(found, in_use, damage, policy, clock())
    warnings: tuple[str, ...] = ()
    if not why and in_use is not None:
        why, warnings = _look(found, in_use, mounts, clock())
    action, error, asked = Action.NOTHING, None, not warnings
    try:
        if why:
            if not is_requested:
                raise _not_requested(place)
            action, more = _replace(found, in_use, why, policy, mounts, clock)
            warnings = (*warnings, *more)
    except DockerTLSError as failure:
        action, error, asked = Action.FAILED, _failed(failure, schedule, clock()), False
    if action is Action.NOTHING and found.due is None and schedule and found.generation:
        store.note_due(found.place, _due(schedule, in_use, clock()), found.generation)
    done = Renewal(
        found.place.directory,
        action,
        why,
        valid_until=None if schedule is None else schedule.end,
        renewal_due=None if schedule is None else schedule.due,
        error=error,
        vault_asked=asked,
        warnings=warnings,
    )
    _log(done)
    # A restart with damaged files would stop a daemon that still works.
    if error is not None and (found.damage or damage):
        return done
    return _run_hooks(place, done, running, clock())


def _replace(
    found: Condition,
    in_use: Contents | None,
    why: tuple[Cause, ...],
    policy: Policy,
    mounts: Mounts,
    clock: Callable[[], datetime],
) -> tuple[Action, tuple[str, ...]]:
    """Replace what the causes call for; return what was done, and warnings."""
    if in_use is not None and {cause.reason for cause in why} == {Reason.TRUST_CHANGED}:
        return Action.TRUST_UPDATED, replacement.of_trust(found, in_use, mounts, clock())
    return Action.RENEWED, replacement.of_certificate(found, in_use, policy, mounts, clock)


def _log(done: Renewal) -> None:
    """Log what was replaced, and why, before its hooks run."""
    why = "; ".join(cause.detail for cause in done.causes)
    if done.action is Action.RENEWED:
        logger.info("%s: renewed: %s", done.directory, why)
    elif done.action is Action.TRUST_UPDATED:
        logger.info("%s: updated ca.pem: %s", done.directory, why)


def _run_hooks(place: Placement, done: Renewal, running: Running, now: datetime) -> Renewal:
    """Run the hooks that are pending; return the renewal with their result."""
    found = by_worker(place, condition.read)
    settled, failure = Settled(), None
    try:
        settled = settle.settle(found, running, now)
    except DockerTLSError as error:  # what was installed stays installed
        failure = error
    if settled.failure is not None:
        failure = hooks.failed(settled.failure.command, settled.failure.reason)
    is_second = failure is not None and done.error is not None
    return replace(
        done,
        valid_until=found.due.schedule.end if found.due else done.valid_until,
        renewal_due=found.due.schedule.due if found.due else done.renewal_due,
        hooks=settled,
        error=done.error or failure,
        needs_restart=_needs_restart(found, done, running),
        warnings=(*done.warnings, failure.message) if failure and is_second else done.warnings,
    )


def _needs_restart(found: Condition, done: Renewal, running: Running) -> bool:
    return (
        done.action in {Action.RENEWED, Action.TRUST_UPDATED}
        and found.record.request.purpose is Purpose.SERVER
        and not settle.commands(found, running)
    )


def _not_requested(place: Placement) -> ConflictingState:
    """Return the error for a request that its owner has changed since root issued it.

    Otherwise root's token would sign what the owner chose.
    """
    owner = user_name(place.uid)
    path = place.directory / PRIVATE / REQUEST
    return ConflictingState(
        f"{path} belongs to {owner}, and does not contain what root requested",
        hint=f"issue the certificate again as root, or let {owner} renew it",
    )


def _look(
    found: Condition, in_use: Contents, mounts: Mounts, now: datetime
) -> tuple[tuple[Cause, ...], tuple[str, ...]]:
    """Return why it is due according to Vault, and a warning if Vault cannot be asked.

    That is no error, because nothing is due according to this machine.
    """
    try:
        with mounts.asking(with_token=False):
            return reasons.known_to_vault(found.record, found.due, in_use, mounts, now), ()
    except DockerTLSError as error:
        return (), (f"could not check the issuer and the trust bundle: {error.message}",)


def _due(schedule: Schedule, in_use: Contents | None, now: datetime) -> Due:
    """Return when the generation in use is due, after a rollback to it."""
    temporary = () if in_use is None else current(in_use.temporary, now)
    return Due(schedule, trusted_until=min((each.until for each in temporary), default=None))


def _schedule(place: Placement) -> Schedule | None:
    """Return when the certificate in use is due, None if its files do not show it."""
    with suppress(DockerTLSError, OSError):
        found = by_worker(place, condition.read)
        certificates, _ = by_worker(place, lambda _: contents.read_certificates(found))
        return contents.schedule_of(found, certificates)
    return None


def _failed(error: DockerTLSError, schedule: Schedule | None, now: datetime) -> DockerTLSError:
    """Return the failure with how long the certificate in use is still valid."""
    if schedule is None or schedule.left(now).total_seconds() <= 0:
        kind: type[DockerTLSError] = RenewalOverdue
        left = "no valid certificate is in use"
    else:
        kind = RenewalFailed
        left = f"the certificate in use is valid for another {format_duration(schedule.left(now))}"
    return kind(f"{error.message}; {left}", hint=error.hint, problems=error.problems)
