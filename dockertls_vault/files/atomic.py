"""Create files, directories and symbolic links that are either complete and synced, or absent.

Every call is relative to an open directory and follows no symbolic link, so that a user who can
write elsewhere cannot redirect a write. A uid or gid of KEEP leaves it as created, as chown(2)
does for -1.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from dockertls_vault import stop

from . import acl, descriptors
from .reading import OPEN_DIRECTORY, entries, opened

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

KEEP = -1
_REFER = OPEN_DIRECTORY | os.O_PATH
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_LOCK = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
_LOCK_MODE = 0o600
_LOCK_POLL = 0.05  # seconds
_OWNER_BITS = 0o700
_PERMISSION_BITS = 0o777
_RENAME_NOREPLACE = 1  # include/uapi/linux/fs.h


@contextmanager
def directory(name: str, mode: int, within: int) -> Iterator[int]:
    """Open the directory ``name``; if it does not exist, create it with exactly ``mode``."""
    try:
        os.mkdir(name, mode, dir_fd=within)
    except FileExistsError:
        made = False
    else:
        made = True
        _grant_owner_access(name, within)
    with opened(name, within) as descriptor:
        if made or _was_interrupted(descriptor, mode):
            _set_mode_and_owner(descriptor, mode, KEEP, KEEP)
            os.fsync(within)
        yield descriptor


def publish(path: Path, content: bytes, mode: int) -> None:
    """Replace the file at ``path``, which is no secret; raises OSError.

    A reader sees the former file or this one, complete. It is staged beside it, hidden. A device, a
    pipe or a symlink is refused: replacing /dev/null or /dev/stdout would break other programs.
    """
    staged = f".{path.name}.{os.getpid()}"
    with opened(os.path.realpath(path.parent)) as within:
        _refuse_irregular(path.name, within)
        with suppress(FileNotFoundError):
            os.unlink(staged, dir_fd=within)  # of a process that was killed
        try:
            create(staged, content, mode, within)
            os.rename(staged, path.name, src_dir_fd=within, dst_dir_fd=within)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(staged, dir_fd=within)


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
            _set_mode_and_owner(descriptor, _LOCK_MODE, KEEP, KEEP)
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
    """Create a file, set its owner and exactly ``mode`` while it is empty, write it and sync it.

    Until the file has its final group, no group may read it: a process that opened the empty file
    could read what is written later.
    """
    descriptor = os.open(name, _CREATE, mode & _OWNER_BITS, dir_fd=within)
    with os.fdopen(descriptor, "wb") as file:
        _set_mode_and_owner(descriptor, mode, uid, gid)
        file.write(content)
        file.flush()
        os.fsync(descriptor)


def copy(
    content: bytes,
    of: os.stat_result,
    name: str,
    within: int,
    attributes: Mapping[str, bytes] | None = None,
) -> None:
    """Create a file with the mode, owner and group ``of`` another, if permitted.

    If the group cannot be set, the group permissions are dropped: they would go to another group.
    ``attributes`` are the extended ones to set, an ACL among them, as far as that is possible.
    """
    mode = stat.S_IMODE(of.st_mode) & _PERMISSION_BITS
    descriptor = os.open(name, _CREATE, mode & _OWNER_BITS, dir_fd=within)
    with os.fdopen(descriptor, "wb") as file:
        acl.drop(descriptor)
        file.write(content)
        file.flush()
        try:
            os.fchown(descriptor, of.st_uid, of.st_gid)
        except PermissionError:
            mode &= ~stat.S_IRWXG
        for attribute, value in (attributes or {}).items():
            with suppress(OSError):
                os.setxattr(descriptor, attribute, value)
        os.fchmod(descriptor, mode)
        os.fsync(descriptor)


def replace(name: str, content: bytes, mode: int, within: int, staging: int) -> None:
    """Replace the file at ``name`` atomically: a reader sees the old content or the new.

    The new file is written in ``staging``, a directory on the same file system.
    """
    create(name, content, mode, staging)
    move(name, staging, within)


def symlink(name: str, target: str, within: int, staging: int) -> None:
    """Replace what is at ``name`` atomically with a symbolic link to ``target``.

    The link is created in ``staging``, then renamed. The directory is not synced: until the caller
    does that, a power failure can bring back the old link.
    """
    os.symlink(target, name, dir_fd=staging)
    os.rename(name, name, src_dir_fd=staging, dst_dir_fd=within)


def move(name: str, within: int, into: int) -> None:
    """Rename a finished file into the directory ``into``, replacing what is there; sync that."""
    os.rename(name, name, src_dir_fd=within, dst_dir_fd=into)
    os.fsync(into)


def rename_noreplace(name: str, new: str, within: int) -> None:
    """Rename a directory, failing if ``new`` exists; sync the parent.

    On systems without renameat2(2) an existing empty directory is replaced, as rename(2) does.
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


def remove(name: str, within: int) -> None:
    """Remove ``name``, recursively if it is a directory; follows no symbolic link.

    Removes as much as possible, then raises the first OSError.
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


def _refuse_irregular(name: str, within: int) -> None:
    with suppress(FileNotFoundError):
        if not stat.S_ISREG(os.lstat(name, dir_fd=within).st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file")


def _acquired(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _set_mode_and_owner(made: int, mode: int, uid: int, gid: int) -> None:
    """Set the owner and the exact mode of what was just created, whatever the umask removed.

    The umask itself is left alone, because it belongs to the whole process. An ACL inherited from
    the directory is removed, because it could grant more than the mode.
    """
    acl.drop(made)
    if (uid, gid) != (KEEP, KEEP):
        os.fchown(made, uid, gid)
    os.fchmod(made, mode)
    found = os.fstat(made)
    # Some file systems without modes and owners silently ignore both: vfat with "quiet", CIFS.
    if (
        stat.S_IMODE(found.st_mode) & _PERMISSION_BITS & ~mode
        or uid not in {KEEP, found.st_uid}
        or gid not in {KEEP, found.st_gid}
    ):
        raise OSError(errno.EPERM, "this file system does not support modes and owners")


def _grant_owner_access(name: str, within: int) -> None:
    """Make a new directory accessible to its owner, in case the umask removed even that.

    Without O_PATH such a directory cannot be opened, and with it fchmod(2) fails.
    """
    with descriptors.opened(name, _REFER, within) as descriptor:
        if os.fstat(descriptor).st_mode & _OWNER_BITS != _OWNER_BITS:
            Path(f"/proc/self/fd/{descriptor}").chmod(_OWNER_BITS)


def _was_interrupted(directory: int, mode: int) -> bool:
    """Tell whether a killed run created this directory but did not get to set its mode.

    Such a directory is empty and has fewer permissions than ``mode``, because of the umask.
    """
    left = stat.S_IMODE(os.fstat(directory).st_mode)
    return left != mode and left & ~mode == 0 and not entries(directory)
