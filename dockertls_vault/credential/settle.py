"""Settle a swap: run the pending hooks, now or in their window, and record the result."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dockertls_vault.errors import ConflictingState, HookFailed
from dockertls_vault.files.writers import user_name

from . import condition, hooks, store
from .hooks import Failure, State
from .naming import GENERATION_NAMES, PRIVATE
from .worker import by_worker

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime, timedelta, tzinfo
    from pathlib import Path

    from .condition import Condition
    from .hooks import Command
    from .layout import Placement


def _no_default(_directory: Path) -> tuple[Command, ...]:
    return ()


@dataclass(frozen=True)
class Running:
    """How hooks run: the environment they start from, and the timeout of each.

    ``common`` are the hooks of every credential here, which run after its own; ``default`` returns
    those of the credential in a directory that was issued without naming any.
    """

    environment: Mapping[str, str]
    timeout: timedelta
    common: tuple[Command, ...] = ()
    default: Callable[[Path], tuple[Command, ...]] = _no_default


@dataclass(frozen=True)
class Settled:
    """What became of the hooks: ``waiting_until`` is when their window opens, in UTC.

    ``failure`` is the hook that failed. If both are None, nothing is pending.
    """

    ran: tuple[Command, ...] = ()
    waiting_until: datetime | None = None
    failure: Failure | None = None


@dataclass(frozen=True)
class Pending:
    """Hooks that have yet to run: ``waiting_until`` is when their window opens, in UTC.

    ``failure`` is how they ended when they were last tried, None if they were not.
    """

    waiting_until: datetime | None
    failure: Failure | None


def commands(found: Condition, running: Running) -> tuple[Command, ...]:
    """Return the hooks of a credential, in the order in which they run."""
    own = found.record.hooks
    if own is None:
        own = running.default(found.place.directory)
    return (*own, *running.common)


def are_pending(found: Condition, running: Running) -> bool:
    """Tell whether hooks have not run to the end for the generation in use."""
    return (
        found.generation is not None
        and found.hooks.completed != found.generation
        and bool(commands(found, running))
    )


def catch_up(place: Placement, running: Running, now: datetime) -> Settled:
    """Run the hooks that are pending for the credential in ``place``.

    Raises what ``settle`` raises, and Locked if a renewal of the same credential is running.
    """
    with store.renewing(place):
        return settle(by_worker(place, condition.read), running, now)


def pending(
    found: Condition, running: Running, now: datetime, zone: tzinfo | None = None
) -> Pending | None:
    """Return what is pending, None if nothing is; ``zone`` as for ``settle``."""
    if not are_pending(found, running):
        return None
    return Pending(_waiting_until(found, now, zone), found.hooks.failure)


def settle(
    found: Condition, running: Running, now: datetime, zone: tzinfo | None = None
) -> Settled:
    """Run the hooks that are pending, unless their window is closed, and record the result.

    ``zone`` is the time zone of the window, None for this machine's. Hooks do not wait for a
    window that opens only after the replaced certificate has expired. Raises CannotWrite or Locked
    if the result cannot be recorded; then the hooks run again. Raises ConflictingState for hooks
    that another user wrote.
    """
    if found.generation is None or not are_pending(found, running):
        return Settled()
    waiting = _waiting_until(found, now, zone)
    if waiting is not None:
        return Settled(waiting_until=waiting)
    _refuse_planted(found)
    todo = commands(found, running)
    try:
        hooks.run(todo, _environment(found, running), running.timeout, found.worker)
    except HookFailed as error:
        failure = Failure(found.generation, error.command, error.reason, now)
        store.remember(found.place, replace(found.hooks, failure=failure))
        return Settled(failure=failure)
    _complete(found)
    return Settled(ran=todo)


def note_restart(place: Placement, running: Running) -> None:
    """Record that the daemon of a credential was just restarted: the default hook need not do it.

    Raises CannotWrite, and Locked if a renewal of the same credential is running.
    """
    with store.renewing(place):
        found = by_worker(place, condition.read)
        if found.record.hooks is None and not running.common and are_pending(found, running):
            _complete(found)


def _complete(found: Condition) -> None:
    """Record that nothing is pending any more."""
    end = None if found.due is None else found.due.schedule.end
    store.remember(found.place, State(found.generation, end))


def _refuse_planted(found: Condition) -> None:
    """Refuse hooks that were written by another user than the one as whom they would run.

    Members of the group of administrators can replace the private directory in root's.
    """
    if found.owner not in {0, found.worker}:
        owner, path = user_name(found.owner), found.place.directory / PRIVATE
        raise ConflictingState(
            f"refusing to run the hooks: {path} belongs to {owner}",
            hint=f"remove {path}, and issue the certificate again",
        )


def _waiting_until(found: Condition, now: datetime, zone: tzinfo | None) -> datetime | None:
    return found.hooks.last_run.waits_until(found.record.window, now, zone)


def _environment(found: Condition, running: Running) -> dict[str, str]:
    """Return the environment of a hook: the paths of the files, and what they are."""
    public = dict(zip(GENERATION_NAMES, found.place.public_names, strict=True))
    paths = {
        f"DOCKERTLS_HOOK_{name.removesuffix('.pem').upper()}": str(
            found.place.directory / public[name]
        )
        for name in GENERATION_NAMES
    }
    return {
        **running.environment,
        **paths,
        "DOCKERTLS_HOOK_DIRECTORY": str(found.place.directory),
        "DOCKERTLS_HOOK_PURPOSE": found.record.request.purpose.value,
        "DOCKERTLS_HOOK_GENERATION": found.generation or "",
        "DOCKERTLS_HOOK_VALID_UNTIL": found.due.schedule.end.isoformat() if found.due else "",
    }
