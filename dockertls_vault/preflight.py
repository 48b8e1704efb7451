"""May a credential be written where it is to go? Looked at before anything is touched."""

from __future__ import annotations

import json
import os
import pwd
import shlex
import stat
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from . import durable, way
from .errors import CannotWrite, ConflictingState, ForeignFiles
from .placement import PRIVATE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .placement import Placement
    from .request import Request

_CHOOSE_ANOTHER = "choose another directory with --out"
_SUDO = "run it with `sudo -E`, which keeps VAULT_ADDR and VAULT_TOKEN"


def check(placement: Placement, request: Request, *, replace: bool) -> tuple[str, ...]:
    """Return the public names that files of others have; they are replaced if ``replace``.

    Raises CannotWrite where there is no right to write or others have one, ConflictingState
    where the directory holds a credential of another kind, and ForeignFiles.
    """
    directory = placement.directory
    with refusals(directory):
        real = Path(os.path.realpath(directory))
        # The directory and those above it, as far as they are there and can be seen.
        above = [
            (path, status)
            for path in (real, *real.parents)
            if (status := _status(path)) is not None
        ]
        if real == Path("/"):
            raise CannotWrite(
                "a credential has a directory of its own, not /", hint=_CHOOSE_ANOTHER
            )
        _refuse_unwritable(*above[0])
        if (private := _status(real / PRIVATE)) is not None:
            _refuse_unwritable(real / PRIVATE, private)
        with way.walked(directory, partial(refuse_step, placement)):
            pass
        nearest, status = above[0]
        if status.st_uid not in {0, os.geteuid(), placement.uid}:
            raise _belongs_to_another(nearest, status, placement)
        _refuse_writable_by_others(above, placement)
        _refuse_another_kind(placement, request)
        foreign = _foreign(placement)
    if foreign and not replace:
        raise ForeignFiles(f"not written by dockertls-vault: {', '.join(foreign)} in {directory}")
    return foreign


@contextmanager
def refusals(directory: Path) -> Iterator[None]:
    """Turn what the operating system refuses into CannotWrite."""
    try:
        yield
    except OSError as error:
        name = f" ({error.filename})" if error.filename else ""
        raise CannotWrite(f"cannot write in {directory}: {error.strerror}{name}") from None


def _status(path: Path) -> os.stat_result | None:
    with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
        return path.stat()
    return None


def _refuse_unwritable(nearest: Path, status: os.stat_result) -> None:
    """Say why nothing can be made in ``nearest``: the directory, or the one to make it in."""
    if not stat.S_ISDIR(status.st_mode):
        kind = "a file" if stat.S_ISREG(status.st_mode) else "not a directory"
        raise CannotWrite(f"{nearest} is {kind}", hint=_CHOOSE_ANOTHER)
    if os.access(nearest, os.W_OK | os.X_OK):
        return
    if os.statvfs(nearest).f_flag & os.ST_RDONLY:
        raise CannotWrite(f"{nearest} is on a read-only file system", hint=_CHOOSE_ANOTHER)
    if status.st_uid == os.geteuid():
        raise CannotWrite(f"no right to write in {nearest}", hint=_CHOOSE_ANOTHER)
    raise CannotWrite(
        f"{nearest} belongs to {_name(status.st_uid)}",
        hint=f"{_SUDO}, or {_CHOOSE_ANOTHER}" if status.st_uid == 0 else _CHOOSE_ANOTHER,
    )


def refuse_step(
    placement: Placement, path: Path, status: os.stat_result, within: os.stat_result
) -> None:
    """Refuse, as root, what another user could lead elsewhere, and what is not the owner's.

    Under ``sudo -E`` the home is the caller's, who can neither read nor renew root's files, and
    who could rename what lies below it. With an owner named, no link is followed there and all
    of it is the owner's, so that root does nothing that the owner could not do alone.
    """
    if os.geteuid() != 0:
        return
    if not stat.S_ISLNK(status.st_mode):
        if status.st_uid != placement.uid and (status.st_uid, within.st_uid) != (0, 0):
            raise _belongs_to_another(path, status, placement)
    elif leading := status.st_uid or within.st_uid:
        raise CannotWrite(
            f"{path} is a link that {_name(leading)} could lead elsewhere",
            hint="give --out a path without it",
        )


def _belongs_to_another(path: Path, status: os.stat_result, placement: Placement) -> CannotWrite:
    owner = _name(status.st_uid)
    files = _name(os.geteuid() if placement.uid == durable.KEEP else placement.uid)
    can_give = os.geteuid() == 0 and placement.uid == durable.KEEP
    return CannotWrite(
        f"{path} belongs to {owner}, and the files would be {files}'s",
        # As the owner: a client's common name says who runs it, and root is everybody.
        hint=f"run it as {owner}, without sudo; or give --owner {owner}, or {_CHOOSE_ANOTHER}"
        if can_give
        else _CHOOSE_ANOTHER,
    )


def _refuse_writable_by_others(
    above: list[tuple[Path, os.stat_result]], placement: Placement
) -> None:
    """Refuse where others could put another key: who can write a directory can rename in it."""
    real = Path(os.path.realpath(placement.directory))
    for path, status in above:
        if path == real and status.st_mode & 0o022:
            own = _is_for_a_credential(path, status, placement)
            raise CannotWrite(
                f"others can write in {path}, and so put another key there",
                hint=f"chmod go-w {shlex.quote(str(path))}, or {_CHOOSE_ANOTHER}"
                if own
                else f"{_CHOOSE_ANOTHER}, in which nobody else can write",
            )
        if status.st_mode & stat.S_IWOTH and not status.st_mode & stat.S_ISVTX:
            raise CannotWrite(
                f"anybody can write in {path}, and so replace what is below it",
                hint=_CHOOSE_ANOTHER,
            )


def _is_for_a_credential(path: Path, status: os.stat_result, placement: Placement) -> bool:
    """Tell whether nothing else is disturbed by a chmod: /tmp and the like are for everybody."""
    if path.name == ".docker":
        return True
    found = {entry.name for entry in path.iterdir()}
    return (
        found <= {PRIVATE, *placement.public_names}
        and (bool(found) or status.st_uid != 0)
        and not status.st_mode & stat.S_ISVTX
    )


def _refuse_another_kind(placement: Placement, request: Request) -> None:
    file = placement.directory / PRIVATE / "request.json"
    try:
        kept = json.loads(durable.read(file))
        kind = (kept["purpose"], kept["layout"])
    except FileNotFoundError:
        return
    except (ValueError, TypeError, KeyError, RecursionError):  # the last for brackets in brackets
        raise ConflictingState(
            f"{file} was damaged", hint="remove it; it is written anew with the next certificate"
        ) from None
    if kind != (request.purpose.value, request.layout.value):
        raise ConflictingState(
            f"{placement.directory} holds a {kind[0]} credential in the {kind[1]} layout",
            hint="choose another directory with --out",
        )


def _foreign(placement: Placement) -> tuple[str, ...]:
    found = []
    for public, ours in placement.links:
        path = placement.directory / public
        with suppress(FileNotFoundError):
            mode = path.lstat().st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
                raise CannotWrite(f"{path} is neither a file nor a symbolic link")
            if stat.S_ISREG(mode) or str(path.readlink()) != ours:
                found.append(public)
    return tuple(found)


def _name(uid: int) -> str:
    """Return the name of a user, or the number of one without a name, as ``--owner`` takes it."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
