"""The generations of a credential: which one is in use, which stay, and which go.

A generation is what it is on the disk, by device and inode. What the link ``current`` says may be
written in many ways, above all by whoever set it by hand: absolute, with ``./``, with the slash
that a shell's completion adds, or by way of another link.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from dockertls_vault.files import atomic

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

DIRECTORY = "generations"
CURRENT = "current"
KEPT = 3
_NAME = re.compile(r"\d{8}T\d{6}\.\d{6}Z-[0-9a-f]+")


def stamp(now: datetime) -> str:
    """Return the time that a name begins with, in UTC, so that names sort by age."""
    return f"{now:%Y%m%dT%H%M%S}.{now.microsecond:06}Z"


def names(generations: int) -> tuple[str, ...]:
    """Return the names of the generations in their open directory, newest first."""
    return tuple(sorted(filter(_NAME.fullmatch, atomic.entries(generations)), reverse=True))


def in_use(private: int, generations: int) -> str | None:
    """Return the name of the generation that ``current`` opens; None where it opens another place.

    Both directories are open.
    """
    return next(
        (name for name in names(generations) if _is_current(name, generations, private)), None
    )


def retire(generations: int, staging: int, spared: Collection[str]) -> tuple[str, ...]:
    """Take those that are too old out of the generations; return what could not be, and why.

    ``spared`` stay, and of the others the newest up to KEPT. Each leaves whole, in one rename to
    ``staging``, where what is left over is removed.
    """
    problems = []
    try:
        others = [name for name in names(generations) if name not in spared]
    except OSError as error:
        return (f"cannot list the old generations: {error.strerror}",)
    for name in others[max(0, KEPT - len(spared)) :]:
        try:
            os.rename(name, name, src_dir_fd=generations, dst_dir_fd=staging)
        except OSError as error:
            problems.append(f"the old generation {name} cannot be removed: {error.strerror}")
    return tuple(problems)


def discard(staging: int, private: int) -> tuple[str, ...]:
    """Remove what is in ``staging`` and not in use; return what could not be removed, and why."""
    problems = []
    try:
        left = atomic.entries(staging)
    except OSError as error:
        return (f"cannot list leftover files: {error.strerror}",)
    for name in left:
        if not _is_current(name, staging, private):
            try:
                atomic.remove(name, staging)
            except OSError as error:
                problems.append(f"{name} is left over and cannot be removed: {error.strerror}")
    return tuple(problems)


def _is_current(name: str, within: int, private: int) -> bool:
    try:
        return os.path.samestat(
            os.stat(name, dir_fd=within, follow_symlinks=False), os.stat(CURRENT, dir_fd=private)
        )
    except OSError:  # one is not there, or current leads nowhere, or in a circle
        return False
