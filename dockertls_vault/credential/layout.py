"""Where a credential is installed, under which file names, and who owns it; no file access."""

from __future__ import annotations

import grp
import os
import pwd
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from dockertls_vault.errors import InvalidInput
from dockertls_vault.files import atomic

from . import naming

if TYPE_CHECKING:
    from pathlib import Path

    from dockertls_vault.certificate.request import Purpose

# The highest 32-bit value is -1, which tells chown(2) to leave the ID unchanged.
_HIGHEST_ID = 2**32 - 2
_DECIMAL = re.compile("[0-9]{1,10}")


class Layout(StrEnum):
    """The file names: those of dockerd and the docker CLI, or those of docker:dind."""

    DOCKER = "docker"
    DIND = "dind"


@dataclass(frozen=True)
class Kind:
    """The purpose and layout of a credential, which determine its file names."""

    purpose: Purpose
    layout: Layout

    @property
    def public_names(self) -> tuple[str, str, str]:
        """The names of the CA bundle, certificate and key, in the order of GENERATION_NAMES."""
        return naming.public_names(self.purpose, self.layout)


@dataclass(frozen=True)
class Placement:
    """The directory of a credential (absolute path), its files and their owner.

    ``kind`` is None until it has been read from the directory. ``uid`` owns the files, if it is not
    the writing process; ``gid`` is the group of the key only, and may read it. Members of the group
    ``admins`` may write to the directory and its parents. ``worker`` is the user whose permissions
    are used for writing, None until determined. ``movable`` is whether the user can choose another
    directory.
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
        """The public names in the order of GENERATION_NAMES; empty if the kind is unknown."""
        return () if self.kind is None else self.kind.public_names

    @property
    def links(self) -> tuple[tuple[str, str], ...]:
        """Each public name with the target of its symlink."""
        return () if self.kind is None else naming.links(self.kind.public_names)

    def remedy(self, *remedies: str) -> str:
        """Return a hint that lists ``remedies``, and another directory if that is possible."""
        elsewhere = ("choose another directory with --dir",) if self.movable else ()
        return ", or ".join((*remedies, *elsewhere))


def absolute(directory: Path) -> Path:
    """Return the absolute path; raises InvalidInput if the working directory no longer exists."""
    try:
        return directory.absolute()
    except FileNotFoundError:
        raise InvalidInput(
            f"{directory} is relative to a working directory that no longer exists",
            hint="use an absolute path, or cd to another directory",
        ) from None


def place(
    kind: Kind,
    parent: Path,
    *,
    owner: str | None = None,
    group: str | None = None,
    admins: str | None = None,
) -> Placement:
    """Return the placement in ``parent``, or in ``parent/server`` or ``/client`` for docker:dind.

    Raises InvalidInput if the owner or group does not exist or this user cannot assign files to it,
    or if the working directory no longer exists.
    """
    directory = absolute(parent)
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
    """Parse a numeric uid or gid; None for a name or a number out of the kernel's range."""
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
            hint="use --group for the group that may read the key" if ":" in name else "",
        ) from None
    if os.geteuid() not in (0, uid):
        raise InvalidInput(f"only root can make {name} the owner", hint="omit --owner")
    return uid


def _gid_to_read(name: str | None) -> int:
    if name is None:
        return atomic.KEEP
    found = gid(name)
    if os.geteuid() != 0 and found not in (os.getegid(), *os.getgroups()):
        raise InvalidInput(
            f"only root or a member of the group {name} can assign files to it",
            hint="omit --group",
        )
    return found


def gid(name: str) -> int:
    """Return the gid of a group given by name or number; raises InvalidInput if unknown."""
    try:
        return grp.getgrnam(name).gr_gid if (number := _number(name)) is None else number
    except KeyError:
        raise InvalidInput(f"no such group: {name!r}") from None
