"""Find untrusted users and groups that can write to a file or directory, or read it.

A user who can write to a directory can replace any file in it, whatever that file's mode is.
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

_READ, _WRITE = 0o4, 0o2
_LETTERS = {_READ: "r", _WRITE: "w"}


@dataclass(frozen=True)
class Trust:
    """The uids that have the right, and the gid of a group whose members have it."""

    users: frozenset[int]
    group: int | None = None

    def has_group(self, gid: int) -> bool:
        """Tell whether every member of a group is trusted."""
        return gid == self.group or any(_is_private_group(gid, uid) for uid in self.users)


@dataclass(frozen=True)
class Writer:
    """A user or group that has the right, and the command that removes it from a path.

    ``group`` is its name if it is a group.
    """

    name: str
    remedy: str
    group: str | None = None


def untrusted_writers(
    status: os.stat_result, entries: tuple[Entry, ...], trust: Trust
) -> tuple[Writer, ...]:
    """Return the writers that are not trusted, according to the mode and the ACL.

    The owner is not checked. With an ACL the group bits of the mode are its mask, which limits the
    owning group and all named users and groups (acl(5)).
    """
    return _untrusted(status, entries, trust, _WRITE)


def untrusted_readers(
    status: os.stat_result, entries: tuple[Entry, ...], trust: Trust
) -> tuple[Writer, ...]:
    """Return those who can read, as ``untrusted_writers`` does."""
    return _untrusted(status, entries, trust, _READ)


def _untrusted(
    status: os.stat_result, entries: tuple[Entry, ...], trust: Trust, right: int
) -> tuple[Writer, ...]:
    acl = entries or (Entry(Tag.GROUP_OBJ, status.st_mode >> 3 & 0o7),)
    mask = next((entry.permissions for entry in acl if entry.tag == Tag.MASK), 0o7)
    found = []
    for entry in acl:
        if not entry.permissions & mask & right:
            continue
        if entry.tag == Tag.GROUP_OBJ and not trust.has_group(status.st_gid):
            name = group_name(status.st_gid)
            found.append(Writer(f"the group {name}", f"chmod g-{_LETTERS[right]}", name))
        elif entry.tag == Tag.GROUP and not trust.has_group(entry.id):
            name = group_name(entry.id)
            found.append(
                Writer(f"the group {name}", f"setfacl -x {shlex.quote(f'g:{name}')}", name)
            )
        elif entry.tag == Tag.USER and entry.id not in trust.users:
            name = user_name(entry.id)
            found.append(Writer(name, f"setfacl -x {shlex.quote(f'u:{name}')}"))
    if status.st_mode & right:
        found.append(Writer("every user", f"chmod o-{_LETTERS[right]}"))
    return tuple(found)


def user_name(uid: int) -> str:
    """Return a user's name, or the uid if it has none, in the form that ``--owner`` accepts."""
    user = _user(uid)
    return str(uid) if user is None else user.pw_name


def group_name(gid: int) -> str:
    """Return a group's name, or the gid if it has none, in the form that ``--group`` accepts."""
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


def _is_private_group(gid: int, uid: int) -> bool:
    """Tell whether a group is the user's private group: same name, and no other member.

    The names must match because a directory service need not list the users whose primary group
    it is; Debian's OpenSSH compares them for the same reason. In a container that runs with the uid
    of a user outside it (``docker run -u 5001:5001``) neither has a name: equal numbers count.
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
