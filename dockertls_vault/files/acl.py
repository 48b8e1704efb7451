"""POSIX access control lists, acl(5): those of an open file or directory, and none.

Linux keeps them as extended attributes of little-endian numbers: a version, then for each entry
a tag, its permissions, and whose they are (include/uapi/linux/posix_acl_xattr.h). Other systems,
and file systems without them, have none here.
"""

from __future__ import annotations

import errno
import os
import struct
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from dockertls_vault.errors import CannotWrite

if TYPE_CHECKING:
    from collections.abc import Iterator

ACCESS = "system.posix_acl_access"
DEFAULT = "system.posix_acl_default"  # what is made in a directory begins with it
_VERSION = struct.Struct("<I")
_ENTRY = struct.Struct("<HHI")


class Tag(IntEnum):
    """Whom an entry is about; only a named user or group has a number of its own."""

    USER_OBJ = 0x01
    USER = 0x02
    GROUP_OBJ = 0x04
    GROUP = 0x08
    MASK = 0x10
    OTHER = 0x20


@dataclass(frozen=True)
class Entry:
    """What one entry permits, as three bits."""

    tag: int
    permissions: int
    id: int = 2**32 - 1


def entries(descriptor: int) -> tuple[Entry, ...]:
    """Return the entries of the access ACL; none where the mode says it all.

    By /proc, because a descriptor with O_PATH has no attributes of its own; raises CannotWrite
    without it.
    """
    if sys.platform != "linux":
        return ()
    packed = b""
    try:
        with _none_is_fine():
            packed = os.getxattr(f"/proc/self/fd/{descriptor}", ACCESS)
    except FileNotFoundError:
        raise CannotWrite(
            "cannot determine who else can write: /proc is missing", hint="mount it"
        ) from None
    return tuple(Entry(*found) for found in _ENTRY.iter_unpack(packed[_VERSION.size :]))


def drop(descriptor: int) -> None:
    """Take off every ACL; raises OSError if one is left."""
    if sys.platform != "linux":
        return
    for kind in (ACCESS, DEFAULT):
        with _none_is_fine():
            os.removexattr(descriptor, kind)
            os.getxattr(descriptor, kind)
            raise OSError(errno.EPERM, "an ACL that cannot be removed")


@contextmanager
def _none_is_fine() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in {errno.ENODATA, errno.ENOTSUP}:
            raise
