"""Install a credential: generations, one atomic swap, exact modes, a lock.

    DIR/.dockertls/generations/<UTC time>-<serial>/{ca,cert,key}.pem   complete, never changed
    DIR/.dockertls/current -> generations/…                            the only thing swapped
    DIR/.dockertls/request.json                                        what was requested
    DIR/.dockertls/due.json                                            when to renew it
    DIR/.dockertls/narrowed                                            since when ca.pem lost no CA
    DIR/.dockertls/backup/<UTC time>/                                  files that were replaced
    DIR/.dockertls/unfinished/                                         staging, empty between runs
    DIR/ca.pem, … -> .dockertls/current/ca.pem, …

The public paths always lead to the complete old set or the complete new one, even after a kill at
any instant. A reader that opens the three public names in turn can race with a swap; one that opens
the directory behind ``current`` once cannot. Directories are 0755, certificates 0444, the key 0400,
or 0440 with a group.
"""

from __future__ import annotations

import errno
import os
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from dockertls_vault.certificate.request import Purpose
from dockertls_vault.errors import ConflictingState, Locked, TryAgain, VerificationError
from dockertls_vault.files import atomic, reading, walk
from dockertls_vault.files.refusals import refusals

from . import backup, due, generations, hooks, pending, record, retirement
from .naming import (
    CERTIFICATE_MODE,
    GENERATION_NAMES,
    KEY_MODE,
    KEY_MODE_WITH_GROUP,
    LOCK,
    NARROWED,
    PRIVATE,
    RENEWAL_LOCK,
)
from .preflight import check
from .worker import DIRECTORY_MODE, by_worker, make_component, refuse_component

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from datetime import datetime
    from pathlib import Path

    from dockertls_vault.files.walk import OpenDirectory

    from .due import Due
    from .layout import Placement
    from .record import Record

LOCK_WAIT = 10.0  # seconds
STAGING = "unfinished"


@dataclass(frozen=True)
class Material:
    """The PEM files to install, when they are due, and the serial for the generation's name."""

    ca: bytes
    cert: bytes
    key: bytes
    serial: str
    due: Due

    def __repr__(self) -> str:
        return f"Material(serial={self.serial!r})"


@dataclass(frozen=True)
class InstalledFile:
    """A public path, and the octal mode of the file that it leads to (``0400``)."""

    path: Path
    mode: str


@dataclass(frozen=True)
class Installed:
    """The public files, and the backup of the files that they replaced, if any.

    ``warnings`` list what failed after the new files were in use.
    """

    files: tuple[InstalledFile, ...]
    backup: Path | None
    warnings: tuple[str, ...]


def install(
    placement: Placement,
    material: Material,
    requested: Record,
    *,
    replace: bool,
    now: datetime,
    successor_of: str | None = None,
) -> Installed:
    """Install a credential with one atomic swap, and keep the last three generations.

    ``now`` (UTC) becomes part of the generation's name; ``successor_of`` is the generation that
    must still be in use, None if any may be. Raises what ``preflight.check`` raises, TryAgain if
    another generation is in use, and Locked if another process holds the lock for longer than
    LOCK_WAIT; the installed credential is unchanged then. A failure after the new set is in use is
    only a warning.
    """
    check(placement, replace=replace)

    def work(placement: Placement) -> Installed:
        return _install(placement, material, requested, successor_of, replace=replace, now=now)

    with refusals(placement.directory):
        return by_worker(placement, work, make=successor_of is None)


def _install(
    placement: Placement,
    material: Material,
    requested: Record,
    successor_of: str | None,
    *,
    replace: bool,
    now: datetime,
) -> Installed:
    """Install it with the permissions of ``placement.worker``."""
    stamp = generations.stamp(now)
    name = f"{stamp}-{material.serial.replace(':', '')}"
    key_mode = KEY_MODE if placement.gid == atomic.KEEP else KEY_MODE_WITH_GROUP
    modes = (CERTIFICATE_MODE, CERTIFICATE_MODE, key_mode)
    with _opened(placement, make=successor_of is None) as places:
        foreign = check(placement, replace=replace)
        before = generations.in_use(places.private, places.generations)
        if successor_of not in (None, before):
            raise TryAgain(
                f"another run has since changed the credential in {placement.directory}",
                hint="run it again: it starts from what is installed now",
            )
        with _withdrawn_on_failure(name, places):
            _write(name, material, modes, placement, places)
            if foreign:
                _adopt(placement, stamp, places)
            record.write(requested, places.private, places.staging)
            _write_due(material.due, name, places)
            swapped = _swap(name, placement, places)
        spared = {name} if before is None else {name, before}
        warnings = (
            *swapped,
            *retirement.retire(places.generations, places.staging, spared),
            *retirement.discard(places.staging, places.private),
        )
    return Installed(
        tuple(
            InstalledFile(placement.directory / public, f"{mode:04o}")
            for public, mode in zip(placement.public_names, modes, strict=True)
        ),
        placement.directory / PRIVATE / backup.DIRECTORY / stamp if foreign else None,
        warnings,
    )


def use(placement: Placement, name: str) -> tuple[str, ...]:
    """Switch to the existing generation ``name``; return warnings.

    Raises what ``install`` raises, and ConflictingState if the generation does not exist.
    """
    check(placement, replace=False)

    def work(placement: Placement) -> tuple[str, ...]:
        with _opened(placement) as places:
            check(placement, replace=False)
            if name not in generations.names(places.generations):
                raise ConflictingState(
                    f"the generation {name} has since been removed", hint="choose another one"
                )
            return _swap(name, placement, places)

    with refusals(placement.directory):
        return by_worker(placement, work)


def remember(placement: Placement, state: hooks.State) -> None:
    """Write for which generation the hooks ran; raises what ``install`` does."""

    def work(placement: Placement) -> None:
        with _opened(placement) as places:
            content = hooks.to_bytes(state)
            atomic.replace(pending.NAME, content, pending.MODE, places.private, places.staging)

    with refusals(placement.directory):
        by_worker(placement, work)


def note_due(placement: Placement, found: Due, generation: str) -> None:
    """Write when a generation is due, which was known only from its certificate.

    Raises what ``install`` does.
    """

    def work(placement: Placement) -> None:
        with _opened(placement) as places:
            _write_due(found, generation, places)

    with refusals(placement.directory):
        by_worker(placement, work)


@contextmanager
def renewing(placement: Placement) -> Iterator[None]:
    """Keep other runs from renewing the same credential; raises Locked after LOCK_WAIT.

    Swaps take another lock, so `issue` and `rollback` can still swap meanwhile.
    """
    with refusals(placement.directory), ExitStack() as held:
        by_worker(placement, lambda place: held.enter_context(_locked(place, RENEWAL_LOCK)))
        yield


@dataclass(frozen=True)
class _Places:
    """The open directories of a credential; all on one file system."""

    directory: int
    private: int
    generations: int
    staging: int


@contextmanager
def _opened(placement: Placement, *, make: bool = False) -> Iterator[_Places]:
    """Open and lock the directories, and remove unfinished leftovers; ``make`` as for ``_locked``.

    Files are prepared in ``staging``, which no reader uses. It is emptied before and after, as far
    as its contents can be removed.
    """
    with (
        _locked(placement, make=make) as (directory, private),
        atomic.directory(generations.DIRECTORY, DIRECTORY_MODE, private) as kept,
        atomic.directory(STAGING, DIRECTORY_MODE, private) as staging,
    ):
        retirement.discard(staging, private)
        try:
            yield _Places(directory, private, kept, staging)
        finally:
            retirement.discard(staging, private)


@contextmanager
def _locked(
    placement: Placement, name: str = LOCK, *, make: bool = False
) -> Iterator[tuple[int, int]]:
    """Open and lock the directory and its private one; with ``make``, create what is missing.

    Without ``make``, raises FileNotFoundError: a credential that was removed stays removed.
    """
    with (
        walk.open_directory(
            placement.directory,
            partial(refuse_component, placement),
            make_component if make else None,
        ) as reached,
        _opened_to_the_end(reached) as directory,
        atomic.directory(PRIVATE, DIRECTORY_MODE, directory)
        if make
        else reading.opened(PRIVATE, directory) as private,
    ):
        try:
            with atomic.locked(name, private, wait=LOCK_WAIT):
                yield directory, private
        except TimeoutError:
            raise Locked(f"{placement.directory} is locked") from None


def _opened_to_the_end(reached: OpenDirectory) -> AbstractContextManager[int]:
    if reached.remaining:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(reached.path))
    return reading.opened(".", reached.descriptor)


def _write(
    name: str,
    material: Material,
    modes: tuple[int, int, int],
    placement: Placement,
    places: _Places,
) -> None:
    """Write a generation in staging, and move it to the others once it is complete."""
    contents = (material.ca, material.cert, material.key)
    groups = (atomic.KEEP, atomic.KEEP, placement.gid)
    with atomic.directory(name, DIRECTORY_MODE, places.staging) as place:
        for file, content, mode, gid in zip(GENERATION_NAMES, contents, modes, groups, strict=True):
            atomic.create(file, content, mode, place, uid=placement.uid, gid=gid)
        os.fsync(place)
    atomic.move(name, places.staging, places.generations)


@contextmanager
def _withdrawn_on_failure(name: str, places: _Places) -> Iterator[None]:
    """If a generation cannot be put in use, move it back to staging, where its key is removed."""
    try:
        yield
    except OSError:
        with suppress(OSError):
            if generations.in_use(places.private, places.generations) != name:
                os.rename(name, name, src_dir_fd=places.generations, dst_dir_fd=places.staging)
        raise


def _write_due(found: Due, generation: str, places: _Places) -> None:
    content = due.to_bytes(found, generation)
    atomic.replace(due.NAME, content, due.MODE, places.private, places.staging)


def _adopt(placement: Placement, stamp: str, places: _Places) -> None:
    """Back up files that this tool did not create, and link the public names to the backup.

    A reader of the public names finds the same contents at every step.
    """
    with atomic.directory(stamp, DIRECTORY_MODE, places.staging) as place:
        backup.fill(placement, places.directory, place)
        os.fsync(place)
    with atomic.directory(backup.DIRECTORY, DIRECTORY_MODE, places.private) as backups:
        atomic.move(stamp, places.staging, backups)
    _point(generations.CURRENT, f"{backup.DIRECTORY}/{stamp}", places.private, places)
    for public, ours in placement.links:
        if os.access(public, os.F_OK, dir_fd=places.directory, follow_symlinks=False):
            _point(public, ours, places.directory, places)


def _swap(name: str, placement: Placement, places: _Places) -> tuple[str, ...]:
    """Make the public names lead to a generation; return a warning if fsync fails afterwards."""
    for public, ours in placement.links:
        if reading.link_target(public, places.directory) != ours:
            _point(public, ours, places.directory, places)
    with _narrowing(name, placement, places):
        atomic.symlink(
            generations.CURRENT,
            f"{generations.DIRECTORY}/{name}",
            places.private,
            places.staging,
        )
    try:
        os.fsync(places.private)
    except OSError as error:
        warning = "the new files are in use, but a power failure may bring back the previous ones"
        return (f"{warning}: {error.strerror} ({placement.directory / PRIVATE})",)
    return ()


@contextmanager
def _narrowing(name: str, placement: Placement, places: _Places) -> Iterator[None]:
    """If the swap to a generation takes a CA from a server's ca.pem, replace NARROWED.

    As long as that is the same file, ca.pem has lost no CA (daemon/attempt.py). From before the
    swap until after it there is none, so that a kill leaves none; then the next swap makes one.
    """
    is_server = placement.kind is not None and placement.kind.purpose is Purpose.SERVER
    if not is_server or _keeps_every_ca(name, places):
        yield
        return
    with suppress(FileNotFoundError):
        os.unlink(NARROWED, dir_fd=places.private)
        os.fsync(places.private)
    yield
    with suppress(OSError):
        content = f"{name}\n".encode()
        atomic.replace(NARROWED, content, CERTIFICATE_MODE, places.private, places.staging)


def _keeps_every_ca(name: str, places: _Places) -> bool:
    """Tell whether it is known that a generation trusts each CA that is trusted now."""
    from dockertls_vault.certificate.certificate import load_certificates

    ca = GENERATION_NAMES[0]
    try:
        os.stat(NARROWED, dir_fd=places.private, follow_symlinks=False)
        before = load_certificates(reading.read(f"{generations.CURRENT}/{ca}", places.private))
        after = load_certificates(reading.read(f"{name}/{ca}", places.generations))
    except (OSError, ValueError, VerificationError):
        return False
    return set(before) <= set(after)


def _point(name: str, target: str, within: int, places: _Places) -> None:
    atomic.symlink(name, target, within, places.staging)
    os.fsync(within)
