"""The table for files/: who may write what is read and written, and with whose privileges."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .mutant import Rows, Table

_ACL: Rows = (
    (
        "an ACL that stays",
        '            raise OSError(errno.EPERM, "an ACL',
        '            str("an ACL',
    ),
    ("the access ACL goes", "for kind in (ACCESS, DEFAULT):", "for kind in (DEFAULT,):"),
    ("the default ACL goes", "for kind in (ACCESS, DEFAULT):", "for kind in (ACCESS,):"),
    ("no /proc is not no ACL", "    except FileNotFoundError:\n", "    except EOFError:\n"),
)
_BOUNDED: Rows = (
    ("no more than 4 MiB", "LARGEST = 4 << 20", "LARGEST = 5 << 20"),
    (
        "a pipe has 30 s in all",
        "stop.readable(descriptor, max(0.0, deadline - time.monotonic()))",
        "stop.readable(descriptor, PIPE_TIMEOUT)",
    ),
)
_FSUID: Rows = (
    ("none of our groups", "frozenset({_NO_GROUP}))", "frozenset({0}))"),
    ("all of the user's", "os.getgrouplist(entry.pw_name, entry.pw_gid)", "[entry.pw_gid]"),
    ("it has changed hands", "    if _rights() != (user, 0):\n", "    if False:\n"),
    ("no right over all files is left", "& _FILE_CAPABILITIES", "& 0"),
)
_GUARDED: Rows = (
    ("ours or root's", "    if status.st_uid not in trust.users:\n", "    if False:\n"),
    (
        "the directory of its name",
        "(file.parent, file.resolve().parent)",
        "(file.resolve().parent,)",
    ),
    ("of what it leads to", "(file.parent, file.resolve().parent)", "(file.parent,)"),
    ("a sticky file is no directory", "stat.S_ISDIR(status.st_mode) and status", "status"),
    (
        "the ACL",
        "untrusted_writers(status, acl.entries(descriptor), trust)",
        "untrusted_writers(status, (), trust)",
    ),
)
_WALK: Rows = (
    (
        "each directory is judged",
        "check(Component(step, os.fstat(found), found, remaining))",
        "pass",
    ),
    ("each link is judged", "            check(Component(step, status, None, remaining))\n", ""),
    ("no link of /proc", "if _place(link, here) != _place(target, here):", "if False:"),
    ("nor by another mount", "status.st_ino, _mount(found)", 'status.st_ino, ""'),
    ("opened as what it is", "PATH_ONLY | os.O_NOFOLLOW | flags", "PATH_ONLY | flags"),
)

TABLE: Table = {
    "files/acl.py": ("files", _ACL),
    "files/bounded.py": ("files/test_bounded.py", _BOUNDED),
    "files/fsuid.py": ("files/test_fsuid.py credential/test_worker.py", _FSUID),
    "files/guarded.py": ("files/test_guarded.py", _GUARDED),
    "files/walk.py": ("files credential/test_worker.py credential/test_preflight.py", _WALK),
}
