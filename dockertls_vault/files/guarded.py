"""Files that decide where the token goes or what is run: used where nobody else could write them.

As ssh does with its configuration (readconf.c). The file is judged as it is open, and so are the
directories of its name and of what that leads to: whoever can write there can take it away, or put
another file of ours in its place.
"""

from __future__ import annotations

import os
import shlex
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dockertls_vault.errors import InvalidSetting

from . import acl, bounded, walk
from .writers import Trust, others, user_name

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Power:
    """What a file decides, as a verb and what follows, and the way out where it is another's."""

    decides: str
    instead: str


def read(file: Path, power: Power) -> bytes:
    """Return what is in a file; raises InvalidSetting where others could write it.

    What cannot be read to its end is as for ``bounded.read``.
    """
    with _opened(file, bounded.OPEN) as descriptor:
        # VAULT_CONFIG_PATH=/dev/null is how a token helper is turned off; anybody can write there.
        if os.path.samestat(os.fstat(descriptor), Path(os.devnull).stat()):
            return b""
        _refuse_others(file, descriptor, power)
        return bounded.read_opened(descriptor)


def judge(file: Path, power: Power) -> None:
    """Raise InvalidSetting where others could write a file, OSError where it is not there."""
    with walk.look(str(file.resolve(strict=True))) as descriptor:
        _refuse_others(file, descriptor, power)


def _refuse_others(file: Path, descriptor: int, power: Power) -> None:
    doubt = f"{file} {power.decides}, and"
    _refuse(descriptor, file, f"{doubt} can be written by", f"{doubt} belongs to", power)
    for directory in dict.fromkeys((file.parent, file.resolve().parent)):
        with _opened(directory, walk.LOOK | os.O_DIRECTORY) as within:
            can_write = f"{doubt} another can be put in its place in {directory} by"
            _refuse(within, directory, can_write, f"{doubt} {directory} belongs to", power)


def _refuse(descriptor: int, path: Path, can_write: str, belongs: str, power: Power) -> None:
    """Refuse what is open where it is neither root's nor this user's, or others can write it."""
    status = os.fstat(descriptor)
    trust = Trust(frozenset({0, os.geteuid()}))
    if status.st_uid not in trust.users:
        raise InvalidSetting(f"{belongs} {user_name(status.st_uid)}", hint=power.instead)
    sticky = stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX
    # Kubernetes mounts a ConfigMap read-only, as a directory with the mode 0777.
    if sticky or os.fstatvfs(descriptor).f_flag & os.ST_RDONLY:
        return
    found = others(status, acl.entries(descriptor), trust)
    if found:
        raise InvalidSetting(
            f"{can_write} {' and '.join(writer.name for writer in found)}",
            hint=" and ".join(
                f"{writer.remedy} {shlex.quote(str(path.absolute()))}" for writer in found
            ),
        )


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    descriptor = os.open(path, flags)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
