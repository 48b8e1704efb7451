"""The table for files/: who may write what is read and written, and with whose privileges."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .mutant import Rows, Table

_ACL: Rows = (
    (
        "an ACL that cannot be removed is an error",
        '            raise OSError(errno.EPERM, "an ACL',
        '            str("an ACL',
    ),
    ("the access ACL is removed", "for kind in (ACCESS, DEFAULT):", "for kind in (DEFAULT,):"),
    ("the default ACL is removed", "for kind in (ACCESS, DEFAULT):", "for kind in (ACCESS,):"),
    (
        "without /proc an ACL cannot be ruled out",
        "    except FileNotFoundError:\n",
        "    except EOFError:\n",
    ),
)
_BOUNDED: Rows = (
    ("at most 4 MiB are read", "LARGEST = 4 << 20", "LARGEST = 5 << 20"),
    (
        "a pipe has 30 s in total",
        "stop.readable(descriptor, max(0.0, deadline - time.monotonic()))",
        "stop.readable(descriptor, PIPE_TIMEOUT)",
    ),
)
_FSUID: Rows = (
    ("the worker has none of our groups", "frozenset({_NO_GROUP}))", "frozenset({0}))"),
    (
        "the worker has all groups of the user",
        "os.getgrouplist(entry.pw_name, entry.pw_gid)",
        "[entry.pw_gid]",
    ),
    ("the change of user is verified", "    if _rights() != (user, 0):\n", "    if False:\n"),
    ("no capability for files remains", "& _FILE_CAPABILITIES", "& 0"),
)
_GUARDED: Rows = (
    (
        "the file belongs to us or to root",
        "    if status.st_uid not in trust.users:\n",
        "    if False:\n",
    ),
    (
        "the directory of the link is checked",
        "(file.parent, file.resolve().parent)",
        "(file.resolve().parent,)",
    ),
    ("the target's directory is checked", "(file.parent, file.resolve().parent)", "(file.parent,)"),
    (
        "the sticky bit counts only on directories",
        "stat.S_ISDIR(status.st_mode) and status",
        "status",
    ),
    (
        "the ACL is checked",
        "untrusted_writers(status, acl.entries(descriptor), trust)",
        "untrusted_writers(status, (), trust)",
    ),
)
_WALK: Rows = (
    (
        "each directory is checked",
        "check(Component(step, os.fstat(found), found, remaining))",
        "pass",
    ),
    ("each link is checked", "            check(Component(step, status, None, remaining))\n", ""),
    (
        "a magic link of /proc is not followed",
        "if _place(link, here) != _place(target, here):",
        "if False:",
    ),
    (
        "a magic link to another mount is not followed",
        "status.st_ino, _mount(found)",
        'status.st_ino, ""',
    ),
    (
        "the last component is not followed",
        "PATH_ONLY | os.O_NOFOLLOW | flags",
        "PATH_ONLY | flags",
    ),
)

TABLE: Table = {
    "files/acl.py": ("files", _ACL),
    "files/bounded.py": ("files/test_bounded.py", _BOUNDED),
    "files/fsuid.py": ("files/test_fsuid.py credential/test_worker.py", _FSUID),
    "files/guarded.py": ("files/test_guarded.py", _GUARDED),
    "files/walk.py": ("files credential/test_worker.py credential/test_preflight.py", _WALK),
}
