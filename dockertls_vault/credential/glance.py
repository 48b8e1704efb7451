"""A glance at the files of a credential: what they show without parsing a name or a certificate.

`needs-renewal` does no more than this at each tick of a timer, so imports are kept cheap: no
dataclasses, pathlib or logging.
"""

from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING, Any, NamedTuple

from dockertls_vault.errors import ConflictingState, InvalidInput
from dockertls_vault.files import descriptors, reading

from . import due, generations, naming, pending
from .naming import (
    CERTIFICATE_MODE,
    GENERATION_NAMES,
    KEY_MODE,
    KEY_MODE_WITH_GROUP,
    PRIVATE,
    REQUEST,
)

if TYPE_CHECKING:
    from .due import Due
    from .naming import Names
    from .pending import LastRun

    _Requested = tuple[Names, int, bool | None, str | None]

_DIND = ("server", "client")
_REFER = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


class Glance(NamedTuple):
    """A credential at a glance.

    ``generation`` is the name of the one in use, None if there is none; ``due`` says when it is
    due, None if that is known only from its certificate; ``damage`` what was lost or changed since
    it was installed. ``last_run`` says for which generation the hooks ran to the end, ``has_hooks``
    whether the credential itself has any, None if it has the default of the host, and ``window``
    when they may run.
    """

    generation: str | None
    due: Due | None
    damage: tuple[str, ...]
    last_run: LastRun
    has_hooks: bool | None
    window: str | None


def locate(directory: str) -> tuple[str, int] | None:
    """Return the directory of the credential in ``directory``, with the uid of its owner.

    That may be a subdirectory, in the layout dind. None if there is no credential; raises
    InvalidInput if there are two, and OSError.
    """
    owner = _owner(directory)
    if owner is not None:
        return directory, owner
    places = (f"{directory.rstrip('/')}/{purpose}" for purpose in _DIND)
    found = {place: owner for place in places if (owner := _owner(place)) is not None}
    if len(found) > 1:
        raise InvalidInput(
            f"{directory} holds two credentials", hint=f"name one of them: {' or '.join(found)}"
        )
    return next(iter(found.items()), None)


def look(directory: str) -> Glance:
    """Return what the files in the directory of a credential show.

    Raises OSError, and ConflictingState if request.json is missing or corrupt.
    """
    with (
        descriptors.opened(directory, _REFER) as opened,
        reading.opened(PRIVATE, opened) as private,
    ):
        names, key_mode, has_hooks, window = _requested(directory, private)
        used, changed = _in_use(key_mode, private)
        return Glance(
            generation=used,
            due=None if used is None else due.read(used, private),
            damage=(*_misled(names, opened), *changed),
            last_run=pending.read(private),
            has_hooks=has_hooks,
            window=window,
        )


def without_request(directory: object) -> ConflictingState:
    """Return the error for a credential that has no request.json."""
    return ConflictingState(
        f"{directory}/{PRIVATE}/{REQUEST}, which describes the credential, is missing",
        hint="issue another certificate, which writes it again",
    )


def with_corrupt_request(directory: object) -> ConflictingState:
    """Return the error for a credential whose request.json cannot be understood."""
    return ConflictingState(
        f"{directory}/{PRIVATE}/{REQUEST} is corrupt",
        hint="remove it; the next certificate recreates it",
    )


def _owner(directory: str) -> int | None:
    """Return the uid that owns ``directory`` if it holds a credential, else None."""
    try:
        with descriptors.opened(directory, _REFER) as opened:
            found = os.stat(PRIVATE, dir_fd=opened)
            return os.fstat(opened).st_uid if stat.S_ISDIR(found.st_mode) else None
    except (FileNotFoundError, NotADirectoryError):
        return None


def _requested(directory: str, private: int) -> _Requested:
    """Return the public names, the mode of the key, whether there are hooks, and their window."""
    try:
        return _from_json(json.loads(reading.read(REQUEST, private, follow=False)))
    except FileNotFoundError:
        raise without_request(directory) from None
    # RecursionError: deeply nested brackets.
    except (ValueError, TypeError, KeyError, RecursionError):
        raise with_corrupt_request(directory) from None


def _from_json(kept: Any) -> _Requested:
    window = kept["window"]
    if window is not None and not isinstance(window, str):
        raise TypeError(window)
    return (
        naming.public_names(kept["purpose"], kept["layout"]),
        KEY_MODE if kept["group"] is None else KEY_MODE_WITH_GROUP,
        None if kept["hooks"] is None else bool(kept["hooks"]),
        window,
    )


def _in_use(key_mode: int, private: int) -> tuple[str | None, tuple[str, ...]]:
    """Return the generation in use, and which of its files are missing or have another mode."""
    try:
        with reading.opened(generations.DIRECTORY, private) as kept:
            used = generations.in_use(private, kept)
            if used is not None:
                with reading.opened(used, kept) as generation:
                    return used, _changed(used, key_mode, generation)
    except FileNotFoundError:
        pass
    return None, ("no generation is in use",)


def _misled(names: Names, directory: int) -> tuple[str, ...]:
    """Return which public names do not lead to the generation in use."""
    return tuple(
        f"{public} is missing" if not _exists(public, directory) else f"{public} was replaced"
        for public, ours in naming.links(names)
        if reading.link_target(public, directory) != ours
    )


def _exists(name: str, within: int) -> bool:
    return os.access(name, os.F_OK, dir_fd=within, follow_symlinks=False)


def _changed(used: str, key_mode: int, generation: int) -> tuple[str, ...]:
    found = []
    modes = (CERTIFICATE_MODE, CERTIFICATE_MODE, key_mode)
    for name, mode in zip(GENERATION_NAMES, modes, strict=True):
        try:
            status = os.lstat(name, dir_fd=generation)
        except FileNotFoundError:
            found.append(f"{name} is missing from the generation {used}")
            continue
        if not stat.S_ISREG(status.st_mode):
            found.append(f"{name} of the generation {used} is not a regular file")
        elif stat.S_IMODE(status.st_mode) != mode:
            is_now = f"{stat.S_IMODE(status.st_mode):04o}"
            found.append(f"{name} of the generation {used} has mode {is_now}, not {mode:04o}")
    return tuple(found)
