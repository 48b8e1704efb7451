"""Files of others that a credential takes the place of: they are kept, as what was in them.

A link there is not kept as a link: it may lead to what changes, or to what is about to be replaced.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from dockertls_vault.errors import CannotWrite
from dockertls_vault.files import atomic

from .layout import GENERATION_NAMES

if TYPE_CHECKING:
    from .layout import Placement

DIRECTORY = "backup"


def fill(placement: Placement, directory: int, backup: int) -> None:
    """Keep what the public names in ``directory`` show, in an open ``backup``.

    Raises CannotWrite for what cannot be kept; nothing was touched then.
    """
    for public, name in zip(placement.public_names, GENERATION_NAMES, strict=True):
        try:
            with suppress(FileNotFoundError):
                _keep(public, name, directory, backup)
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is larger than 1 MiB"
            raise CannotWrite(
                f"{placement.directory / public} cannot be backed up: {why}",
                hint="move it away",
            ) from None


def _keep(public: str, name: str, directory: int, backup: int) -> None:
    if stat.S_ISREG(os.lstat(public, dir_fd=directory).st_mode):
        try:
            os.link(public, name, src_dir_fd=directory, dst_dir_fd=backup, follow_symlinks=False)
        except OSError:  # of another's file (proc_sys_fs(5)), one link too many, or none at all
            atomic.copy(*atomic.read_with_status(public, directory), name, backup)
    elif _shows_a_file(public, directory):
        atomic.copy(*atomic.read_with_status(public, directory), name, backup)
    else:  # nobody could read anything there, and nobody can in the backup
        os.symlink(os.readlink(public, dir_fd=directory), name, dir_fd=backup)


def _shows_a_file(public: str, directory: int) -> bool:
    try:
        return stat.S_ISREG(os.stat(public, dir_fd=directory).st_mode)
    except OSError as error:
        if error.errno in {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}:
            return False
        raise
