"""Which system calls of a run change the disk, and how strace kills it as it enters one."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.harness.missing import missing

# Calls that create, write, rename, chown or remove a file. "?" skips those that the kernel or
# strace does not know on this machine.
# fmt: off
_CALLS = (
    "open", "openat", "creat", "mkdir", "mkdirat", "mknod", "mknodat", "write", "pwrite64",
    "writev", "pwritev", "pwritev2", "truncate", "ftruncate", "fallocate", "copy_file_range",
    "sendfile", "fsync", "fdatasync", "rename", "renameat", "renameat2", "link", "linkat",
    "symlink", "symlinkat", "unlink", "unlinkat", "rmdir", "chmod", "fchmod", "fchmodat",
    "fchmodat2", "chown", "fchown", "lchown", "fchownat", "setxattr", "fsetxattr", "lsetxattr",
    "removexattr", "fremovexattr", "lremovexattr", "utimensat",
)
# fmt: on
# Calls that start another program.
_CHILDREN = ("clone", "clone3", "fork", "vfork")
# 1234 openat(5</tmp/x>, "key.pem", O_WRONLY|O_CREAT|O_EXCL, 0400) = 6</tmp/x/key.pem>
_LINE = re.compile(r"(?P<pid>\d+) +(?P<name>\w+)\((?P<arguments>.*?)\)? += (?P<result>.*)")
# 1234 fsync(5</tmp/x> <unfinished ...>
# 1234 <... fsync resumed>) = ?
_UNFINISHED = " <unfinished ...>"
_RESUMED = re.compile(r"^\d+ +<\.\.\. \w+ resumed>")
_GENERATION = re.compile(r"[0-9]{8}T[0-9]{6}\.[0-9]{6}Z(-[0-9a-f]+)?")
_ANY = "*"
_PLACE = re.compile(r"<(/[^>]*)>")
# What strace's -P looks for: file descriptors, and paths as they are passed.
_ALL_PLACES = re.compile(r"(?<=[<\"])(/[^>\"]*)")


@dataclass(frozen=True)
class Call:
    """The ``nth`` call of that name in a thread with a file descriptor for ``place``.

    strace counts per thread; without the place, an earlier thread would be hit. In a generation,
    whose name is another one in each run, it is the ``nth`` call anywhere.
    """

    name: str
    place: str
    nth: int

    @property
    def varies(self) -> bool:
        """Whether its place has another name in each run."""
        return _ANY in self.place

    def kill(self, root: Path) -> list[str]:
        """Return the options that kill a run in ``root`` as it enters this call."""
        where = [] if self.varies else ["-P", str(root / self.place)]
        return [*where, "--inject", f"{self.name}:signal=KILL:when={self.nth}"]


@dataclass(frozen=True)
class Calls:
    """What a run changes, in order; ``hidden`` are calls that only come after another thread's.

    strace cannot tell those apart.
    """

    known: tuple[Call, ...]
    hidden: tuple[str, ...]


def program() -> Path:
    """Return the path of strace."""
    return Path(shutil.which("strace") or missing("strace is not installed"))


def command(log: Path, *strace: str) -> list[str]:
    """Return the command that traces into ``log``, with the paths of file descriptors.

    ``strace`` is how to run it, if it is not here.
    """
    traced = ",".join(f"?{call}" for call in (*_CALLS, *_CHILDREN))
    begin = strace or (str(program()),)
    return [*begin, "-f", "-y", "-s", "0", "-o", str(log), "-e", f"trace={traced}"]


def changes(log: Path, root: Path, *, varying: bool, failed: bool = True) -> Calls:
    """Return the calls in ``log`` that change what is below ``root``.

    ``varying`` is whether generations have other names in each run, ``failed`` whether those that
    failed are included, although they changed nothing.
    """
    counts: Counter[tuple[str, str, str]] = Counter()
    known: dict[Call, None] = {}
    hidden = []
    lines = _lines(log)
    pids = {match["pid"] for match in lines}
    for match in lines:
        pid, name = match["pid"], match["name"]
        for place in ("", *dict.fromkeys(_ALL_PLACES.findall(match["arguments"]))):
            counts[pid, name, place] += 1
        if match["result"].startswith("-1 ") and not failed:
            continue
        if place := _changes(match, root):
            alike = _alike(place, root, varying=varying)
            counted = "" if _ANY in alike else place
            nth = counts[pid, name, counted]
            before_it = (counts[other, name, counted] for other in pids - {pid})
            if max(before_it, default=0) >= nth:
                hidden.append(match[0])
                continue
            known[Call(name, alike, nth)] = None
    return Calls(tuple(known), tuple(hidden))


def children(log: Path) -> list[tuple[str, int]]:
    """Return the calls in ``log`` that start another program: each name, and which one it is.

    They are those of the first thread.
    """
    lines = _lines(log)
    names = [match["name"] for match in lines if match["pid"] == lines[0]["pid"]]
    counts: Counter[str] = Counter()
    found = []
    for name in names:
        if name in _CHILDREN:
            counts[name] += 1
            found.append((name, counts[name]))
    return found


def _alike(place: str, root: Path, *, varying: bool) -> str:
    """Return a place relative to ``root``, as it is called in every run."""
    relative = str(Path(place).relative_to(root))
    return _GENERATION.sub(_ANY, relative) if varying else relative


def killed_at(log: Path, root: Path, *, varying: bool) -> list[tuple[str, str | None]]:
    """Return the names and places of the calls during which the run in ``root`` was killed."""
    killed = [match for match in _lines(log) if match["result"] == "?"]
    places = [_changes(match, root) for match in killed]
    return [
        (match["name"], place and _alike(place, root, varying=varying))
        for match, place in zip(killed, places, strict=True)
    ]


def _changes(call: re.Match[str], root: Path) -> str | None:
    """Return the place in ``root`` that a call changes, or None."""
    if call["name"] in {"open", "openat"} and "O_CREAT" not in call["arguments"]:
        return None
    places = (place for place in _PLACE.findall(call["arguments"]) if place.startswith(str(root)))
    return next(places, None)


def _lines(log: Path) -> list[re.Match[str]]:
    """Return the calls, in the order of their ends: another thread may come in between."""
    begun: dict[str, str] = {}
    found = []
    for line in log.read_text(errors="replace").splitlines():
        pid = line.partition(" ")[0]
        if line.endswith(_UNFINISHED):
            begun[pid] = line.removesuffix(_UNFINISHED)
            continue
        if resumed := _RESUMED.match(line):
            line = begun.get(pid, pid) + line[resumed.end() :]  # noqa: PLW2901 - the whole of it
        if match := _LINE.match(line):
            found.append(match)
    return found
