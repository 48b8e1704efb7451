"""Go back to an earlier generation of a credential, and tell what each of them holds."""

from __future__ import annotations

import os
import shlex
import stat
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from .certificate import verify
from .certificate.certificate import (
    Description,
    describe,
    load_certificates,
    public_key_fingerprint,
)
from .certificate.keys import is_key_of
from .certificate.request import Purpose
from .credential import backup, generations, preflight, record, store, trust
from .credential.layout import GENERATION_NAMES, PRIVATE, Kind, Layout, Placement, gid
from .credential.store import InstalledFile
from .credential.worker import by_worker
from .duration import format_time
from .errors import ConflictingState, InvalidInput, UnmanagedFiles, VerificationError
from .files import atomic, writers

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from cryptography.x509 import Certificate


@dataclass(frozen=True)
class Generation:
    """One generation; its name begins with the time of its creation.

    ``public_key_fingerprint_sha256`` is the digest of the public key (SubjectPublicKeyInfo, DER).
    A generation with a ``problem`` cannot be used, and may have no certificate to describe.
    """

    name: str
    in_use: bool
    certificate: Description | None
    public_key_fingerprint_sha256: str | None
    problem: str | None


@dataclass(frozen=True)
class Generations:
    """What is in a directory, newest first."""

    directory: Path
    purpose: Purpose
    layout: Layout
    generations: tuple[Generation, ...]


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


def find(directory: Path) -> Generations:
    """Return the generations in ``directory``, or in the one below it that docker:dind has.

    Raises ConflictingState where there is no credential of this tool's making.
    """
    try:
        return by_worker(_place(directory, None), _find)
    except OSError as error:
        raise ConflictingState(
            f"the generations in {directory} cannot be read: {error.strerror}"
        ) from None


def roll_back(
    directory: Path, name: str | None, *, admins: str | None, now: datetime
) -> RolledBack:
    """Put a generation in use again: ``name``, or the newest that is older than the one in use.

    ``name`` may be cut short as far as no other begins so. ``now`` is in UTC, ``admins`` a group
    whose members may write on the way. Raises CannotWrite before it looks at any generation,
    InvalidInput for a name that is none, ConflictingState where there is nothing to go back to,
    and what ``store.use`` raises.
    """
    with preflight.refusals(directory):
        try:
            place = _place(directory, admins)
            # Whoever may not change it is told that, and nothing of what they may not read.
            preflight.check(place, replace=True)
            done = by_worker(place, partial(_roll_back, name=name, now=now))
        except UnmanagedFiles as error:
            raise UnmanagedFiles(
                error.message, hint="move them away: a rollback does not cover them"
            ) from None
    trust.warn_of_removed_cas(done.purpose, done.removed_cas)
    trust.warn_of_restored_cas(done.restored_cas)
    return done


def _place(directory: Path, admins: str | None) -> Placement:
    """Return where the credential is; its work is that of the directory's owner, if root may do it.

    Its kind is not known yet: to read that is work of the owner's, too.
    """
    whole = directory.absolute()
    found = [
        path
        for path in (whole, *(whole / purpose.value for purpose in Purpose))
        if (path / PRIVATE).is_dir()
    ]
    if found[:1] != [whole] and len(found) > 1:
        raise InvalidInput(
            f"two credentials are in {directory}",
            hint=f"name one of them: {' or '.join(map(str, found))}",
        )
    if not found:
        raise ConflictingState(
            f"no dockertls-vault credential in {directory}",
            hint="give the --dir of `dockertls-vault issue`",
        )
    owner = found[0].stat().st_uid
    return Placement(
        found[0],
        kind=None,
        uid=owner if os.geteuid() == 0 and owner != 0 else atomic.KEEP,
        admins=None if admins is None else gid(admins),
        movable=False,
    )


def _find(place: Placement) -> Generations:
    kind = _kind(place.directory)
    private = place.directory / PRIVATE
    with (
        atomic.opened(str(private)) as opened,
        atomic.opened(generations.DIRECTORY, opened) as within,
    ):
        names, used = generations.names(within), generations.in_use(opened, within)
    return Generations(
        place.directory,
        kind.purpose,
        kind.layout,
        tuple(
            _described(private / generations.DIRECTORY / name, in_use=name == used)
            for name in names
        ),
    )


def _kind(directory: Path) -> Kind:
    with atomic.opened(str(directory.resolve())) as opened:
        found = record.read(directory, opened)
    if found is None:
        raise ConflictingState(
            f"{directory / PRIVATE / record.NAME} is not there, which says what the credential is",
            hint="issue another certificate; it is written anew with that",
        )
    return found.kind


def _described(path: Path, *, in_use: bool) -> Generation:
    try:
        with os.scandir(path) as entries:
            there = {entry.name for entry in entries if entry.is_file()}
    except OSError as error:  # no directory, or one that may not be read: the others are to be told
        problem = f"cannot be read: {error.strerror}"
        return Generation(path.name, in_use, None, None, problem)
    missing = [name for name in GENERATION_NAMES if name not in there]
    try:
        leaf, *_ = load_certificates(atomic.read(path / "cert.pem"))
    except (OSError, ValueError, VerificationError):
        problem = f"it lacks {', '.join(missing)}" if missing else "cert.pem cannot be read"
        return Generation(path.name, in_use, None, None, problem)
    return Generation(
        path.name,
        in_use,
        describe(leaf),
        public_key_fingerprint(leaf),
        f"it lacks {', '.join(missing)}" if missing else None,
    )


def _roll_back(place: Placement, *, name: str | None, now: datetime) -> RolledBack:
    kind = _kind(place.directory)
    place = replace(place, kind=kind)
    found = _find(place)
    chosen = _choose(found, name)
    _refuse_unusable(chosen, place.directory / PRIVATE / generations.DIRECTORY / chosen.name)
    before = next((each.name for each in found.generations if each.in_use), None)
    old, new = (_bundle(place, name) for name in (before, chosen.name))
    was, is_now = (_access(place, each) for each in (before, chosen.name))
    files = _files(place, chosen.name)
    # From here on it is in use: nothing may fail any more.
    warnings = store.use(place, chosen.name)
    if was not in {None, is_now}:
        warnings = (f"the key is {is_now} again; the one in use until now is {was}", *warnings)
    if chosen.certificate and chosen.certificate.not_after <= now:
        expired = format_time(chosen.certificate.not_after)
        warnings = (f"the certificate that is in use now expired at {expired}", *warnings)
    return RolledBack(
        place.directory,
        kind.purpose,
        kind.layout,
        before,
        replace(chosen, in_use=True),
        files,
        verify.untrusted(old, verify.current_roots(new, now), now),
        verify.untrusted(new, verify.current_roots(old, now), now) if old else (),
        warnings,
    )


def _status(place: Placement, name: str, file: str) -> os.stat_result:
    return (place.directory / PRIVATE / generations.DIRECTORY / name / file).stat()


def _files(place: Placement, name: str) -> tuple[InstalledFile, ...]:
    """Return the public names, each with the mode of the generation's file."""
    return tuple(
        InstalledFile(
            place.directory / public, f"{stat.S_IMODE(_status(place, name, file).st_mode):04o}"
        )
        for public, file in zip(place.public_names, GENERATION_NAMES, strict=True)
    )


def _access(place: Placement, name: str | None) -> str | None:
    """Return whose a generation's key is, and its mode; None where there is none."""
    if name is None:
        return None
    try:
        status = _status(place, name, "key.pem")
    except OSError:
        return None
    owner, group = writers.user_name(status.st_uid), writers.group_name(status.st_gid)
    return f"{owner}:{group} {stat.S_IMODE(status.st_mode):04o}"


def _bundle(place: Placement, name: str | None) -> tuple[Certificate, ...]:
    """Return the CAs in a generation's ca.pem; none where nobody can read any there."""
    if name is None:
        return ()
    path = place.directory / PRIVATE / generations.DIRECTORY / name / "ca.pem"
    try:
        return tuple(load_certificates(atomic.read(path)))
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
    used = next((each.name for each in found.generations if each.in_use), None)
    for generation in found.generations:
        if used is None or generation.name < used:
            return generation
    raise ConflictingState(
        f"no generation in {found.directory} is older than the one in use",
        hint=_ways_on(found),
    )


def _ways_on(found: Generations) -> str:
    """Return where to go from the oldest generation: forth again, or to what was there before."""
    ways = []
    newest = found.generations[0] if found.generations else None
    if newest and not newest.in_use:
        directory = shlex.quote(str(found.directory))
        ways.append(f"`dockertls-vault rollback {directory} {newest.name}` restores the newest")
    if (kept := _backup(found.directory)) is not None:
        ways.append(f"the files overwritten by --replace are in {kept}, to be restored by hand")
    return "; ".join(ways) or "`dockertls-vault issue` issues a new one"


def _backup(directory: Path) -> Path | None:
    """Return where the files of others are that were replaced last, if any were."""
    backups = directory / PRIVATE / backup.DIRECTORY
    try:
        with atomic.opened(str(backups)) as opened:
            newest = max(atomic.entries(opened), default=None)
    except OSError:
        return None
    return None if newest is None else backups / newest


def _refuse_unusable(chosen: Generation, path: Path) -> None:
    """Refuse a generation that is not whole, whoever took something out of it."""
    problem = chosen.problem
    if problem is None:
        try:
            load_certificates(atomic.read(path / "ca.pem"))
            leaf, *_ = load_certificates(atomic.read(path / "cert.pem"))
            if not is_key_of(atomic.read(path / "key.pem"), leaf):
                problem = "its key does not match the certificate"
        except OSError as error:
            problem = f"it cannot be read: {error.strerror}"
        except (ValueError, VerificationError) as error:
            problem = f"it is corrupt: {error}"
    if problem is not None:
        raise ConflictingState(
            f"the generation {chosen.name} cannot be used: {problem}",
            hint="choose another generation",
        )
