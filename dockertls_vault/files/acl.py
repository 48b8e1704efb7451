"""POSIX access control lists, acl(5): read and remove those of an open file or directory.

Linux stores an ACL as an extended attribute of little-endian numbers: a version, then a tag,
permissions and an id for each entry (include/uapi/linux/posix_acl_xattr.h). On other operating
systems, and on file systems without ACLs, a file has none.
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
DEFAULT = "system.posix_acl_default"  # inherited by what is created in a directory
_VERSION = struct.Struct("<I")
_ENTRY = struct.Struct("<HHI")


class Tag(IntEnum):
    """Whom an entry applies to; only USER and GROUP, a named user or group, have an id."""

    USER_OBJ = 0x01
    USER = 0x02
    GROUP_OBJ = 0x04
    GROUP = 0x08
    MASK = 0x10
    OTHER = 0x20


@dataclass(frozen=True)
class Entry:
    """One entry of an ACL; ``permissions`` are the three bits rwx."""

    tag: int
    permissions: int
    id: int = 2**32 - 1


def entries(descriptor: int) -> tuple[Entry, ...]:
    """Return the entries of the access ACL; empty if the file has only a mode.

    Reads them through /proc, because fgetxattr(2) fails on a descriptor opened with O_PATH.
    Raises CannotWrite if /proc is not mounted.
    """
    if sys.platform != "linux":
        return ()
    packed = b""
    try:
        with _ignore_missing():
            packed = os.getxattr(f"/proc/self/fd/{descriptor}", ACCESS)
    except FileNotFoundError:
        raise CannotWrite(
            "cannot determine who else can write: /proc is not mounted", hint="mount it"
        ) from None
    return tuple(Entry(*found) for found in _ENTRY.iter_unpack(packed[_VERSION.size :]))


def drop(descriptor: int) -> None:
    """Remove the access and the default ACL; raises OSError if one remains."""
    if sys.platform != "linux":
        return
    for kind in (ACCESS, DEFAULT):
        with _ignore_missing():
            os.removexattr(descriptor, kind)
            os.getxattr(descriptor, kind)
            raise OSError(errno.EPERM, "an ACL that cannot be removed")


@contextmanager
def _ignore_missing() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in {errno.ENODATA, errno.ENOTSUP}:
            raise
