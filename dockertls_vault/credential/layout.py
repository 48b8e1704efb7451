"""Where a credential goes, under which names, and whose it is: nothing here touches a file."""

from __future__ import annotations

import grp
import os
import pwd
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from dockertls_vault.certificate.request import Purpose
from dockertls_vault.errors import InvalidInput
from dockertls_vault.files import atomic

from . import generations

if TYPE_CHECKING:
    from pathlib import Path

PRIVATE = ".dockertls"
LOCK = "lock"
# Of 32 bits all but the highest: that is -1, with which chown(2) changes nothing.
_HIGHEST_ID = 2**32 - 2
_DECIMAL = re.compile("[0-9]{1,10}")
GENERATION_NAMES = ("ca.pem", "cert.pem", "key.pem")
SERVER_NAMES = ("ca.pem", "server-cert.pem", "server-key.pem")


class Layout(StrEnum):
    """How the files are named: as dockerd and the docker CLI, or as docker:dind expects them."""

    DOCKER = "docker"
    DIND = "dind"


@dataclass(frozen=True)
class Kind:
    """Which files a credential has: who presents it, and how they are named."""

    purpose: Purpose
    layout: Layout

    @property
    def public_names(self) -> tuple[str, str, str]:
        """The names of its CA bundle, certificate and key, in GENERATION_NAMES' order."""
        if self.layout is Layout.DOCKER and self.purpose is Purpose.SERVER:
            return SERVER_NAMES
        return GENERATION_NAMES


@dataclass(frozen=True)
class Placement:
    """A credential's directory (absolute), and which files it has there.

    ``kind`` is None until it was read what the directory holds. ``uid`` owns the files where that
    is not whoever writes them, and ``gid`` the key alone, which a group that is given may read.
    The members of the group ``admins`` may write on the way to it. ``worker`` is the user with
    whose rights it is written, None while that is open. ``movable`` says whether it could as well
    go elsewhere.
    """

    directory: Path
    kind: Kind | None
    uid: int = atomic.KEEP
    gid: int = atomic.KEEP
    admins: int | None = None
    worker: int | None = None
    movable: bool = True

    @property
    def public_names(self) -> tuple[str, ...]:
        """The public names in GENERATION_NAMES' order; none where the kind is not known."""
        return () if self.kind is None else self.kind.public_names

    @property
    def links(self) -> tuple[tuple[str, str], ...]:
        """Each public name and what its symbolic link says."""
        return (
            ()
            if self.kind is None
            else tuple(
                (public, link(name))
                for public, name in zip(self.public_names, GENERATION_NAMES, strict=True)
            )
        )

    def remedy(self, *remedies: str) -> str:
        """Return the hint of a refusal: one of these, or another directory if that can be."""
        elsewhere = ("choose another directory with --dir",) if self.movable else ()
        return ", or ".join((*remedies, *elsewhere))


def link(name: str) -> str:
    """Return what the public link to the file ``name`` of the current generation says."""
    return f"{PRIVATE}/{generations.CURRENT}/{name}"


def place(
    kind: Kind,
    out: Path,
    *,
    owner: str | None = None,
    group: str | None = None,
    admins: str | None = None,
) -> Placement:
    """Return where a credential goes under ``out``: itself, or ``out/server`` for docker:dind.

    Raises InvalidInput for an owner or a group that does not exist, or that this user cannot
    give a file to, and where the working directory is gone.
    """
    try:
        directory = out.absolute()
    except FileNotFoundError:
        raise InvalidInput(
            f"{out} in a working directory that no longer exists",
            hint="give --dir as an absolute path, or cd elsewhere",
        ) from None
    if kind.layout is Layout.DIND:
        directory /= kind.purpose.value
    return Placement(
        directory,
        kind,
        uid=_uid(owner),
        gid=_gid_to_read(group),
        admins=None if admins is None else gid(admins),
    )


def _number(text: str) -> int | None:
    """Return the uid or gid that ``text`` is, None for a name and for what the kernel has not."""
    number = int(text) if _DECIMAL.fullmatch(text) else None
    return number if number is None or number <= _HIGHEST_ID else None


def _uid(name: str | None) -> int:
    if name is None:
        return atomic.KEEP
    try:
        uid = pwd.getpwnam(name).pw_uid if (number := _number(name)) is None else number
    except KeyError:
        raise InvalidInput(
            f"no such user: {name!r}",
            hint="give the group that may read the key with --group" if ":" in name else "",
        ) from None
    if os.geteuid() not in (0, uid):
        raise InvalidInput(f"only root can make {name} the owner", hint="omit --owner")
    return uid


def _gid_to_read(name: str | None) -> int:
    if name is None:
        return atomic.KEEP
    found = gid(name)
    if os.geteuid() != 0 and found not in (os.getegid(), *os.getgroups()):
        raise InvalidInput(f"only root or a member can give a file to the group {name}")
    return found


def gid(name: str) -> int:
    """Return the gid of a group by its name or number; raises InvalidInput for none."""
    try:
        return grp.getgrnam(name).gr_gid if (number := _number(name)) is None else number
    except KeyError:
        raise InvalidInput(f"no such group: {name!r}") from None
