"""Read files, links and directories: nothing blocks, and nothing is read without a limit.

`needs-renewal` imports this module at each tick of a timer, so it imports little itself.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from . import descriptors

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

# Bytes; far more than any file of a credential needs.
LARGEST = 1 << 20
OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_EXECUTABLE = 0o111
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def opened(name: str, within: int | None = None) -> AbstractContextManager[int]:
    """Open the directory ``name``, which must not be a symbolic link."""
    return descriptors.opened(name, OPEN_DIRECTORY, within)


def read(path: Path | str, within: int | None = None, *, follow: bool = True) -> bytes:
    """Return the content of a regular file of at most LARGEST bytes.

    Raises ValueError for anything else: reading a FIFO would block, and a device may be endless.
    Without ``follow``, that includes a symbolic link.
    """
    return read_with_status(path, within, follow=follow)[0]


def read_with_status(
    path: Path | str, within: int | None = None, *, follow: bool = True
) -> tuple[bytes, os.stat_result]:
    """Return what ``read`` does, with the file's status: its mode, owner and group."""
    if not follow and stat.S_ISLNK(os.lstat(path, dir_fd=within).st_mode):
        raise ValueError("it is a symbolic link")
    flags = _READ if follow else _READ | os.O_NOFOLLOW
    with descriptors.opened(path, flags, within) as descriptor:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST:
            raise ValueError("it is not a regular file of at most 1 MiB")
        return _content(descriptor), status


def link_target(name: str, within: int) -> str | None:
    """Return the target of the symbolic link ``name``, or None if it is not one."""
    try:
        return os.readlink(name, dir_fd=within)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno != errno.EINVAL:  # readlink(2): it is not a symbolic link
            raise
        return None


def entries(within: int) -> list[str]:
    """Return the names of the entries in an open directory."""
    return os.listdir(within)


def executables(directory: str) -> list[str]:
    """Return the paths of the executables in a directory, sorted by name.

    Hidden files are skipped. Empty if there is no such directory; raises OSError.
    """
    try:
        with descriptors.opened(directory, OPEN_DIRECTORY & ~os.O_NOFOLLOW) as within:
            names = sorted(name for name in entries(within) if not name.startswith("."))
            return [f"{directory}/{name}" for name in names if _is_executable(name, within)]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _is_executable(name: str, within: int) -> bool:
    try:
        mode = os.stat(name, dir_fd=within).st_mode
    except OSError:  # such as a dangling symlink: running it fails with the reason
        return True
    return stat.S_ISREG(mode) and bool(mode & _EXECUTABLE)


def _content(descriptor: int) -> bytes:
    """Return at most LARGEST bytes, even of a file that grows meanwhile."""
    found = b""
    while len(found) < LARGEST and (part := os.read(descriptor, LARGEST - len(found))):
        found += part
    return found
