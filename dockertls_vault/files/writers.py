"""Who can write in a directory or to a file, beside those who are trusted with it.

Whoever can write in a directory can put another file in the place of one there, whatever that
one's own mode is.
"""

from __future__ import annotations

import grp
import pwd
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .acl import Entry, Tag

if TYPE_CHECKING:
    import os

_WRITE = 0o2


@dataclass(frozen=True)
class Trust:
    """The users who may write there, by number, and a group whose members may."""

    users: frozenset[int]
    group: int | None = None

    def has_group(self, gid: int) -> bool:
        """Tell whether all members of a group are trusted."""
        return gid == self.group or any(_is_of_one(gid, uid) for uid in self.users)


@dataclass(frozen=True)
class Writer:
    """Who can write, the command that takes the right away from a path, and a group's name."""

    name: str
    remedy: str
    group: str | None = None


def others(status: os.stat_result, entries: tuple[Entry, ...], trust: Trust) -> tuple[Writer, ...]:
    """Return those who can write and are not trusted, the owner aside, by the mode and the ACL.

    With an ACL the mode shows its mask for the group, which bounds what the owning group and all
    that are named may do (acl(5)).
    """
    acl = entries or (Entry(Tag.GROUP_OBJ, status.st_mode >> 3 & 0o7),)
    mask = next((entry.permissions for entry in acl if entry.tag == Tag.MASK), 0o7)
    found = []
    for entry in acl:
        if not entry.permissions & mask & _WRITE:
            continue
        if entry.tag == Tag.GROUP_OBJ and not trust.has_group(status.st_gid):
            name = group_name(status.st_gid)
            found.append(Writer(f"the group {name}", "chmod g-w", name))
        elif entry.tag == Tag.GROUP and not trust.has_group(entry.id):
            name = group_name(entry.id)
            found.append(
                Writer(f"the group {name}", f"setfacl -x {shlex.quote(f'g:{name}')}", name)
            )
        elif entry.tag == Tag.USER and entry.id not in trust.users:
            name = user_name(entry.id)
            found.append(Writer(name, f"setfacl -x {shlex.quote(f'u:{name}')}"))
    if status.st_mode & _WRITE:
        found.append(Writer("anybody", "chmod o-w"))
    return tuple(found)


def user_name(uid: int) -> str:
    """Return the name of a user, or the number of one without a name, as ``--owner`` takes it."""
    user = _user(uid)
    return str(uid) if user is None else user.pw_name


def group_name(gid: int) -> str:
    """Return the name of a group, or the number of one without a name, as ``--group`` takes it."""
    group = _group(gid)
    return str(gid) if group is None else group.gr_name


def _user(uid: int) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwuid(uid)
    except KeyError:
        return None


def _group(gid: int) -> grp.struct_group | None:
    try:
        return grp.getgrgid(gid)
    except KeyError:
        return None


def _is_of_one(gid: int, uid: int) -> bool:
    """Tell whether a group is that user's private one: of the same name, and nobody else's.

    The name counts because a directory service need not list who else has the group as their
    first; Debian's OpenSSH looks at it for the same reason. In a container that runs with the
    numbers of a user outside (``docker run -u 5001:5001``) neither has a name, and the same number
    stands for it.
    """
    user, group = _user(uid), _group(gid)
    if user is None and group is None:
        return uid == gid and all(other.pw_gid != gid for other in pwd.getpwall())
    if user is None or group is None:
        return False
    return (
        (user.pw_gid, user.pw_name) == (gid, group.gr_name)
        and set(group.gr_mem) <= {user.pw_name}
        and all(other.pw_uid == uid for other in pwd.getpwall() if other.pw_gid == gid)
    )
