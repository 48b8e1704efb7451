"""The credentials that this host knows, so that they are renewed without being named.

    STATE/credentials/<SHA-256 of the path, 32 digits> -> the credential's directory

An entry is a symbolic link, which is made and removed in one step and read without being followed.
STATE is root's ``/var/lib/dockertls-vault``, or that of a user below XDG_STATE_HOME. What is
listed is renewed with this process's rights, so nobody else may be able to write there.
"""

from __future__ import annotations

import errno
import hashlib
import os
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from dockertls_vault.files import reading, walk

from .layout import Placement
from .preflight import refusals
from .worker import make_component, refuse_component

if TYPE_CHECKING:
    from collections.abc import Iterator

_ENTRIES = "credentials"
_DIGITS = 32


class Registry:
    """The credentials listed in the directory ``state``, which is made when it is needed."""

    def __init__(self, state: Path) -> None:
        self._state = state

    def add(self, credential: Path) -> None:
        """List the directory of a credential; listing it twice is the same as once.

        Raises CannotWrite if the list cannot be written.
        """
        with refusals(self._state), self._entries(make=True) as entries:
            with suppress(FileExistsError):
                os.symlink(credential.absolute(), _name(credential), dir_fd=entries)
            os.fsync(entries)

    def remove(self, credential: Path) -> None:
        """Remove a directory from the list, if it is there; raises CannotWrite if that fails."""
        with (
            refusals(self._state),
            suppress(FileNotFoundError),
            self._entries() as entries,
        ):
            os.unlink(_name(credential), dir_fd=entries)
            os.fsync(entries)

    def known(self) -> tuple[Path, ...]:
        """Return the directories listed, in the order of their paths.

        Raises CannotWrite if somebody else could have written the list.
        """
        with (
            refusals(self._state),
            suppress(FileNotFoundError),
            self._entries() as entries,
        ):
            targets = (reading.link_target(name, entries) for name in reading.entries(entries))
            return tuple(sorted(Path(target) for target in targets if target is not None))
        return ()

    @contextmanager
    def _entries(self, *, make: bool = False) -> Iterator[int]:
        """Open the directory of the entries; raises FileNotFoundError if it is missing."""
        where = self._state / _ENTRIES
        place = Placement(where, kind=None, worker=os.geteuid(), movable=False)
        making = make_component if make else None
        with walk.open_directory(where, partial(refuse_component, place), making) as reached:
            if reached.remaining:
                where.stat()  # raises PermissionError if that is why
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(where))
            with reading.opened(".", reached.descriptor) as entries:
                yield entries


def _name(credential: Path) -> str:
    path = os.fsencode(credential.absolute())
    return hashlib.sha256(path).hexdigest()[:_DIGITS]
