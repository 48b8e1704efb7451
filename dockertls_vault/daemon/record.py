"""What `daemon configure` has set up on this host, and what it takes to take it back.

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
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dockertls_vault.credential.layout import Placement
from dockertls_vault.credential.worker import make_component, refuse_component
from dockertls_vault.docker import daemon_json
from dockertls_vault.errors import ConflictingState, InvalidInput, Locked
from dockertls_vault.files import atomic, reading, walk
from dockertls_vault.files.refusals import refusals

from . import attempt, pickup
from .attempt import Attempt
from .clashes import HOSTS, Edit
from .desired import LIVE_RESTORE, UNIX_SOCKET, Listen, parse_listen
from .pickup import Pickup

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_LOCK = "lock"
_PLACES = ("files-1", "files-2")
_ORIGINAL = ".original"
_WRITTEN = ".written"
_DAEMON_JSON = "daemon.json"
_MODE = 0o644
_PRIVATE = 0o700
_PRIVATE_FILE = 0o600


@dataclass(frozen=True)
class Edited:
    """A file that was edited: what we wrote, and what was there before.

    ``is_unit`` if systemd has to read it again.
    """

    path: Path
    written: bytes = field(repr=False)
    original: bytes = field(repr=False)
    is_unit: bool


@dataclass(frozen=True)
class Record:
    """A set-up: the credential directory, and where dockerd listens.

    ``proven`` is whether dockerd has passed its check with it. ``daemon_json`` is the path of its
    configuration file, ``written`` its content as we wrote it, ``original`` what it would be
    without the set-up (None: it would not exist), ``added`` the values that we set, and
    ``replaced`` those that were there before. ``directories`` are those that we made, and
    ``edited`` other files, in the order in which they were edited. ``pickup`` is how dockerd picks
    up new files, and ``kept`` the directory that this was read from.
    """

    certificates: Path
    listen: tuple[Listen, ...]
    daemon_json: Path
    written: bytes = field(repr=False)
    original: bytes | None = field(repr=False)
    added: Mapping[str, Any]
    replaced: Mapping[str, Any]
    directories: tuple[Path, ...] = ()
    edited: tuple[Edited, ...] = ()
    proven: bool = False
    pickup: Pickup = Pickup.RESTART
    kept: Path = field(default=Path(), compare=False)


def taken_back(current: bytes | None, record: Record) -> bytes | None:
    """Return daemon.json without what the set-up added; what others have edited since stays.

    None if it would not exist. Raises ConfigurationError if it can no longer be parsed.
    """
    if current is None:
        return None
    if current == record.written:
        return record.original
    found = daemon_json.parse(current)
    ours = {
        key for key, value in record.added.items() if _is_ours(key, value, found.values.get(key))
    }
    before = {key: value for key, value in record.replaced.items() if key in ours}
    if HOSTS in record.added and HOSTS not in ours:
        hosts = _hosts_without_ours(found.values.get(HOSTS), record)
        if hosts is not None:
            ours.add(HOSTS)
        if hosts and (hosts != [UNIX_SOCKET] or HOSTS in record.replaced):
            before[HOSTS] = hosts
    back = daemon_json.parse(found.merged(before)).without(ours - before.keys())
    if record.original is None and not daemon_json.parse(back).values:
        return None
    return back


def _hosts_without_ours(current: object, record: Record) -> list[str] | None:
    """Return what others made of our ``hosts``, without what is ours; None if that is no list.

    Our Unix socket stays: it is dockerd's own without ``hosts``, which they did not mean to close.
    """
    if not isinstance(current, list):
        return None
    ours, before = record.added[HOSTS], record.replaced.get(HOSTS, [UNIX_SOCKET])
    back = [each for each in before if each not in ours or each in current]
    return back + [each for each in current if each not in ours and each not in back]


def _is_ours(key: str, added: object, value: object) -> bool:
    """Tell whether a value is what we set, or what a removal that was killed has set."""
    return value == added or (key == LIVE_RESTORE and value is False)


def edited(record: Record | None, edits: Sequence[Edit]) -> tuple[Edited, ...]:
    """Return what is to be kept of the other files, the last edit last.

    A file that the set-up of ``record`` has edited before keeps its first original. Raises
    ConflictingState if others have edited it since: then there is no file to go back to.
    """
    known = {each.path: each for each in record.edited} if record else {}
    if record is not None:
        _refuse_changed(record, {edit.path: edit.before for edit in edits})
    new = {
        edit.path: Edited(
            edit.path,
            edit.after,
            known[edit.path].original if edit.path in known else edit.before,
            edit.is_unit,
        )
        for edit in edits
    }
    return (*(each for each in known.values() if each.path not in new), *new.values())


def put_back(record: Record, contents: Mapping[Path, bytes | None]) -> tuple[Edit, ...]:
    """Return the edits that put back the other files, the last one first.

    ``contents`` are those of now: a file that is missing stays so. Raises ConflictingState if
    others have edited them since.
    """
    _refuse_changed(record, contents)
    return tuple(
        Edit(each.path, current, each.original, each.is_unit)
        for each in reversed(record.edited)
        if (current := contents[each.path]) is not None and current != each.original
    )


def _refuse_changed(record: Record, contents: Mapping[Path, bytes | None]) -> None:
    changed = tuple(
        f"{each.path}: its original is {record.kept / f'{number}{_ORIGINAL}'}"
        for number, each in enumerate(record.edited)
        if contents.get(each.path) not in (None, each.original, each.written)
    )
    if changed:
        raise ConflictingState(
            "files that the set-up has edited were changed since",
            problems=changed,
            hint="put the originals back by hand, then try again; repeat your changes afterwards",
        )


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
                with _kept(place, within) as files:
                    return replace(_from_json(kept, files), kept=self.directory / place)
        except (InvalidInput, ValueError, TypeError, KeyError, RecursionError):
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
                for name, content in _files(record).items():
                    atomic.create(name, content, _PRIVATE_FILE, kept)
                os.fsync(kept)
            os.fsync(within)
            _replace(pickup.NAME, _to_bytes(record, place), _MODE, within)

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
        with refusals(self.directory), suppress(FileNotFoundError), self._opened() as within:
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
    found: str = kept["files"]
    if found not in _PLACES:
        raise ValueError(found)
    return found


def _place_of_now(within: int) -> str | None:
    """Return the directory with the files of the record that is there, None if that is corrupt."""
    with suppress(FileNotFoundError, ValueError, TypeError, KeyError, RecursionError):
        return _place(json.loads(reading.read(pickup.NAME, within, follow=False)))
    return None


@contextmanager
def _kept(place: str, within: int) -> Iterator[Callable[[str], bytes]]:
    """Yield a function that returns the file of this name in the directory of a record."""
    try:
        with reading.opened(place, within) as kept:
            yield lambda name: reading.read(name, kept, follow=False)
    except FileNotFoundError:
        raise ValueError("a file is missing") from None


def _to_bytes(record: Record, place: str) -> bytes:
    kept = {
        "version": pickup.VERSION,
        "files": place,
        "certificates": str(record.certificates),
        "listen": list(map(str, record.listen)),
        "pickup": record.pickup.value,
        "proven": record.proven,
        "daemon_json": str(record.daemon_json),
        "original": record.original is not None,
        "added": dict(record.added),
        "replaced": dict(record.replaced),
        "directories": list(map(str, record.directories)),
        "edited": [{"path": str(each.path), "unit": each.is_unit} for each in record.edited],
    }
    return (json.dumps(kept, indent=2) + "\n").encode()


def _files(record: Record) -> Mapping[str, bytes]:
    """Return the files that are kept for root alone, by name."""
    files = {f"{_DAEMON_JSON}{_WRITTEN}": record.written}
    if record.original is not None:
        files[f"{_DAEMON_JSON}{_ORIGINAL}"] = record.original
    for number, each in enumerate(record.edited):
        files[f"{number}{_ORIGINAL}"] = each.original
        files[f"{number}{_WRITTEN}"] = each.written
    return files


def _from_json(kept: Any, file: Callable[[str], bytes]) -> Record:
    """Return the record; ``file`` returns each file of ``_files``."""
    if kept["version"] != pickup.VERSION:
        raise ValueError(kept["version"])
    return Record(
        certificates=Path(kept["certificates"]),
        listen=tuple(map(parse_listen, _texts(kept["listen"]))),
        daemon_json=Path(kept["daemon_json"]),
        written=file(f"{_DAEMON_JSON}{_WRITTEN}"),
        original=file(f"{_DAEMON_JSON}{_ORIGINAL}") if kept["original"] else None,
        added=dict(kept["added"]),
        replaced=dict(kept["replaced"]),
        directories=tuple(map(Path, _texts(kept["directories"]))),
        edited=tuple(
            Edited(
                path=Path(each["path"]),
                written=file(f"{number}{_WRITTEN}"),
                original=file(f"{number}{_ORIGINAL}"),
                is_unit=bool(each["unit"]),
            )
            for number, each in enumerate(kept["edited"])
        ),
        proven=bool(kept["proven"]),
        pickup=Pickup(kept["pickup"]),
    )


def _texts(found: Sequence[Any]) -> list[str]:
    if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
        raise TypeError(found)
    return found
