"""Where the record of a set-up is kept.

    STATE/daemon/set-up.json            0644: the set-up; pickup.py reads it, too
    STATE/daemon/files-1, files-2       0700: the edited files; set-up.json names one of the two
        daemon.json.original            0600: what it would be without the set-up
        daemon.json.written             0600: as we wrote it
        0.original, 0.written, 1.…      likewise, other files
    STATE/daemon/restart.json           0644: the last attempt to restart dockerd (attempt.py)
    STATE/daemon/lock                   held while the set-up is changed

set-up.json has no digest of those files: they may hold a password, which anybody on the host could
guess with it. All is written before the first change, so that a run that was killed can be
completed or taken back. A new record has its files in the other directory, so that each kill leaves
one record or the other, and no mixture.
"""

from __future__ import annotations

import json
import os
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from dockertls_vault.credential.layout import Placement
from dockertls_vault.credential.worker import make_component, refuse_component
from dockertls_vault.errors import ConfigurationError, ConflictingState, InvalidInput, Locked
from dockertls_vault.files import atomic, reading, walk
from dockertls_vault.files.refusals import refusals

from . import attempt, pickup
from .attempt import Attempt
from .record import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_LOCK = "lock"
_PLACES = ("files-1", "files-2")
_MODE = 0o644
_PRIVATE = 0o700
_PRIVATE_FILE = 0o600


class Records:
    """The record in a state ``directory``, which is made when it is needed."""

    def __init__(self, directory: Path) -> None:
        self._state = directory
        self.directory = directory / pickup.DIRECTORY

    def read(self) -> Record | None:
        """Return the record, None if nothing was set up; raises ConflictingState if corrupt."""
        try:
            with (
                refusals(self.directory),
                suppress(FileNotFoundError),
                self._opened() as within,
            ):
                kept = json.loads(reading.read(pickup.NAME, within, follow=False))
                place = _place(kept)
                with _files(place, within) as file:
                    return Record.from_json(kept, file, self.directory / place)
        except (InvalidInput, ConfigurationError, ValueError, TypeError, KeyError, RecursionError):
            raise ConflictingState(
                f"{self.directory / pickup.NAME} is corrupt",
                hint=f"move {self.directory} elsewhere; then `sudo dockertls-vault daemon "
                "configure` sets this host up anew",
            ) from None
        return None

    def write(self, record: Record) -> None:
        """Replace the record, with its files first; raises CannotWrite."""
        with refusals(self.directory), self._opened(make=True) as within:
            first, second = _PLACES
            place = second if _place_of_now(within) == first else first
            with suppress(FileNotFoundError):
                atomic.remove(place, within)  # of a record before, or of a run that was killed
            with atomic.directory(place, _PRIVATE, within) as kept:
                for name, content in record.files().items():
                    atomic.create(name, content, _PRIVATE_FILE, kept)
                os.fsync(kept)
            os.fsync(within)
            _replace(pickup.NAME, _to_bytes({**record.to_json(), "files": place}), _MODE, within)

    def remove(self) -> None:
        """Remove the record, and then the other files; raises CannotWrite."""
        with (
            refusals(self.directory),
            suppress(FileNotFoundError),
            self._opened() as within,
        ):
            with suppress(FileNotFoundError):
                os.unlink(pickup.NAME, dir_fd=within)
            # A kill leaves no record, rather than one whose other files are missing.
            os.fsync(within)
            for name in reading.entries(within):
                if name != _LOCK:
                    atomic.remove(name, within)
            os.fsync(within)

    def attempt(self) -> Attempt | None:
        """Return the last restart that was attempted, None if it is not known."""
        with (
            refusals(self.directory),
            suppress(FileNotFoundError, ValueError),  # or if it is no regular file
            self._opened() as within,
        ):
            return Attempt.from_bytes(reading.read(attempt.NAME, within, follow=False))
        return None

    def note(self, attempted: Attempt) -> None:
        """Record a restart that is about to be attempted; raises CannotWrite."""
        with refusals(self.directory), self._opened() as within:
            _replace(attempt.NAME, attempted.to_bytes(), _MODE, within)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock of the set-up; raises Locked if another process holds it."""
        with refusals(self.directory), self._opened(make=True) as within:
            try:
                with atomic.locked(_LOCK, within, wait=0):
                    yield
            except TimeoutError:
                raise Locked(
                    "another dockertls-vault is changing the set-up of this host",
                    hint="wait for it to finish, then try again",
                ) from None

    @contextmanager
    def _opened(self, *, make: bool = False) -> Iterator[int]:
        place = Placement(self.directory, kind=None, worker=os.geteuid(), movable=False)
        making = make_component if make else None
        with walk.open_directory(
            self.directory, partial(refuse_component, place), making
        ) as reached:
            if reached.remaining:
                self.directory.stat()  # raises the error that says why
                raise FileNotFoundError(str(self.directory))
            with reading.opened(".", reached.descriptor) as within:
                yield within


def _replace(name: str, content: bytes, mode: int, within: int) -> None:
    """Replace a file of the record atomically; what a killed run left is removed."""
    staged = f".{name}"
    with suppress(FileNotFoundError):
        os.unlink(staged, dir_fd=within)
    atomic.create(staged, content, mode, within)
    os.rename(staged, name, src_dir_fd=within, dst_dir_fd=within)
    os.fsync(within)


def _place(kept: Any) -> str:
    """Return the name of the directory with the files of a record."""
    place: str = kept["files"]
    if place not in _PLACES:
        raise ValueError(place)
    return place


def _place_of_now(within: int) -> str | None:
    """Return the directory with the files of the record that is there, None if that is corrupt."""
    with suppress(FileNotFoundError, ValueError, TypeError, KeyError, RecursionError):
        return _place(json.loads(reading.read(pickup.NAME, within, follow=False)))
    return None


@contextmanager
def _files(place: str, within: int) -> Iterator[Callable[[str], bytes]]:
    """Yield a function that returns the file of this name in the directory of a record."""
    try:
        with reading.opened(place, within) as kept:
            yield lambda name: reading.read(name, kept, follow=False)
    except FileNotFoundError:
        raise ValueError("a file is missing") from None


def _to_bytes(kept: Any) -> bytes:
    return (json.dumps(kept, indent=2) + "\n").encode()
