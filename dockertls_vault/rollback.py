"""Go back to an earlier generation of a credential."""

from __future__ import annotations

import shlex
import stat
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from .certificate import verify
from .certificate.certificate import load_certificates
from .certificate.schedule import plan
from .credential import backup, generations, history, preflight, reader, store, trust
from .credential.due import jitter_seed
from .credential.naming import GENERATION_NAMES
from .credential.settle import Settled
from .credential.store import InstalledFile
from .credential.worker import by_worker
from .duration import format_time
from .errors import ConflictingState, InvalidInput, UnmanagedFiles, VerificationError
from .files import reading, writers
from .files.refusals import refusals

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from cryptography.x509 import Certificate

    from .certificate.certificate import Description
    from .certificate.request import Purpose
    from .credential.history import Generation, Generations
    from .credential.layout import Layout, Placement


@dataclass(frozen=True)
class RolledBack:
    """The generation now in use, and the name of the ``previous`` one, if there was one.

    ``removed_cas`` are the CAs in the previous ca.pem that are no longer trusted,
    ``restored_cas`` those that are trusted again.
    """

    directory: Path
    purpose: Purpose
    layout: Layout
    previous: str | None
    generation: Generation
    files: tuple[InstalledFile, ...]
    removed_cas: tuple[Description, ...]
    restored_cas: tuple[Description, ...]
    warnings: tuple[str, ...]
    hooks: Settled = field(default_factory=Settled)


def roll_back(
    directory: Path, name: str | None, *, admins: str | None, now: datetime
) -> RolledBack:
    """Put a generation in use again: ``name``, or the newest that is older than the one in use.

    ``name`` may be a unique prefix. ``now`` is in UTC, ``admins`` a group whose members may write
    to the directories above. Raises CannotWrite before it reads any generation, InvalidInput for
    an unknown name, ConflictingState if there is none to go back to, and what ``store.use`` raises.
    """
    with refusals(directory):
        try:
            place = reader.locate(directory, admins=admins)
            # First: a user who may not change it learns that, and nothing that they may not read.
            preflight.check(place, replace=True)
            done = by_worker(place, partial(_roll_back, name=name, now=now))
        except UnmanagedFiles as error:
            raise UnmanagedFiles(
                error.message, hint="move them away: a rollback does not cover them"
            ) from None
    trust.warn_of_removed_cas(done.purpose, done.removed_cas)
    trust.warn_of_restored_cas(done.restored_cas)
    return done


def _roll_back(place: Placement, *, name: str | None, now: datetime) -> RolledBack:
    found = history.read(place)
    place = replace(place, kind=found.kind)
    chosen = _choose(found, name)
    history.require_usable(chosen, place)
    previous = found.name_in_use
    old, new = (_bundle(place, each) for each in (previous, chosen.name))
    was, is_now = (_access(place, each) for each in (previous, chosen.name))
    files = _files(place, chosen.name)
    # From here on it is in use, so nothing may fail any more.
    warnings = store.use(place, chosen.name)
    if was not in {None, is_now}:
        warnings = (f"the key is {is_now} again; the one in use until now is {was}", *warnings)
    if chosen.certificate and chosen.certificate.not_after <= now:
        expired = format_time(chosen.certificate.not_after)
        warnings = (f"the certificate that is in use now expired at {expired}", *warnings)
    elif _is_due(place, chosen, now):
        due = (
            "the certificate that is in use now is due for renewal, so the next `renew` replaces "
            "it; to keep it, stop the timer"
        )
        warnings = (due, *warnings)
    return RolledBack(
        directory=place.directory,
        purpose=found.purpose,
        layout=found.layout,
        previous=previous,
        generation=replace(chosen, in_use=True),
        files=files,
        removed_cas=verify.untrusted(old, verify.unexpired(new, now), now),
        restored_cas=verify.untrusted(new, verify.unexpired(old, now), now) if old else (),
        warnings=warnings,
    )


def _is_due(place: Placement, generation: Generation, now: datetime) -> bool:
    if generation.certificate is None:
        return False
    issued, end = generations.installed_at(generation.name), generation.certificate.not_after
    return issued < end and plan(issued, end, jitter_seed(place.directory)).due <= now


def _files(place: Placement, name: str) -> tuple[InstalledFile, ...]:
    """Return the public paths, each with the mode of the generation's file."""
    path = history.path_of(place, name)
    return tuple(
        InstalledFile(
            place.directory / public,
            f"{stat.S_IMODE((path / file).stat().st_mode):04o}",
        )
        for public, file in zip(place.public_names, GENERATION_NAMES, strict=True)
    )


def _access(place: Placement, name: str | None) -> str | None:
    """Return the owner, group and mode of a generation's key; None if there is no key."""
    if name is None:
        return None
    try:
        status = (history.path_of(place, name) / "key.pem").stat()
    except OSError:
        return None
    owner, group = writers.user_name(status.st_uid), writers.group_name(status.st_gid)
    return f"{owner}:{group} {stat.S_IMODE(status.st_mode):04o}"


def _bundle(place: Placement, name: str | None) -> tuple[Certificate, ...]:
    """Return the CAs in a generation's ca.pem; none if it is missing or unreadable."""
    if name is None:
        return ()
    try:
        return load_certificates(reading.read(history.path_of(place, name) / "ca.pem"))
    except (OSError, ValueError, VerificationError):
        return ()


def _choose(found: Generations, name: str | None) -> Generation:
    directory = shlex.quote(str(found.directory))
    which = f"`dockertls-vault rollback {directory} --list` lists them"
    if name is not None:
        meant = [each for each in found.generations if name and each.name.startswith(name)]
        if len(meant) == 1:
            return meant[0]
        if meant:
            raise InvalidInput(f"{len(meant)} generations begin with {name!r}", hint=which)
        raise InvalidInput(f"no generation {name!r} in {found.directory}", hint=which)
    used = found.name_in_use
    for generation in found.generations:
        if used is None or generation.name < used:
            return generation
    raise ConflictingState(
        f"no generation in {found.directory} is older than the one in use",
        hint=_next_steps(found),
    )


def _next_steps(found: Generations) -> str:
    """Return what to do if no older generation is left."""
    steps = []
    newest = found.generations[0] if found.generations else None
    if newest and not newest.in_use:
        directory = shlex.quote(str(found.directory))
        steps.append(f"`dockertls-vault rollback {directory} {newest.name}` restores the newest")
    if (kept := backup.newest(found.directory)) is not None:
        steps.append(f"the files overwritten by --replace are in {kept}, to be restored by hand")
    return "; ".join(steps) or "`dockertls-vault issue` issues a new one"
