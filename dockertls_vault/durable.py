"""Files, directories and links that are complete and synced, or not there at all.

Everything is done relative to an open directory and follows no symbolic link, so that nobody
who can write elsewhere can lead a write astray. A uid or gid of KEEP is that of the process,
as chown(2) has it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from . import acl

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEEP = -1
# Far more than any file of a credential has.
LARGEST = 1 << 20
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_LOCK = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
_LOCK_POLL = 0.05  # seconds
_OWNERS = 0o700
_RENAME_NOREPLACE = 1  # include/uapi/linux/fs.h


@contextmanager
def opened(name: str, within: int | None = None) -> Iterator[int]:
    """Open the directory ``name``, which must not be a symbolic link."""
    descriptor = os.open(name, _OPEN_DIRECTORY, dir_fd=within)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def directory(name: str, mode: int, within: int) -> Iterator[int]:
    """Open the directory ``name``; if it is not there, make it with exactly ``mode``."""
    try:
        os.mkdir(name, mode, dir_fd=within)
    except FileExistsError:
        made = False
    else:
        made = True
        _let_owner_in(name, within)
    with opened(name, within) as descriptor:
        if made:
            _give(descriptor, mode, KEEP, KEEP)
            os.fsync(within)
        yield descriptor


@contextmanager
def locked(name: str, within: int, *, wait: float) -> Iterator[None]:
    """Hold the lock file ``name`` (0600); raises TimeoutError after ``wait`` seconds."""
    try:
        descriptor = os.open(name, _CREATE, _OWNERS & 0o600, dir_fd=within)
    except FileExistsError:
        descriptor = os.open(name, _LOCK, dir_fd=within)
        made = False
    else:
        made = True
    try:
        if made:
            _give(descriptor, 0o600, KEEP, KEEP)
        deadline = time.monotonic() + wait
        while not _acquired(descriptor):
            if time.monotonic() > deadline:
                raise TimeoutError
            time.sleep(_LOCK_POLL)
        yield
    finally:
        os.close(descriptor)


def create(
    name: str, content: bytes, mode: int, within: int, *, uid: int = KEEP, gid: int = KEEP
) -> None:
    """Create a file with exactly ``mode`` and its final owner before anything is in it; sync it.

    A group reads nothing before the file is that group's: who opened an empty file can read
    what comes into it.
    """
    descriptor = os.open(name, _CREATE, mode & _OWNERS, dir_fd=within)
    with os.fdopen(descriptor, "wb") as file:
        _give(descriptor, mode, uid, gid)
        file.write(content)
        file.flush()
        os.fsync(descriptor)


def read(path: Path | str, within: int | None = None) -> bytes:
    """Return what is in a regular file of at most LARGEST bytes, links followed.

    Raises ValueError for anything else: a FIFO would be waited for, and a device has no end.
    """
    descriptor = os.open(path, _READ, dir_fd=within)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST:
            raise ValueError(f"neither a credential nor a part of one: {path}")
        return file.read(LARGEST)


def replace(name: str, content: bytes, mode: int, within: int) -> None:
    """Put a file at ``name`` in one step; whoever reads it sees the old content or the new."""
    with _staged(name, within) as staged:
        create(staged, content, mode, within)


def point(name: str, target: str, within: int) -> None:
    """Put a symbolic link to ``target`` at ``name`` in one step, in place of what is there."""
    with _staged(name, within) as staged:
        os.symlink(target, staged, dir_fd=within)


def target(name: str, within: int) -> str | None:
    """Return where the symbolic link ``name`` points, None if there is no such link."""
    try:
        if not stat.S_ISLNK(os.lstat(name, dir_fd=within).st_mode):
            return None
    except FileNotFoundError:
        return None
    return os.readlink(name, dir_fd=within)


def rename_new(name: str, new: str, within: int) -> None:
    """Give a directory its name, in no other's place; sync it.

    Where that cannot be asked of the system, in the place of one with nothing in it (rename(2)).
    """
    import ctypes

    names = (within, os.fsencode(name), within, os.fsencode(new))
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None or renameat2(*names, _RENAME_NOREPLACE) != 0:
        error = ctypes.get_errno() if renameat2 else errno.ENOSYS
        if error not in {errno.ENOSYS, errno.EINVAL}:
            raise OSError(error, os.strerror(error), new)
        os.rename(name, new, src_dir_fd=within, dst_dir_fd=within)
    os.fsync(within)


def entries(within: int) -> list[str]:
    """Return the names in an open directory."""
    return os.listdir(within)


def remove(name: str, within: int) -> None:
    """Remove the directory ``name`` and the files in it."""
    with opened(name, within) as descriptor:
        for file in entries(descriptor):
            os.unlink(file, dir_fd=descriptor)
    os.rmdir(name, dir_fd=within)


@contextmanager
def _staged(name: str, within: int) -> Iterator[str]:
    """Name a place to prepare ``name`` in; what was prepared there then takes its place."""
    staged = f".{name}.new"
    with suppress(FileNotFoundError):
        os.unlink(staged, dir_fd=within)
    yield staged
    os.rename(staged, name, src_dir_fd=within, dst_dir_fd=within)
    os.fsync(within)


def _acquired(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _give(made: int, mode: int, uid: int, gid: int) -> None:
    """Bring what was just made to its owner and its exact mode, whatever the umask left of it.

    The umask itself is the whole process's: to set it is to set it for all threads. A default
    ACL of the directory would let others in beside the mode.
    """
    acl.drop(made)
    if (uid, gid) != (KEEP, KEEP):
        os.fchown(made, uid, gid)
    os.fchmod(made, mode)


def _let_owner_in(name: str, within: int) -> None:
    """Let a directory that was just made be opened, under a umask that forbids even its owner."""
    if not os.access(name, os.R_OK | os.X_OK, dir_fd=within, effective_ids=True):
        os.chmod(name, _OWNERS, dir_fd=within, follow_symlinks=False)
