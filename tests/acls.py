"""ACLs for tests, set without setfacl(1), which is not installed everywhere."""

from __future__ import annotations

import errno
import os
import struct
from typing import TYPE_CHECKING

from dockertls_vault.files.acl import ACCESS, Entry, Tag

from .harness.missing import missing

if TYPE_CHECKING:
    from pathlib import Path

_NOBODY = 2**32 - 1
READ, WRITE, ALL = 0o4, 0o2, 0o7


def user(uid: int, permissions: int) -> Entry:
    """Return the entry of a named user."""
    return Entry(Tag.USER, permissions, uid)


def group(gid: int, permissions: int) -> Entry:
    """Return the entry of a named group."""
    return Entry(Tag.GROUP, permissions, gid)


def grant(path: Path, *named: Entry, mask: int = ALL, kind: str = ACCESS) -> None:
    """Give a path an ACL with these entries in addition to owner, group and others."""
    entries = [
        Entry(Tag.USER_OBJ, ALL, _NOBODY),
        Entry(Tag.GROUP_OBJ, 0o5, _NOBODY),
        Entry(Tag.MASK, mask, _NOBODY),
        Entry(Tag.OTHER, 0o5, _NOBODY),
        *named,
    ]
    # The kernel requires entries sorted by tag, then by ID.
    entries.sort(key=lambda entry: (entry.tag, entry.id))
    packed = [struct.pack("<HHI", entry.tag, entry.permissions, entry.id) for entry in entries]
    try:
        os.setxattr(path, kind, struct.pack("<I", 2) + b"".join(packed))
    except OSError as error:
        if error.errno != errno.ENOTSUP:
            raise
        missing(f"no ACLs on the file system of {path}")
