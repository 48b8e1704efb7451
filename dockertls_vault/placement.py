"""Where a credential goes, and whether it may: nothing here touches a file."""

from __future__ import annotations

import grp
import json
import os
import pwd
import stat
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import durable
from .errors import CannotWrite, ConflictingState, ForeignFiles, InvalidInput
from .request import Layout, Purpose

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .request import Request

PRIVATE = ".dockertls"
GENERATION_NAMES = ("ca.pem", "cert.pem", "key.pem")
SERVER_NAMES = ("ca.pem", "server-cert.pem", "server-key.pem")


@dataclass(frozen=True)
class Placement:
    """A credential's directory (absolute), and its public names in GENERATION_NAMES' order.

    ``uid`` and ``gid`` own the files, where they are not whoever runs this; a group that is
    given may read the key.
    """

    directory: Path
    public_names: tuple[str, str, str]
    uid: int = durable.KEEP
    gid: int = durable.KEEP

    @property
    def links(self) -> tuple[tuple[str, str], ...]:
        """Each public name and what its symbolic link says."""
        return tuple(
            (public, link(name))
            for public, name in zip(self.public_names, GENERATION_NAMES, strict=True)
        )


def link(name: str) -> str:
    """Return what the public link to the file ``name`` of the current generation says."""
    return f"{PRIVATE}/current/{name}"


def place(request: Request, out: Path) -> Placement:
    """Return where a credential goes under ``out``: itself, or ``out/server`` for docker:dind.

    Raises InvalidInput for an owner or a group that does not exist, or that this user cannot
    give a file to.
    """
    directory = out.absolute()
    uid, gid = _owner(request.owner), _group(request.group)
    if request.layout is Layout.DIND:
        return Placement(directory / request.purpose.value, GENERATION_NAMES, uid, gid)
    names = SERVER_NAMES if request.purpose is Purpose.SERVER else GENERATION_NAMES
    return Placement(directory, names, uid, gid)


def check(placement: Placement, request: Request, *, replace: bool) -> tuple[str, ...]:
    """Return the public names that files of others have; they are replaced if ``replace``.

    Raises CannotWrite where there is no right to write or others have one, ConflictingState
    where the directory holds a credential of another kind, and ForeignFiles.
    """
    directory = placement.directory
    with refusals(directory):
        nearest = next(path for path in (directory, *directory.parents) if path.exists())
        if not os.access(nearest, os.W_OK | os.X_OK):
            raise CannotWrite(f"no right to write in {nearest}")
        _refuse_writable_by_others(placement)
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


def _refuse_writable_by_others(placement: Placement) -> None:
    """Refuse where others could put another key: who can write a directory can rename in it."""
    directory = placement.directory.resolve()
    trusted = {0, os.geteuid(), placement.uid}
    for path in (directory, *directory.parents):
        if not path.exists():
            continue
        status = path.stat()
        if path == directory and (status.st_uid not in trusted or status.st_mode & 0o022):
            raise CannotWrite(
                f"{path} belongs to another user, or others can write in it",
                hint=f"chmod go-w {path}, give --owner, or choose another directory with --out",
            )
        if status.st_mode & stat.S_IWOTH and not status.st_mode & stat.S_ISVTX:
            raise CannotWrite(
                f"anybody can write in {path}, and so replace what is below it",
                hint=f"chmod o-w {path}, or choose another directory with --out",
            )


def _refuse_another_kind(placement: Placement, request: Request) -> None:
    file = placement.directory / PRIVATE / "request.json"
    try:
        kept = json.loads(file.read_bytes())
        kind = (kept["purpose"], kept["layout"])
    except FileNotFoundError:
        return
    except (ValueError, TypeError, KeyError):
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


def _owner(name: str | None) -> int:
    if name is None:
        return durable.KEEP
    try:
        uid = int(name) if name.isdecimal() else pwd.getpwnam(name).pw_uid
    except KeyError:
        raise InvalidInput(f"no such user: {name!r}") from None
    if os.geteuid() not in (0, uid):
        raise InvalidInput(f"only root can make {name} the owner", hint="leave out --owner")
    return uid


def _group(name: str | None) -> int:
    if name is None:
        return durable.KEEP
    try:
        gid = int(name) if name.isdecimal() else grp.getgrnam(name).gr_gid
    except KeyError:
        raise InvalidInput(f"no such group: {name!r}") from None
    if os.geteuid() != 0 and gid not in (os.getegid(), *os.getgroups()):
        raise InvalidInput(f"only root or a member can give a file to the group {name}")
    return gid
