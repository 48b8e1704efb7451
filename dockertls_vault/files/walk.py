"""The way to a directory, walked once: each step is opened in the one before, and judged as opened.

Between a look at a path and its use, whoever owns a directory on the way can put a link to
anywhere in the place of what was looked at. What is open stays what it is.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Judge = Callable[["Step"], None]
    # Makes the directory of that name in an open one, told how many more are to be made in it.
    Make = Callable[[str, int, int], None]

# With O_PATH, which macOS has not, no right to read is needed, and nothing is waited for.
LOOK = getattr(os, "O_PATH", os.O_RDONLY | os.O_NONBLOCK) | os.O_CLOEXEC
_MOST_LINKS = 40  # as Linux has it, path_resolution(7)


@dataclass(frozen=True)
class Step:
    """A directory on the way, open; or a link or something else there, which is not.

    No link is in ``path``, but for its end where that is one. ``left`` is how many parts of the
    way come after it.
    """

    path: Path
    status: os.stat_result
    descriptor: int | None
    left: int


@dataclass(frozen=True)
class Reached:
    """The last directory that is there, open: good for names relative to it, not to read it."""

    path: Path
    descriptor: int
    left: int


@contextmanager
def to(directory: Path, judge: Judge, make: Make | None = None) -> Iterator[Reached]:
    """Open ``directory``, or without ``make`` the last one on the way to it that can be seen.

    ``judge`` sees all of the way from / on, each directory, each link and whatever else there
    is, and raises where it must not lead.
    """
    rest = [*reversed(directory.absolute().parts)]
    path = Path("/")
    links = 0
    with ExitStack() as opened:
        here = opened.enter_context(look("/"))
        while rest:
            # ``path`` has no link in it, so ``..`` means what it says.
            step, left = Path(os.path.normpath(path / rest[-1])), len(rest) - 1
            try:
                status = os.lstat(rest[-1], dir_fd=here)
                if stat.S_ISDIR(status.st_mode):
                    found = opened.enter_context(look(rest[-1], here, os.O_DIRECTORY))
            except PermissionError:
                if make is None:
                    break
                raise
            except FileNotFoundError:
                if make is None:
                    break
                make(rest[-1], here, left)
                continue
            if stat.S_ISDIR(status.st_mode):
                judge(Step(step, os.fstat(found), found, left))
                rest.pop()
                here, path = found, step
                continue
            judge(Step(step, status, None, left))
            link = rest.pop()
            target = os.readlink(link, dir_fd=here)
            if _place(link, here) != _place(target, here):
                raise OSError(errno.EXDEV, "a link that leads elsewhere than it says", str(step))
            rest += reversed(Path(target).parts)
            links += 1
            if links > _MOST_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(step))
        yield Reached(path, here, len(rest))


def _place(name: str, within: int) -> tuple[int, int, str] | None:
    """Return what is at a name: device, inode, and through which mount it is seen.

    The kernel follows a link of /proc without its text, which says where that would be in another
    mount namespace (proc_pid_root(5)); here that is another place, or the same by another mount.
    """
    try:
        found = os.open(name, LOOK & ~os.O_NOFOLLOW, dir_fd=within)
    except OSError:
        return None
    try:
        status = os.fstat(found)
        return status.st_dev, status.st_ino, _mount(found)
    finally:
        os.close(found)


def _mount(descriptor: int) -> str:
    """Return the number of a mount (proc_pid_fdinfo(5)), nothing where it cannot be told."""
    try:
        lines = Path(f"/proc/self/fdinfo/{descriptor}").read_text(errors="replace").splitlines()
    except OSError:
        return ""
    return next((line for line in lines if line.startswith("mnt_id:")), "")


@contextmanager
def look(name: str, within: int | None = None, flags: int = 0) -> Iterator[int]:
    """Open what is at a name, whatever it is, to see what it is and no more."""
    descriptor = os.open(name, LOOK | os.O_NOFOLLOW | flags, dir_fd=within)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
