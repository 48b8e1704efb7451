"""Open a directory one path component at a time, and check each component once it is open.

Between checking a path and using it, the owner of a directory along the path could replace a
component with a symbolic link. A descriptor stays on the directory that was checked.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .descriptors import opened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    Check = Callable[["Component"], None]
    # Called with a name, the descriptor of its parent and the number of components after it.
    Make = Callable[[str, int, int], None]

# O_PATH needs no read permission and never blocks; macOS does not have it.
PATH_ONLY = getattr(os, "O_PATH", os.O_RDONLY | os.O_NONBLOCK) | os.O_CLOEXEC
_MAX_LINKS = 40  # as in Linux, path_resolution(7)


@dataclass(frozen=True)
class Component:
    """One component of a path: an open directory, or a link or another file, which is not open.

    ``path`` has no symbolic link in it, other than its last part. ``remaining`` is the number of
    components after this one.
    """

    path: Path
    status: os.stat_result
    descriptor: int | None
    remaining: int


@dataclass(frozen=True)
class OpenDirectory:
    """A directory opened with O_PATH: it serves as a ``dir_fd``, but cannot be read.

    ``remaining`` is the number of components below it that could not be opened.
    """

    path: Path
    descriptor: int
    remaining: int


@contextmanager
def open_directory(
    directory: Path, check: Check, make: Make | None = None
) -> Iterator[OpenDirectory]:
    """Open ``directory``, or without ``make`` its deepest ancestor that exists and is accessible.

    ``check`` is called with each component from / on, including links, and raises to reject one.
    """
    rest = [*reversed(directory.absolute().parts)]
    path = Path("/")
    links = 0
    with ExitStack() as stack:
        here = stack.enter_context(open_path("/"))
        while rest:
            # Normalizing ``..`` is safe, because ``path`` has no symbolic link in it.
            step, remaining = Path(os.path.normpath(path / rest[-1])), len(rest) - 1
            try:
                status = os.lstat(rest[-1], dir_fd=here)
                if stat.S_ISDIR(status.st_mode):
                    found = stack.enter_context(open_path(rest[-1], here, os.O_DIRECTORY))
            except PermissionError:
                if make is None:
                    break
                raise
            except FileNotFoundError:
                if make is None:
                    break
                make(rest[-1], here, remaining)
                continue
            if stat.S_ISDIR(status.st_mode):
                check(Component(step, os.fstat(found), found, remaining))
                rest.pop()
                here, path = found, step
                continue
            check(Component(step, status, None, remaining))
            link = rest.pop()
            target = os.readlink(link, dir_fd=here)
            if _place(link, here) != _place(target, here):
                raise OSError(errno.EXDEV, "the link resolves to another place", str(step))
            rest += reversed(Path(target).parts)
            links += 1
            if links > _MAX_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(step))
        yield OpenDirectory(path, here, len(rest))


def _place(name: str, within: int) -> tuple[int, int, str] | None:
    """Return the device, the inode and the mount of what a name resolves to, None if nothing.

    The kernel follows a magic link of /proc without using its text, which is a path in another
    mount namespace (proc_pid_root(5)): in ours, it may name another file or another mount.
    """
    try:
        with opened(name, PATH_ONLY & ~os.O_NOFOLLOW, within) as found:
            status = os.fstat(found)
            return status.st_dev, status.st_ino, _mount(found)
    except OSError:
        return None


def _mount(descriptor: int) -> str:
    """Return the mount ID of a descriptor (proc_pid_fdinfo(5)), "" if it is unknown."""
    try:
        lines = Path(f"/proc/self/fdinfo/{descriptor}").read_text(errors="replace").splitlines()
    except OSError:
        return ""
    return next((line for line in lines if line.startswith("mnt_id:")), "")


def open_path(name: str, within: int | None = None, flags: int = 0) -> AbstractContextManager[int]:
    """Open a file of any type to inspect it, not to read it; follows no symbolic link."""
    return opened(name, PATH_ONLY | os.O_NOFOLLOW | flags, within)
