"""One credential on disk: generations, one atomic swap, exact modes, a lock.

    DIR/.dockertls/generations/<UTC time>-<serial>/{ca,cert,key}.pem   complete, never changed
    DIR/.dockertls/current -> generations/…                            the only thing swapped
    DIR/.dockertls/request.json                                        what was asked for
    DIR/.dockertls/backup/<UTC time>/                                  files of others, if replaced
    DIR/ca.pem, … -> .dockertls/current/ca.pem, …

The public paths lead to the old set or to the new one, also after a kill at any instant. A reader
who opens the three names one after the other can meet a swap in between; one who opens the
directory behind ``current`` once cannot. Directories are 0755, certificates 0444, the key 0400, or
0440 with a group.
"""

from __future__ import annotations

import json
import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from . import durable, way
from .errors import ConflictingState, Locked
from .placement import GENERATION_NAMES, PRIVATE, SERVER_NAMES, link
from .preflight import check, refusals
from .request import Purpose
from .worker import DIRECTORY_MODE, by_worker, refuse_step

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from .placement import Placement
    from .request import Request

KEPT_GENERATIONS = 3
LOCK_WAIT = 10.0  # seconds
CERTIFICATE_MODE = 0o444
KEY_MODE = 0o400
KEY_MODE_WITH_GROUP = 0o440
_UNFINISHED = ".new"


@dataclass(frozen=True)
class Material:
    """What is installed: three PEM files, and the serial that names the generation."""

    ca: bytes
    cert: bytes
    key: bytes
    serial: str

    def __repr__(self) -> str:
        return f"Material(serial={self.serial!r})"


@dataclass(frozen=True)
class InstalledFile:
    """A public path, and the mode of the file behind it in octal (``0400``)."""

    path: Path
    mode: str


@dataclass(frozen=True)
class Installed:
    """The public files, and where the files of others that they replaced are kept."""

    files: tuple[InstalledFile, ...]
    backup: Path | None


@dataclass(frozen=True)
class CredentialFiles:
    """Three files of one generation, in which nothing ever changes."""

    ca: Path
    cert: Path
    key: Path


def install(
    placement: Placement, material: Material, request: Request, *, replace: bool, now: datetime
) -> Installed:
    """Install a credential in one swap, and keep the last three generations.

    ``now`` is in UTC and names the generation. Raises what ``preflight.check`` raises, and
    Locked when another process keeps the directory for longer than LOCK_WAIT; what was
    installed before is then as it was.
    """
    check(placement, request, replace=replace)

    def work(placement: Placement) -> Installed:
        return _install(placement, material, request, replace=replace, now=now)

    with refusals(placement.directory):
        return by_worker(placement, work, make=True)


def _install(
    placement: Placement, material: Material, request: Request, *, replace: bool, now: datetime
) -> Installed:
    """Install it with the rights of the one who works there."""
    stamp = f"{now:%Y%m%dT%H%M%S}.{now.microsecond:06}Z"
    generation = f"{stamp}-{material.serial.replace(':', '')}"
    key_mode = KEY_MODE if placement.gid == durable.KEEP else KEY_MODE_WITH_GROUP
    modes = (CERTIFICATE_MODE, CERTIFICATE_MODE, key_mode)
    with _locked(placement) as (directory, private):
        foreign = check(placement, request, replace=replace)
        with suppress(FileNotFoundError), durable.opened("backup", private) as backups:
            _discard_unfinished(backups)
        with durable.directory("generations", DIRECTORY_MODE, private) as generations:
            _discard_unfinished(generations)
            _prune(generations, private)
            _write(generation, material, modes, placement, generations)
        if foreign:
            _adopt(placement, stamp, directory, private)
        asked = json.dumps(request.to_json(), indent=2, ensure_ascii=False) + "\n"
        durable.replace("request.json", asked.encode(), CERTIFICATE_MODE, private)
        for public, ours in placement.links:
            if durable.target(public, directory) != ours:
                durable.point(public, ours, directory)
        durable.point("current", f"generations/{generation}", private)
    return Installed(
        tuple(
            InstalledFile(placement.directory / public, f"{mode:04o}")
            for public, mode in zip(placement.public_names, modes, strict=True)
        ),
        placement.directory / PRIVATE / "backup" / stamp if foreign else None,
    )


def installed(directory: Path) -> CredentialFiles:
    """Return the files of the credential in ``directory``, of this tool's making or another's.

    Of a directory of docker:dind's, with ``client`` and ``server`` in it, it is the client's.
    Where it is this tool's, the paths are those inside the generation, so that three reads
    cannot see two credentials. Raises ConflictingState if there is none, or a part of one.
    """
    purposes = (Purpose.CLIENT, Purpose.SERVER)
    for candidate in (directory, *(directory / purpose.value for purpose in purposes)):
        for names in (GENERATION_NAMES, SERVER_NAMES):
            paths = [candidate / name for name in names]
            if not all(os.path.lexists(path) for path in paths):
                continue
            if all(
                path.is_symlink() and str(path.readlink()) == link(name)
                for path, name in zip(paths, GENERATION_NAMES, strict=True)
            ):
                private = candidate.resolve() / PRIVATE
                with suppress(FileNotFoundError):
                    generation = private / (private / "current").readlink()
                    paths = [generation / name for name in GENERATION_NAMES]
            return CredentialFiles(*paths)
    raise ConflictingState(
        f"no certificate, key and ca.pem in {directory}",
        hint="make them with `dockertls-vault issue client`, or name another directory",
    )


def generations(directory: Path) -> tuple[CredentialFiles, ...]:
    """Return the current generation in ``directory``, and those of before it, newest first.

    Empty where there is no credential of this tool's making; raises OSError where it may not be
    read.
    """
    private = directory / PRIVATE
    try:
        current = (private / "current").readlink()
    except FileNotFoundError:
        return ()
    # The time that a name begins with orders them.
    places = sorted((private / current.parent).iterdir(), reverse=True)
    return tuple(
        CredentialFiles(*(place / name for name in GENERATION_NAMES))
        for place in places
        if place.name <= current.name and not place.name.startswith(".")
    )


@contextmanager
def _locked(placement: Placement) -> Iterator[tuple[int, int]]:
    """Open the directory and its private one, both made if missing, and lock them."""
    with (
        way.walked(placement.directory, partial(refuse_step, placement), _make) as reached,
        durable.opened(".", reached.descriptor) as directory,
        durable.directory(PRIVATE, DIRECTORY_MODE, directory) as private,
    ):
        try:
            with durable.locked("lock", private, wait=LOCK_WAIT):
                yield directory, private
        except TimeoutError:
            raise Locked(f"{placement.directory} is locked") from None


def _make(name: str, within: int, _left: int) -> None:
    with (
        durable.opened(".", within) as parent,
        durable.directory(name, DIRECTORY_MODE, parent),
    ):
        pass


def _write(
    generation: str,
    material: Material,
    modes: tuple[int, int, int],
    placement: Placement,
    generations: int,
) -> None:
    """Write a generation in full."""
    contents = (material.ca, material.cert, material.key)
    groups = (durable.KEEP, durable.KEEP, placement.gid)
    with _whole(generation, generations) as place:
        for name, content, mode, gid in zip(GENERATION_NAMES, contents, modes, groups, strict=True):
            durable.create(name, content, mode, place, uid=placement.uid, gid=gid)


@contextmanager
def _whole(name: str, within: int) -> Iterator[int]:
    """Make a directory under a name that nobody looks for; once filled, sync it and name it."""
    staged = f".{name}{_UNFINISHED}"
    try:
        with durable.directory(staged, DIRECTORY_MODE, within) as place:
            yield place
            os.fsync(place)
        os.rename(staged, name, src_dir_fd=within, dst_dir_fd=within)
    except BaseException:
        with suppress(FileNotFoundError):
            durable.remove(staged, within)
        raise
    os.fsync(within)


def _discard_unfinished(within: int) -> None:
    """Remove what a killed run left half done, which may hold a key."""
    for name in durable.entries(within):
        if name.startswith(".") and name.endswith(_UNFINISHED):
            durable.remove(name, within)


def _prune(generations: int, private: int) -> None:
    """Make room for one more generation."""
    current = durable.target("current", private)
    others = [name for name in durable.entries(generations) if f"generations/{name}" != current]
    for name in sorted(others, reverse=True)[KEPT_GENERATIONS - 2 :]:
        durable.remove(name, generations)


def _adopt(placement: Placement, stamp: str, directory: int, private: int) -> None:
    """Keep the files of others as a backup, and let the public names lead there by links.

    What a reader finds at the public names stays the same at each step.
    """
    with (
        durable.directory("backup", DIRECTORY_MODE, private) as backups,
        _whole(stamp, backups) as backup,
    ):
        for (public, ours), name in zip(placement.links, GENERATION_NAMES, strict=True):
            with suppress(FileNotFoundError):
                _keep(public, ours, name, directory, backup)
    durable.point("current", f"backup/{stamp}", private)
    for public, ours in placement.links:
        if os.access(public, os.F_OK, dir_fd=directory, follow_symlinks=False):
            durable.point(public, ours, directory)


def _keep(public: str, ours: str, name: str, directory: int, backup: int) -> None:
    """Link the file at a public name into a backup; a link of others stays a link."""
    found = durable.target(public, directory)
    if found is None or found == ours:
        source = public if found is None else ours
        os.link(source, name, src_dir_fd=directory, dst_dir_fd=backup)
    else:
        # From .dockertls/backup/<time>/, where a relative link has to lead three levels up.
        os.symlink(str(Path("../../..") / found), name, dir_fd=backup)
