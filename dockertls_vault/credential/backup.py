"""Back up the files that a credential replaces and that this tool did not create.

The contents are kept: a symlink is followed, since its target may change or is being replaced too.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from dockertls_vault.errors import CannotWrite
from dockertls_vault.files import atomic, reading

from .naming import GENERATION_NAMES, PRIVATE

if TYPE_CHECKING:
    from pathlib import Path

    from .layout import Placement

DIRECTORY = "backup"


def newest(directory: Path) -> Path | None:
    """Return the newest backup in a credential's directory, if there is one."""
    backups = directory / PRIVATE / DIRECTORY
    try:
        with reading.opened(str(backups)) as opened:
            name = max(reading.entries(opened), default=None)
    except OSError:
        return None
    return None if name is None else backups / name


def fill(placement: Placement, directory: int, backup: int) -> None:
    """Back up the files under the public names in ``directory``; both are open directories.

    Raises CannotWrite if a file cannot be backed up; the originals are unchanged then.
    """
    for public, name in zip(placement.public_names, GENERATION_NAMES, strict=True):
        try:
            with suppress(FileNotFoundError):
                _keep(public, name, directory, backup)
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is larger than 1 MiB"
            raise CannotWrite(
                f"{placement.directory / public} cannot be backed up: {why}",
                hint="move it elsewhere",
            ) from None


def _keep(public: str, name: str, directory: int, backup: int) -> None:
    if stat.S_ISREG(os.lstat(public, dir_fd=directory).st_mode):
        try:
            os.link(public, name, src_dir_fd=directory, dst_dir_fd=backup, follow_symlinks=False)
        except OSError:  # protected_hardlinks (proc_sys_fs(5)), link limit reached, or unsupported
            atomic.copy(*reading.read_with_status(public, directory), name, backup)
    elif _leads_to_a_file(public, directory):
        atomic.copy(*reading.read_with_status(public, directory), name, backup)
    else:  # a dangling symlink: there are no contents to keep
        os.symlink(os.readlink(public, dir_fd=directory), name, dir_fd=backup)


def _leads_to_a_file(public: str, directory: int) -> bool:
    try:
        return stat.S_ISREG(os.stat(public, dir_fd=directory).st_mode)
    except OSError as error:
        if error.errno in {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}:
            return False
        raise
