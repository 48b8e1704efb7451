"""The way to a directory, walked once: each step is opened in the one before, and judged as opened.

Between a look at a path and its use, whoever owns a directory on the way can put a link to
anywhere in the place of what was looked at. What is open stays what it is.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    # Given the path of a directory or a link, its status, and that of the directory it is in.
    Judge = Callable[[Path, os.stat_result, os.stat_result], None]
    # Makes the directory of that name in an open one, told how many more are to be made in it.
    Make = Callable[[str, int, int], None]

# With O_PATH, which macOS has not, no right to read is needed on the way.
_STEP = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MOST_LINKS = 40  # as Linux has it, path_resolution(7)


@contextmanager
def walked(directory: Path, judge: Judge, make: Make | None = None) -> Iterator[int]:
    """Open ``directory``, or without ``make`` the last one on the way to it that is there.

    ``judge`` sees each directory and each link, and raises where the way must not lead. What is
    given is good for names relative to it, and not to read or sync it.
    """
    rest = [*reversed(directory.absolute().parts)]
    links = 0
    with ExitStack() as opened:
        here, path = opened.enter_context(_step("/")), Path("/")
        while rest:
            # ``path`` has no link in it, so ``..`` means what it says.
            step = Path(os.path.normpath(path / rest[-1]))
            try:
                if stat.S_ISLNK((status := os.lstat(rest[-1], dir_fd=here)).st_mode):
                    judge(step, status, os.fstat(here))
                    rest += reversed(Path(os.readlink(rest.pop(), dir_fd=here)).parts)
                    links += 1
                    if links > _MOST_LINKS:
                        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(step))
                    continue
                found = opened.enter_context(_step(rest[-1], here))
            except FileNotFoundError:
                if make is None:
                    break
                make(rest[-1], here, len(rest) - 1)
            else:
                judge(step, os.fstat(found), os.fstat(here))
                rest.pop()
                here, path = found, step
        yield here


@contextmanager
def _step(name: str, within: int | None = None) -> Iterator[int]:
    descriptor = os.open(name, _STEP, dir_fd=within)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
