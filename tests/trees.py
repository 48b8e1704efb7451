"""Everything in a credential's directory, to compare before and after."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# What a failure may change: when another generation would have been due, and the lock, which stays.
_MAY_CHANGE = {"due.json", "renewal.lock"}


def tree(directory: Path) -> dict[str, tuple[int, int, int, bytes]]:
    """Return the mode, owner, group and content of everything in a directory."""
    found = {}
    for path in sorted(directory.rglob("*")):
        status = path.lstat()
        content = b""
        if stat.S_ISLNK(status.st_mode):
            content = os.fsencode(path.readlink())
        elif stat.S_ISREG(status.st_mode):
            content = path.read_bytes()
        if path.name not in _MAY_CHANGE:
            name = str(path.relative_to(directory))
            found[name] = (status.st_mode, status.st_uid, status.st_gid, content)
    return found
