"""Write a credential with the permissions of the user who owns its directory.

In another user's directory, root would follow, link, read and chown whatever that user put there.
If an owner is named and a component of the path belongs to them, the work is therefore done as that
user. No third user may be able to change a component of the path.
"""

from __future__ import annotations

import errno
import os
import shlex
import stat
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from dockertls_vault.certificate import names
from dockertls_vault.errors import CannotWrite, InvalidInput
from dockertls_vault.files import acl, atomic, fsuid, reading, walk
from dockertls_vault.files.writers import Trust, group_name, untrusted_writers, user_name

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dockertls_vault.files.walk import Component

    from .layout import Placement

T = TypeVar("T")

DIRECTORY_MODE = 0o755


class _OwnedError(Exception):
    """Ends a walk: a component of the path belongs to the named owner."""


def by_worker(placement: Placement, work: Callable[[Placement], T], *, make: bool = False) -> T:
    """Run ``work`` as the user who may write there, passed to it as ``placement.worker``.

    With ``make``, a directory missing below one of root's is first created for the owner. Raises
    what ``work`` raises, and CannotWrite or InvalidInput if neither root nor the owner may write.
    """
    if placement.worker is not None:
        return work(placement)
    me, owner = os.geteuid(), placement.uid
    if me != 0 or owner in {atomic.KEEP, me}:
        return work(replace(placement, worker=me))
    if not _is_owned(placement, make=make):
        try:
            return work(replace(placement, worker=me))
        except CannotWrite:
            # Another run may since have created the directory for the owner.
            if not _is_owned(placement, make=False):
                raise
    # Parsing a record may import more, and the owner may not be able to read that.
    names.prepare()
    from dockertls_vault.certificate import also_trusted  # noqa: F401 - only loaded

    # Files created as the owner belong to the owner, so there is no uid to set.
    return fsuid.as_user(owner, partial(work, replace(placement, worker=owner, uid=atomic.KEEP)))


def refuse_component(placement: Placement, component: Component) -> None:
    """Refuse a component that a user other than root, the worker and the admins could change."""
    kind = component.status.st_mode
    trusted = component.status.st_uid in _trust(placement).users
    if stat.S_ISLNK(kind):
        if not trusted:
            owner = user_name(component.status.st_uid)
            raise CannotWrite(
                f"{component.path} is a symbolic link that {owner} could change",
                hint="use a path without this link",
            )
        return
    if component.descriptor is None:
        what = "a file" if stat.S_ISREG(kind) else "not a directory"
        raise CannotWrite(f"{component.path} is {what}", hint=placement.remedy())
    if not trusted:
        raise _belongs_to_another(placement, component)
    # In a sticky directory users can only rename their own files, and the next component is checked
    # for its owner.
    if not component.remaining or not kind & stat.S_ISVTX:
        refuse_other_writers(
            placement, component.path, component.descriptor, above=bool(component.remaining)
        )


def make_component(name: str, within: int, _left: int) -> None:
    """Make the missing directory ``name`` in an open one, with exactly DIRECTORY_MODE."""
    with (
        reading.opened(".", within) as parent,
        atomic.directory(name, DIRECTORY_MODE, parent),
    ):
        pass


def refuse_other_writers(
    placement: Placement, path: Path, descriptor: int, *, above: bool = False
) -> None:
    """Refuse an open file or directory that untrusted users can write to.

    ``above`` is whether it is a parent of the credential directory.
    """
    status = os.fstat(descriptor)
    found = untrusted_writers(status, acl.entries(descriptor), _trust(placement))
    if not found:
        return
    remedies = [
        f"use --admin-group {shlex.quote(writer.group)} if its members may replace the key"
        for writer in found
        # Only one group can be named, which does not help against a second writer.
        if writer.group is not None and placement.admins is None and len(found) == 1
    ]
    message = (
        f"{' and '.join(writer.name for writer in found)} can write to {path} and replace the key"
    )
    if os.geteuid() not in {0, status.st_uid}:
        # We cannot change its mode: a container volume, for example, is root's and world-writable.
        remedies += ['use --dir "$(mktemp -d)"'] if placement.movable else []
        raise CannotWrite(message, hint=", or ".join(remedies))
    # Do not suggest a chmod of /tmp and the like, which are world-writable by design.
    if not status.st_mode & stat.S_ISVTX:
        quoted = shlex.quote(str(path))
        remedies.append(" and ".join(f"{writer.remedy} {quoted}" for writer in found))
        remedies += [f"chmod +t {quoted}"] if above and status.st_mode & stat.S_IWOTH else []
    raise CannotWrite(message, hint=placement.remedy(*remedies))


def _trust(placement: Placement) -> Trust:
    if placement.worker is None:
        raise ValueError("the placement has no worker")
    return Trust(frozenset({0, placement.worker}), placement.admins)


def _belongs_to_another(placement: Placement, component: Component) -> CannotWrite:
    owner = user_name(component.status.st_uid)
    if placement.worker != 0:
        # Root gets no chown hint: another user may have led it to this directory.
        chown = [f"chown root: {shlex.quote(str(component.path))}"]
        return CannotWrite(
            f"{component.path} belongs to {owner}, who could replace the key",
            hint=placement.remedy(*chown if placement.worker == os.geteuid() else ()),
        )
    given = placement.uid != atomic.KEEP
    files = user_name(placement.uid if given else 0)
    return CannotWrite(
        f"{component.path} belongs to {owner}, but the files would belong to {files}",
        # Run as the owner first: a client's common name identifies the user, and root could be
        # anyone.
        hint=placement.remedy()
        if given or not placement.movable
        else placement.remedy(
            f"run it as {owner}, without sudo, or use --owner {shlex.quote(owner)}"
        ),
    )


def _is_owned(placement: Placement, *, make: bool) -> bool:
    """Return, as root, whether a component belongs to the owner; those above must be root's.

    With ``make``, missing directories are created below root's, and the last one for the owner.
    """
    roots = replace(placement, worker=0)

    def check(component: Component) -> None:
        if component.status.st_uid == placement.uid:
            raise _OwnedError
        refuse_component(roots, component)

    def make_next(name: str, within: int, remaining: int) -> None:
        with reading.opened(".", within) as parent:
            if remaining == 0:
                _make_for_owner(name, parent, placement.uid)
                return
            with atomic.directory(name, DIRECTORY_MODE, parent):
                pass

    try:
        with walk.open_directory(
            placement.directory, check, make_next if make else None
        ) as reached:
            will_be_owned = reached.remaining > 0
    except _OwnedError:
        _refuse_foreign_group(placement)
        return True
    if will_be_owned:
        _refuse_foreign_group(placement)
    return False


def _make_for_owner(name: str, within: int, uid: int) -> None:
    """Create a directory that belongs to ``uid`` from the moment it has its name."""
    staged = f".{name}.dockertls-vault"
    try:
        _stage_and_rename(staged, name, within, uid)
    except (FileExistsError, FileNotFoundError):
        # If another run created it first, the staged directory is not needed.
        if not os.access(name, os.F_OK, dir_fd=within, follow_symlinks=False):
            raise
        with suppress(OSError):
            os.rmdir(staged, dir_fd=within)


def _stage_and_rename(staged: str, name: str, within: int, uid: int) -> None:
    with suppress(FileExistsError):  # from a killed or a concurrent run
        os.mkdir(staged, 0o700, dir_fd=within)
    with reading.opened(staged, within) as made:
        if os.fstat(made).st_uid not in {0, uid} or reading.entries(made):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), staged)
        acl.drop(made)
        os.fchown(made, uid, atomic.KEEP)
        os.fchmod(made, DIRECTORY_MODE)
        os.fsync(made)
    atomic.rename_noreplace(staged, name, within)


def _refuse_foreign_group(placement: Placement) -> None:
    """Refuse a group for the key that the owner is not a member of, and so cannot set."""
    if placement.gid != atomic.KEEP and placement.gid not in fsuid.groups(placement.uid):
        owner, group = user_name(placement.uid), group_name(placement.gid)
        raise InvalidInput(
            f"{owner} is not a member of the group {group}, and files in a directory that belongs "
            f"to {owner} are written with that user's permissions",
            hint=f"add {owner} to the group, or choose a directory owned by root, or omit --group",
        )
