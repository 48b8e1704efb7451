"""Access files as another user; for root.

On Linux each thread has its own file-system user, group and supplementary groups (credentials(7)).
A thread that switches to another user also loses the capabilities that bypass file permissions
(capabilities(7), "Effect of user ID changes on capabilities"), so the kernel allows it exactly what
it allows that user. Other threads are not affected, and because the process still belongs to root,
that user can neither signal nor trace it.
"""

from __future__ import annotations

import os
import pwd
import sys
from contextvars import copy_context
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from dockertls_vault.errors import CannotWrite

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

# The number of the system call setgroups(2), by machine and word size: the C library's setgroups(3)
# changes all threads. From arch/*/…/syscall*.tbl and include/uapi/asm-generic/unistd.h in Linux
# (setgroups32 if there are two).
_SETGROUPS = {
    ("x86_64", 64): 116,
    ("aarch64", 64): 159,
    ("riscv64", 64): 159,
    ("loongarch64", 64): 159,
    ("ppc64le", 64): 81,
    ("s390x", 64): 206,
    ("aarch64", 32): 206,
    ("armv7l", 32): 206,
    ("armv6l", 32): 206,
    ("x86_64", 32): 206,
    ("i686", 32): 206,
}
# nogroup, for a user without a group: by convention it owns no file.
_NO_GROUP = 65534
# CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER and CAP_FSETID.
_FILE_CAPABILITIES = 0b11111


@dataclass(frozen=True)
class User:
    """A user by number, with the first group and all groups, as a login would give them."""

    uid: int
    gid: int
    groups: frozenset[int]


def as_user(uid: int, work: Callable[[], T]) -> T:
    """Run ``work`` with that user's file permissions; return or raise what it does.

    A signal stops it only where it polls for one (stop.py). Import what it needs beforehand: the
    user may not be allowed to read this package. Raises CannotWrite if this process cannot act as
    another user.
    """
    from concurrent.futures import ThreadPoolExecutor  # imported here: few commands need it

    found = user(uid)

    def act() -> T:
        _become(found)
        return work()

    # The thread is not reused, so there is no need to switch it back.
    with ThreadPoolExecutor(max_workers=1) as threads:
        return threads.submit(copy_context().run, act).result()


def groups(uid: int) -> frozenset[int]:
    """Return the ids of the groups that a user is a member of."""
    return user(uid).groups


def user(uid: int) -> User:
    """Return a user with the groups of a login; a uid without a passwd entry has no groups."""
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return User(uid, _NO_GROUP, frozenset({_NO_GROUP}))
    return User(uid, entry.pw_gid, frozenset(os.getgrouplist(entry.pw_name, entry.pw_gid)))


def _become(user: User) -> None:
    """Switch this thread to ``user``, and verify that it worked."""
    import ctypes

    bits = 64 if sys.maxsize > 2**32 else 32
    setgroups = _SETGROUPS.get((os.uname().machine, bits))
    if sys.platform != "linux" or setgroups is None:
        raise CannotWrite(
            f"acting as another user is not supported here ({sys.platform}, {os.uname().machine})",
            hint=f"run it as the user {user.uid}, without --owner",
        )
    libc = ctypes.CDLL(None)
    members = (ctypes.c_uint32 * len(user.groups))(*sorted(user.groups))
    libc.syscall(ctypes.c_long(setgroups), ctypes.c_size_t(len(members)), members)
    libc.setfsgid(ctypes.c_uint32(user.gid))
    libc.setfsuid(ctypes.c_uint32(user.uid))
    # setfsgid(2) and setfsuid(2) do not report failure.
    if _rights() != (user, 0):
        raise CannotWrite(
            f"this process may not act as the user {user.uid}",
            hint="run it as that user, without --owner; root needs CAP_SETUID and CAP_SETGID",
        )


def _rights() -> tuple[User, int]:
    """Return this thread's file-system user and groups, and its capabilities over files."""
    lines = Path("/proc/thread-self/status").read_text(errors="replace").splitlines()
    status = dict(line.split(":", 1) for line in lines)
    uid, gid = (int(status[name].split()[-1]) for name in ("Uid", "Gid"))
    members = frozenset(map(int, status["Groups"].split()))
    return User(uid, gid, members), int(status["CapEff"], 16) & _FILE_CAPABILITIES
