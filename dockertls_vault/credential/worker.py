"""Whose rights a credential is written with: those of the one who owns its directory.

In a directory of another user root would follow, link, read and give away what that user has put
there. So where an owner is named and the way comes to something of theirs, the work is theirs;
and nobody else may be able to change a step of the way.
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

from dockertls_vault.errors import CannotWrite, InvalidInput
from dockertls_vault.files import acl, atomic, fsuid, walk
from dockertls_vault.files.writers import Trust, group_name, untrusted_writers, user_name

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dockertls_vault.files.walk import Component

    from .layout import Placement

Result = TypeVar("Result")

DIRECTORY_MODE = 0o755


class _TheirsError(Exception):
    """Ends a walk: the way came to something of the owner named."""


def by_worker(
    placement: Placement, work: Callable[[Placement], Result], *, make: bool = False
) -> Result:
    """Have the work done by the one who is to do it, as ``placement.worker`` then says.

    With ``make``, a directory that is missing in one of root's is made for the owner first.
    Raises what ``work`` raises, and CannotWrite or InvalidInput where neither root nor the owner
    could do it.
    """
    if placement.worker is not None:
        return work(placement)
    me, owner = os.geteuid(), placement.uid
    if me != 0 or owner in {atomic.KEEP, me}:
        return work(replace(placement, worker=me))
    if not _is_theirs(placement, make=make):
        try:
            return work(replace(placement, worker=me))
        except CannotWrite:
            # Another run may have made the directory for them since.
            if not _is_theirs(placement, make=False):
                raise
    # What the owner makes is the owner's.
    return fsuid.as_user(owner, partial(work, replace(placement, worker=owner, uid=atomic.KEEP)))


def refuse_component(placement: Placement, component: Component) -> None:
    """Refuse what anybody could change who is neither root nor the worker nor an administrator."""
    kind = component.status.st_mode
    trusted = component.status.st_uid in _trust(placement).users
    if stat.S_ISLNK(kind):
        if not trusted:
            owner = user_name(component.status.st_uid)
            raise CannotWrite(
                f"{component.path} is a symbolic link that {owner} could change",
                hint="give a path without this link",
            )
        return
    if component.descriptor is None:
        what = "a file" if stat.S_ISREG(kind) else "not a directory"
        raise CannotWrite(f"{component.path} is {what}", hint=placement.remedy())
    if not trusted:
        raise _belongs_to_another(placement, component)
    # In a sticky directory nobody can rename what is another's: enough for what is judged itself.
    if not component.remaining or not kind & stat.S_ISVTX:
        refuse_other_writers(
            placement, component.path, component.descriptor, above=bool(component.remaining)
        )


def refuse_other_writers(
    placement: Placement, path: Path, descriptor: int, *, above: bool = False
) -> None:
    """Refuse a directory, or a file of ours, that is open and that others can write too.

    With ``above`` it is a step of the way only.
    """
    status = os.fstat(descriptor)
    found = untrusted_writers(status, acl.entries(descriptor), _trust(placement))
    if not found:
        return
    ways_out = [
        f"give --admin-group {shlex.quote(writer.group)} if its members may replace the key"
        for writer in found
        # One group is given; with a second one, or with anybody, it would not be enough.
        if writer.group is not None and placement.admins is None and len(found) == 1
    ]
    message = (
        f"{' and '.join(writer.name for writer in found)} can write in {path}, and replace the key"
    )
    if os.geteuid() not in {0, status.st_uid}:
        # Such as a volume of a container's, which is root's and for everybody.
        ways_out += ['give --dir "$(mktemp -d)"'] if placement.movable else []
        raise CannotWrite(message, hint=", or ".join(ways_out))
    # The likes of /tmp are for everybody, and are to stay so.
    if not status.st_mode & stat.S_ISVTX:
        quoted = shlex.quote(str(path))
        ways_out.append(" and ".join(f"{writer.remedy} {quoted}" for writer in found))
        ways_out += [f"chmod +t {quoted}"] if above and status.st_mode & stat.S_IWOTH else []
    raise CannotWrite(message, hint=placement.remedy(*ways_out))


def _trust(placement: Placement) -> Trust:
    if placement.worker is None:
        raise ValueError("nobody works there yet")
    return Trust(frozenset({0, placement.worker}), placement.admins)


def _belongs_to_another(placement: Placement, component: Component) -> CannotWrite:
    owner = user_name(component.status.st_uid)
    if placement.worker != 0:
        # Root is not told to take what another user leads it to.
        chown = [f"chown root: {shlex.quote(str(component.path))}"]
        return CannotWrite(
            f"{component.path} belongs to {owner}, who could replace the key",
            hint=placement.remedy(*chown if placement.worker == os.geteuid() else ()),
        )
    given = placement.uid != atomic.KEEP
    files = user_name(placement.uid if given else 0)
    return CannotWrite(
        f"{component.path} belongs to {owner}, but the files would belong to {files}",
        # As the owner: a client's common name says who runs it, and root is everybody.
        hint=placement.remedy()
        if given or not placement.movable
        else placement.remedy(
            f"run it as {owner}, without sudo; or give --owner {shlex.quote(owner)}"
        ),
    )


def _is_theirs(placement: Placement, *, make: bool) -> bool:
    """Tell, as root, whether the way comes to something of the owner's; all before it is root's.

    With ``make``, what is missing in directories of root's is made, the last one for the owner.
    """
    roots = replace(placement, worker=0)

    def check(component: Component) -> None:
        if component.status.st_uid == placement.uid:
            raise _TheirsError
        refuse_component(roots, component)

    def make_next(name: str, within: int, left: int) -> None:
        with atomic.opened(".", within) as parent:
            if left == 0:
                _hand_over(name, parent, placement.uid)
                return
            with atomic.directory(name, DIRECTORY_MODE, parent):
                pass

    try:
        with walk.open_directory(
            placement.directory, check, make_next if make else None
        ) as reached:
            will_be_theirs = reached.remaining > 0
    except _TheirsError:
        _refuse_group_of_others(placement)
        return True
    if will_be_theirs:
        _refuse_group_of_others(placement)
    return False


def _hand_over(name: str, within: int, uid: int) -> None:
    """Make a directory of that user's, which is nobody else's at any time that it has its name."""
    staged = f".{name}.dockertls-vault"
    try:
        _name_handed_over(staged, name, within, uid)
    except (FileExistsError, FileNotFoundError):
        # Another run was faster; what this one made has no use then.
        if not os.access(name, os.F_OK, dir_fd=within, follow_symlinks=False):
            raise
        with suppress(OSError):
            os.rmdir(staged, dir_fd=within)


def _name_handed_over(staged: str, name: str, within: int, uid: int) -> None:
    with suppress(FileExistsError):  # of a run that was killed, or that is as far as this one
        os.mkdir(staged, 0o700, dir_fd=within)
    with atomic.opened(staged, within) as made:
        if os.fstat(made).st_uid not in {0, uid} or atomic.entries(made):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), staged)
        acl.drop(made)
        os.fchown(made, uid, atomic.KEEP)
        os.fchmod(made, DIRECTORY_MODE)
        os.fsync(made)
    atomic.rename_noreplace(staged, name, within)


def _refuse_group_of_others(placement: Placement) -> None:
    """Refuse to give the key to a group that the owner could not give it to."""
    if placement.gid != atomic.KEEP and placement.gid not in fsuid.groups(placement.uid):
        owner, group = user_name(placement.uid), group_name(placement.gid)
        raise InvalidInput(
            f"{owner} is not in the group {group}, and in a directory of {owner}'s files are "
            "written with their permissions",
            hint="add them to it, or choose a directory owned by root, or omit --group",
        )
