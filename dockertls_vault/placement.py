"""Where a credential goes, under which names, and whose it is: nothing here touches a file."""

from __future__ import annotations

import grp
import os
import pwd
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import durable
from .errors import InvalidInput
from .request import Layout, Purpose

if TYPE_CHECKING:
    from pathlib import Path

    from .request import Request

PRIVATE = ".dockertls"
# Of 32 bits all but the highest: that is -1, with which chown(2) changes nothing.
_HIGHEST_ID = 2**32 - 2
_DECIMAL = re.compile("[0-9]{1,10}")
GENERATION_NAMES = ("ca.pem", "cert.pem", "key.pem")
SERVER_NAMES = ("ca.pem", "server-cert.pem", "server-key.pem")


@dataclass(frozen=True)
class Placement:
    """A credential's directory (absolute), and its public names in GENERATION_NAMES' order.

    ``uid`` owns all of it where that is not whoever runs this, and ``gid`` the key alone, which
    a group that is given may read.
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


def _number(text: str) -> int | None:
    """Return the uid or gid that ``text`` is, None for a name and for what the kernel has not."""
    number = int(text) if _DECIMAL.fullmatch(text) else None
    return number if number is None or number <= _HIGHEST_ID else None


def _owner(name: str | None) -> int:
    if name is None:
        return durable.KEEP
    try:
        uid = pwd.getpwnam(name).pw_uid if (number := _number(name)) is None else number
    except KeyError:
        raise InvalidInput(f"no such user: {name!r}") from None
    if os.geteuid() not in (0, uid):
        raise InvalidInput(f"only root can make {name} the owner", hint="leave out --owner")
    return uid


def _group(name: str | None) -> int:
    if name is None:
        return durable.KEEP
    try:
        gid = grp.getgrnam(name).gr_gid if (number := _number(name)) is None else number
    except KeyError:
        raise InvalidInput(f"no such group: {name!r}") from None
    if os.geteuid() != 0 and gid not in (os.getegid(), *os.getgroups()):
        raise InvalidInput(f"only root or a member can give a file to the group {name}")
    return gid
