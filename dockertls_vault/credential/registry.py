"""The credentials that this host knows, so that they are renewed without being named.

    STATE/credentials/<SHA-256 of the path, 32 digits> -> the credential's directory
    STATE/requests/<the same digits> -> SHA-256 of what was requested for it
    STATE/looked                                          empty; its mtime is in state.py

An entry is a symbolic link, which is made and removed in one step and read without being followed.
STATE is root's ``/var/lib/dockertls-vault``, or that of a user below XDG_STATE_HOME. What is
listed is renewed with this process's permissions, so no other user may be able to write there.

The digest is for root, who renews credentials in directories of other users: they can edit their
request.json, and root's token must not sign whatever they write there.
"""

from __future__ import annotations

import errno
import hashlib
import os
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from dockertls_vault.files import atomic, reading, walk
from dockertls_vault.files.refusals import refusals

from . import record, state
from .layout import Placement
from .worker import make_component, refuse_component

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from .record import Record

_REQUESTS = "requests"
_LOOKED_MODE = 0o644
_DIGITS = 32


class Registry:
    """The credentials listed in a state ``directory``, which is made when it is needed."""

    def __init__(self, directory: Path) -> None:
        self._state = directory

    def add(self, credential: Path) -> None:
        """List the directory of a credential; listing it twice is the same as once.

        Raises CannotWrite if the list cannot be written.
        """
        with refusals(self._state), self._opened(state.CREDENTIALS, make=True) as entries:
            with suppress(FileExistsError):
                os.symlink(credential.absolute(), _name(credential), dir_fd=entries)
            os.fsync(entries)

    def vouch(self, credential: Path, requested: Record) -> None:
        """Remember what was requested; raises CannotWrite if that cannot be written."""
        with refusals(self._state), self._opened(_REQUESTS, make=True) as requests:
            with suppress(FileNotFoundError):
                os.unlink(_name(credential), dir_fd=requests)
            os.symlink(record.digest(requested), _name(credential), dir_fd=requests)
            os.fsync(requests)

    def vouches_for(self, credential: Path, requested: Record) -> bool:
        """Tell whether this was requested when the credential was issued."""
        with (
            refusals(self._state),
            suppress(FileNotFoundError),
            self._opened(_REQUESTS) as requests,
        ):
            return reading.link_target(_name(credential), requests) == record.digest(requested)
        return False

    def remove(self, credential: Path) -> None:
        """Remove a directory from the list, if it is there; raises CannotWrite if that fails."""
        for kind in (_REQUESTS, state.CREDENTIALS):
            with (
                refusals(self._state),
                suppress(FileNotFoundError),
                self._opened(kind) as entries,
            ):
                os.unlink(_name(credential), dir_fd=entries)
                os.fsync(entries)

    def known(self) -> tuple[Path, ...]:
        """Return the directories listed, in the order of their paths.

        Raises CannotWrite if another user could have written the list.
        """
        with (
            refusals(self._state),
            suppress(FileNotFoundError),
            self._opened(state.CREDENTIALS) as entries,
        ):
            return tuple(map(Path, state.targets(entries)))
        return ()

    def looked(self, now: datetime) -> None:
        """Note that Vault had been asked about each credential at ``now``; raises CannotWrite."""
        times = (now.timestamp(), now.timestamp())
        with refusals(self._state), self._opened(".", make=True) as directory:
            if not os.access(state.LOOKED, os.F_OK, dir_fd=directory, follow_symlinks=False):
                atomic.create(state.LOOKED, b"", _LOOKED_MODE, directory)
            os.utime(state.LOOKED, times, dir_fd=directory, follow_symlinks=False)

    @contextmanager
    def _opened(self, name: str, *, make: bool = False) -> Iterator[int]:
        """Open a directory in STATE, or ``.``; raises FileNotFoundError if it is missing."""
        where = self._state / name
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
