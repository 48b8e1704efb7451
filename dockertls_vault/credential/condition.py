"""The condition of a credential, as its files show it.

Vault is not asked and no certificate is parsed, so that a tick of a timer costs next to nothing.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dockertls_vault.errors import ConflictingState
from dockertls_vault.files import reading

from . import due, generations, hooks, record
from .layout import (
    CERTIFICATE_MODE,
    GENERATION_NAMES,
    KEY_MODE,
    KEY_MODE_WITH_GROUP,
    PRIVATE,
)

if TYPE_CHECKING:
    from pathlib import Path

    from .due import Due
    from .hooks import State
    from .layout import Placement
    from .record import Record


@dataclass(frozen=True)
class Condition:
    """A credential: what was requested, what is in use, and what is wrong with it.

    ``worker`` is the user whose permissions are used in ``place``. ``generation`` is the name of
    the one in use, None if there is none; ``due`` says when it is due, None if that is known only
    from its certificate; ``hooks`` for which generation the hooks ran to the end; ``damage`` what
    was lost or changed since it was installed.
    """

    place: Placement
    worker: int
    record: Record
    generation: str | None
    due: Due | None
    hooks: State
    damage: tuple[str, ...]

    @property
    def path(self) -> Path | None:
        """The directory of the generation in use."""
        if self.generation is None:
            return None
        return self.place.directory / PRIVATE / generations.DIRECTORY / self.generation


def read(place: Placement) -> Condition:
    """Return the condition of the credential in ``place``, which need not know its kind.

    Called by its worker (worker.py). Raises ConflictingState if it has no record, and OSError.
    """
    if (worker := place.worker) is None:
        raise ValueError("the placement has no worker")
    with reading.opened(str(place.directory.resolve())) as directory:
        requested = record.read(place.directory, directory)
        if requested is None:
            raise ConflictingState(
                f"{place.directory / PRIVATE / record.NAME}, which describes the credential, is "
                "missing",
                hint="issue another certificate, which writes it again",
            )
        place = replace(place, kind=requested.kind)
        with reading.opened(PRIVATE, directory) as private:
            used = _in_use(private)
            return Condition(
                place=_anew(place, worker),
                worker=worker,
                record=requested,
                generation=used,
                due=None if used is None else due.read(used, private),
                hooks=hooks.read(private),
                damage=(
                    *_misled(place, directory),
                    *_changed(requested, used, private),
                ),
            )


def _anew(place: Placement, worker: int) -> Placement:
    """Return the placement that its worker was chosen from: other work chooses it again."""
    return replace(place, worker=None, uid=place.uid if worker == os.geteuid() else worker)


def _in_use(private: int) -> str | None:
    try:
        with reading.opened(generations.DIRECTORY, private) as kept:
            return generations.in_use(private, kept)
    except FileNotFoundError:
        return None


def _misled(place: Placement, directory: int) -> tuple[str, ...]:
    """Say which public names do not lead to the generation in use."""
    return tuple(
        f"{public} is missing" if not _exists(public, directory) else f"{public} was replaced"
        for public, ours in place.links
        if reading.link_target(public, directory) != ours
    )


def _exists(name: str, within: int) -> bool:
    return os.access(name, os.F_OK, dir_fd=within, follow_symlinks=False)


def _changed(requested: Record, used: str | None, private: int) -> tuple[str, ...]:
    """Say which files of the generation in use are missing, or have another mode."""
    if used is None:
        return ("no generation is in use",)
    key_mode = KEY_MODE if requested.group is None else KEY_MODE_WITH_GROUP
    modes = (CERTIFICATE_MODE, CERTIFICATE_MODE, key_mode)
    found = []
    with (
        reading.opened(generations.DIRECTORY, private) as kept,
        reading.opened(used, kept) as generation,
    ):
        for name, mode in zip(GENERATION_NAMES, modes, strict=True):
            try:
                status = os.lstat(name, dir_fd=generation)
            except FileNotFoundError:
                found.append(f"{name} is missing from the generation {used}")
                continue
            if not stat.S_ISREG(status.st_mode):
                found.append(f"{name} of the generation {used} is not a regular file")
            elif stat.S_IMODE(status.st_mode) != mode:
                is_now = f"{stat.S_IMODE(status.st_mode):04o}"
                found.append(f"{name} of the generation {used} has mode {is_now}, not {mode:04o}")
    return tuple(found)
