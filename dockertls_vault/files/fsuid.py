"""Work on files with the rights of another user, which is for root to do.

On Linux each thread has a user, a group and groups of its own for what it does to files
(credentials(7)). A thread that has taken another user's loses with them what lets root pass any
check of a file (capabilities(7), "Effect of user ID changes on capabilities"), so the kernel itself
allows what it would allow that user, and nothing else. The other threads keep theirs, and since
the process stays root's, that user can neither signal nor trace it.
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

Result = TypeVar("Result")

# The C library's own setgroups(3) is for all threads at once. What the kernel's is called with,
# by machine and bits: arch/*/…/syscall*.tbl, include/uapi/asm-generic/unistd.h (setgroups32 where
# there are two).
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
# A group for who has none: by convention no file is its.
_NO_GROUP = 65534
# CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER and CAP_FSETID.
_OVER_FILES = 0b11111


@dataclass(frozen=True)
class _User:
    uid: int
    gid: int
    groups: frozenset[int]


def as_user(uid: int, work: Callable[[], Result]) -> Result:
    """Return what ``work`` returns, or raise what it raises, done with that user's rights.

    Like all else it is stopped only where it looks (stop.py). What it imports must be imported
    before: the user may have no right to read it. Raises CannotWrite where this process cannot
    act as another user.
    """
    from concurrent.futures import ThreadPoolExecutor  # most commands act as nobody else

    user = _user(uid)

    def act() -> Result:
        _become(user)
        return work()

    # The thread is never used again, and so has no way back to take.
    with ThreadPoolExecutor(max_workers=1) as threads:
        return threads.submit(copy_context().run, act).result()


def groups(uid: int) -> frozenset[int]:
    """Return the groups that a user is in."""
    return _user(uid).groups


def _user(uid: int) -> _User:
    """Return a user with the groups that a login would give; one without a name has none."""
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return _User(uid, _NO_GROUP, frozenset({_NO_GROUP}))
    return _User(uid, entry.pw_gid, frozenset(os.getgrouplist(entry.pw_name, entry.pw_gid)))


def _become(user: _User) -> None:
    """Make this thread that user's, and see that it is."""
    import ctypes

    bits = 64 if sys.maxsize > 2**32 else 32
    setgroups = _SETGROUPS.get((os.uname().machine, bits))
    if sys.platform != "linux" or setgroups is None:
        raise CannotWrite(
            f"no way is known here ({sys.platform}, {os.uname().machine}) to act as another user",
            hint=f"run it as the user {user.uid}, without --owner",
        )
    libc = ctypes.CDLL(None)
    members = (ctypes.c_uint32 * len(user.groups))(*sorted(user.groups))
    libc.syscall(ctypes.c_long(setgroups), ctypes.c_size_t(len(members)), members)
    libc.setfsgid(ctypes.c_uint32(user.gid))
    libc.setfsuid(ctypes.c_uint32(user.uid))
    # Neither of the two says whether it did anything.
    if _rights() != (user, 0):
        raise CannotWrite(
            f"this process may not act as the user {user.uid}",
            hint="run it as that user, without --owner; root needs CAP_SETUID and CAP_SETGID",
        )


def _rights() -> tuple[_User, int]:
    """Return whose rights over files this thread has, and what capabilities over all files."""
    lines = Path("/proc/thread-self/status").read_text(errors="replace").splitlines()
    status = dict(line.split(":", 1) for line in lines)
    uid, gid = (int(status[name].split()[-1]) for name in ("Uid", "Gid"))
    members = frozenset(map(int, status["Groups"].split()))
    return _User(uid, gid, members), int(status["CapEff"], 16) & _OVER_FILES
