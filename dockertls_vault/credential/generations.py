"""The generations of a credential: which one is in use, which are kept, and which are removed.

A generation is identified by device and inode. The target of the symlink ``current`` can be written
in many ways, especially if set by hand: absolute, with ``./``, with the trailing slash that shell
completion adds, or through another symlink.
"""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from dockertls_vault.files import atomic, reading

if TYPE_CHECKING:
    from collections.abc import Collection

DIRECTORY = "generations"
CURRENT = "current"
KEPT = 3
_NAME = re.compile(r"\d{8}T\d{6}\.\d{6}Z-[0-9a-f]+")


def stamp(now: datetime) -> str:
    """Return the timestamp (UTC) that starts a generation's name, so that names sort by age."""
    return f"{now:%Y%m%dT%H%M%S}.{now.microsecond:06}Z"


def installed_at(name: str) -> datetime:
    """Return the time in UTC that a name begins with; raises ValueError for another name."""
    return datetime.strptime(name.partition("-")[0], "%Y%m%dT%H%M%S.%fZ").replace(tzinfo=UTC)


def names(generations: int) -> tuple[str, ...]:
    """Return the names of the generations in the open directory, newest first."""
    return tuple(sorted(filter(_NAME.fullmatch, reading.entries(generations)), reverse=True))


def in_use(private: int, generations: int) -> str | None:
    """Return the generation that ``current`` leads to, None if it leads elsewhere.

    Both arguments are open directories.
    """
    return next(
        (name for name in names(generations) if _is_current(name, generations, private)), None
    )


def retire(generations: int, staging: int, spared: Collection[str]) -> tuple[str, ...]:
    """Move old generations to ``staging``; return a problem for each that could not be moved.

    ``spared`` are kept, and the newest of the others, up to KEPT in all. Each generation is moved
    as a whole by one rename; ``discard`` then removes it.
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
            problems.append(f"cannot remove the old generation {name}: {error.strerror}")
    return tuple(problems)


def discard(staging: int, private: int) -> tuple[str, ...]:
    """Empty ``staging``, except for what is in use; return a problem for each failed removal."""
    problems = []
    try:
        left = reading.entries(staging)
    except OSError as error:
        return (f"cannot list leftover files: {error.strerror}",)
    for name in left:
        if not _is_current(name, staging, private):
            try:
                atomic.remove(name, staging)
            except OSError as error:
                problems.append(f"cannot remove the leftover {name}: {error.strerror}")
    return tuple(problems)


def _is_current(name: str, within: int, private: int) -> bool:
    try:
        return os.path.samestat(
            os.stat(name, dir_fd=within, follow_symlinks=False), os.stat(CURRENT, dir_fd=private)
        )
    except OSError:  # one does not exist, or current is dangling or part of a loop
        return False
