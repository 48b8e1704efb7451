"""The generations of a credential: which there are, and which one is in use.

A generation is identified by device and inode. The target of the symlink ``current`` can be written
in many ways, especially if set by hand: absolute, with ``./``, with the trailing slash that shell
completion adds, or through another symlink.
"""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime

from dockertls_vault.files import reading

DIRECTORY = "generations"
CURRENT = "current"
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
        (name for name in names(generations) if is_current(name, generations, private)), None
    )


def is_current(name: str, within: int, private: int) -> bool:
    """Tell whether ``current`` leads to the directory ``name``."""
    try:
        return os.path.samestat(
            os.stat(name, dir_fd=within, follow_symlinks=False), os.stat(CURRENT, dir_fd=private)
        )
    except OSError:  # one does not exist, or current is dangling or part of a loop
        return False
