"""Read files that decide where the token is sent or which program runs, if they are safe.

Safe means that only root and this user can write them, as ssh requires of its configuration
(readconf.c). The check is done on the open file, on its directory, and on the directory that a
symbolic link resolves to: a user who can write there can replace the file.
"""

from __future__ import annotations

import os
import shlex
import stat
from dataclasses import dataclass
from pathlib import Path

from dockertls_vault.errors import InvalidSetting

from . import acl, bounded, walk
from .descriptors import opened
from .writers import Trust, untrusted_writers, user_name


@dataclass(frozen=True)
class Use:
    """What a file is used for, as a predicate (``names a program to run``), for messages.

    ``hint`` is what to do if the file belongs to another user.
    """

    predicate: str
    hint: str


def read(file: Path, use: Use) -> bytes:
    """Return the content of a file; raises InvalidSetting if another user could write it.

    Raises OSError and ValueError as ``bounded.read`` does.
    """
    with opened(file, bounded.OPEN) as descriptor:
        # VAULT_CONFIG_PATH=/dev/null disables the token helper; everyone can write to that.
        if os.path.samestat(os.fstat(descriptor), Path(os.devnull).stat()):
            return b""
        _refuse_others(file, descriptor, use)
        return bounded.read_opened(descriptor)


def check(file: Path, use: Use) -> None:
    """Raise InvalidSetting if another user could write a file, OSError if it does not exist."""
    with walk.open_path(str(file.resolve(strict=True))) as descriptor:
        _refuse_others(file, descriptor, use)


def _refuse_others(file: Path, descriptor: int, use: Use) -> None:
    doubt = f"{file} {use.predicate}, and"
    _refuse(descriptor, file, f"{doubt} can be written by", f"{doubt} belongs to", use)
    for directory in dict.fromkeys((file.parent, file.resolve().parent)):
        with opened(directory, walk.PATH_ONLY | os.O_DIRECTORY) as within:
            can_write = f"{doubt} another can be put in its place in {directory} by"
            _refuse(within, directory, can_write, f"{doubt} {directory} belongs to", use)


def _refuse(descriptor: int, path: Path, can_write: str, belongs: str, use: Use) -> None:
    """Raise InvalidSetting unless only root and this user own and can write what is open."""
    status = os.fstat(descriptor)
    trust = Trust(frozenset({0, os.geteuid()}))
    if status.st_uid not in trust.users:
        raise InvalidSetting(f"{belongs} {user_name(status.st_uid)}", hint=use.hint)
    sticky = stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX
    # Kubernetes mounts a ConfigMap read-only, as a directory with mode 0777.
    if sticky or os.fstatvfs(descriptor).f_flag & os.ST_RDONLY:
        return
    found = untrusted_writers(status, acl.entries(descriptor), trust)
    if found:
        raise InvalidSetting(
            f"{can_write} {' and '.join(writer.name for writer in found)}",
            hint=" and ".join(
                f"{writer.remedy} {shlex.quote(str(path.absolute()))}" for writer in found
            ),
        )
