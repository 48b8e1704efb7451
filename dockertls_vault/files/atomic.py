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
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dockertls_vault import stop

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
_LOCK_MODE = 0o600
_LOCK_POLL = 0.05  # seconds
_OWNERS = 0o700
_ALL = 0o777
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
        if made or _was_cut_short(descriptor, mode):
            _give(descriptor, mode, KEEP, KEEP)
            os.fsync(within)
        yield descriptor


@contextmanager
def locked(name: str, within: int, *, wait: float) -> Iterator[None]:
    """Hold the lock file ``name`` (0600); raises TimeoutError after ``wait`` seconds."""
    try:
        descriptor = os.open(name, _CREATE, _LOCK_MODE, dir_fd=within)
    except FileExistsError:
        descriptor = os.open(name, _LOCK, dir_fd=within)
        made = False
    else:
        made = True
    try:
        if made:
            _give(descriptor, _LOCK_MODE, KEEP, KEEP)
        deadline = time.monotonic() + wait
        while not _acquired(descriptor):
            if time.monotonic() > deadline:
                raise TimeoutError
            stop.wait(_LOCK_POLL)
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
    return read_with_status(path, within)[0]


def read_with_status(path: Path | str, within: int | None = None) -> tuple[bytes, os.stat_result]:
    """Return what ``read`` does, and whose it is."""
    descriptor = os.open(path, _READ, dir_fd=within)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST:
            raise ValueError("it is not a regular file, or one of more than 1 MiB")
        return file.read(LARGEST), status


def copy(content: bytes, of: os.stat_result, name: str, within: int) -> None:
    """Create a file with the mode and the owner ``of`` another, as far as this user can give it.

    A group that cannot be given reads nothing: another would read in its place.
    """
    mode = stat.S_IMODE(of.st_mode) & 0o777
    descriptor = os.open(name, _CREATE, mode & _OWNERS, dir_fd=within)
    with os.fdopen(descriptor, "wb") as file:
        acl.drop(descriptor)
        file.write(content)
        file.flush()
        try:
            os.fchown(descriptor, of.st_uid, of.st_gid)
        except PermissionError:
            mode &= ~stat.S_IRWXG
        os.fchmod(descriptor, mode)
        os.fsync(descriptor)


def replace(name: str, content: bytes, mode: int, within: int, staging: int) -> None:
    """Put a file at ``name`` in one step; whoever reads it sees the old content or the new.

    It is prepared in ``staging``, a directory of the same file system.
    """
    create(name, content, mode, staging)
    move(name, staging, within)


def point(name: str, target: str, within: int, staging: int) -> None:
    """Put a symbolic link to ``target`` at ``name`` in one step, in place of what is there.

    It is prepared in ``staging``. Not synced: until then a power cut can bring back the old one.
    """
    os.symlink(target, name, dir_fd=staging)
    os.rename(name, name, src_dir_fd=staging, dst_dir_fd=within)


def move(name: str, within: int, into: int) -> None:
    """Take what is complete to its place, over what is at its name there, in one step; sync."""
    os.rename(name, name, src_dir_fd=within, dst_dir_fd=into)
    os.fsync(into)


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
    """Remove what is at ``name``, of a directory first all that is in it; no link is followed.

    As much as can be is removed, whatever else cannot; raises OSError for the first of that.
    """
    if not stat.S_ISDIR(os.lstat(name, dir_fd=within).st_mode):
        os.unlink(name, dir_fd=within)
        return
    failed = []
    with opened(name, within) as descriptor:
        for entry in entries(descriptor):
            try:
                remove(entry, descriptor)
            except OSError as error:
                failed.append(error)
    if failed:
        raise failed[0]
    os.rmdir(name, dir_fd=within)


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
    found = os.fstat(made)
    # Some that know neither modes nor owners take both without a word: vfat with quiet, CIFS.
    if (
        stat.S_IMODE(found.st_mode) & _ALL & ~mode
        or uid not in {KEEP, found.st_uid}
        or gid not in {KEEP, found.st_gid}
    ):
        raise OSError(errno.EPERM, "this file system does not support modes and owners")


def _let_owner_in(name: str, within: int) -> None:
    """Let a directory that was just made be opened, under a umask that forbids even its owner."""
    if os.lstat(name, dir_fd=within).st_mode & _OWNERS != _OWNERS:
        os.chmod(name, _OWNERS, dir_fd=within, follow_symlinks=False)


def _was_cut_short(directory: int, mode: int) -> bool:
    """Tell whether a directory is of a run that was killed before it could give the mode.

    The umask left less of it then, and nothing is in it.
    """
    left = stat.S_IMODE(os.fstat(directory).st_mode)
    return left != mode and left & ~mode == 0 and not entries(directory)
