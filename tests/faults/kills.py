"""Kill the program at each system call that changes the disk, and check what is left.

strace records the calls of an undisturbed run, then sends SIGKILL as another run enters the
first of them, the second, and so on.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.harness.missing import missing
from tests.programs import ROOT

from .scenarios import BEFORE, WHO, found, install

if TYPE_CHECKING:
    from collections.abc import Iterator

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
# 1234 openat(5</tmp/x>, "key.pem", O_WRONLY|O_CREAT|O_EXCL, 0400) = 6</tmp/x/key.pem>
_LINE = re.compile(r"(?P<pid>\d+) +(?P<name>\w+)\((?P<arguments>.*?)\)? += (?P<result>.*)")
_PLACE = re.compile(r"<(/[^>]*)>")
_LIMIT = 60.0  # seconds for one run; far more than it takes


@dataclass(frozen=True)
class Call:
    """The ``nth`` call of that name in a thread with a file descriptor for ``place``.

    strace counts per thread; without the place, an earlier thread would be hit.
    """

    name: str
    place: Path
    nth: int


def run(
    before: str, who: str, scratch: Path, *, which: slice = slice(None)
) -> tuple[int, list[str]]:
    """Kill at each call, or those that ``which`` selects; return their number and the problems."""
    calls = _changing_calls(before, who, scratch / "whole")[which]
    wrong = []
    for number, call in enumerate(calls):
        problems = _kill(before, who, scratch / str(number), call)
        wrong += [f"{before}, {who}, {call}: {problem}" for problem in problems]
        shutil.rmtree(scratch / str(number))
    return len(calls), wrong


def _changing_calls(before: str, who: str, root: Path) -> list[Call]:
    """Let a run finish in ``root``; return its calls that change the disk there."""
    out = _prepared(before, who, root)
    run = _traced(before, who, out, [])
    assert run.returncode == 0, run.stderr
    assert found(who, out) == {"2"}
    counts: Counter[tuple[str, str, str]] = Counter()
    calls: dict[Call, None] = {}
    pids = {match["pid"] for match in _log(root)}
    for match in _log(root):
        for place in dict.fromkeys(_PLACE.findall(match["arguments"])):
            counts[match["pid"], match["name"], place] += 1
        if place := _changes(match, root):
            nth = counts[match["pid"], match["name"], place]
            before_it = (counts[pid, match["name"], place] for pid in pids - {match["pid"]})
            if max(before_it, default=0) >= nth:
                # The only file that a second thread opens is the lock, which exists already.
                assert '"lock"' in match["arguments"], match[0]
                continue
            calls[Call(match["name"], Path(place).relative_to(root), nth)] = None
    return list(calls)


def _kill(before: str, who: str, root: Path, call: Call) -> Iterator[str]:
    """Kill a run as it enters ``call``; yield what is wrong afterwards."""
    out = _prepared(before, who, root)
    place = str(root / call.place)
    inject = f"{call.name}:signal=KILL:when={call.nth}"
    _traced(before, who, out, ["-P", place, "--inject", inject])
    killed = [match for match in _log(root) if match["result"] == "?"]
    if [(match["name"], _changes(match, root)) for match in killed] != [(call.name, place)]:
        yield f"killed elsewhere: {killed}"
    public = found(who, out)
    if public not in ({BEFORE[before].old}, {"2"}):
        yield f"a reader finds {public}"
    for path in out.rglob("*key.pem"):
        if path.is_symlink() or path.read_text() not in {"", "key.pem 2"}:
            continue
        if (mode := path.stat().st_mode & 0o7777) & 0o7077 & ~_of_the_group(who):
            yield f"the key {path} has the mode {mode:04o}"
    install(out, WHO[who], 3)
    if (public := found(who, out)) != {"3"}:
        yield f"after the next run a reader finds {public}"
    hidden = [str(path) for path in root.rglob(".*") if path.name != ".dockertls"]
    if hidden:
        yield f"the next run leaves {hidden}"


def _prepared(before: str, who: str, root: Path) -> Path:
    """Prepare the credential in ``root``; return its directory."""
    root.mkdir()
    BEFORE[before].prepare(root / "c", WHO[who])
    return root / "c"


def _of_the_group(who: str) -> int:
    return 0o040 if WHO[who].group else 0


def _changes(call: re.Match[str], root: Path) -> str | None:
    """Return the place in ``root`` that a call changes, or None."""
    if call["name"] in {"open", "openat"} and "O_CREAT" not in call["arguments"]:
        return None
    places = (place for place in _PLACE.findall(call["arguments"]) if place.startswith(str(root)))
    return next(places, None)


def _log(root: Path) -> list[re.Match[str]]:
    lines = _log_file(root).read_text(errors="replace").splitlines()
    return [match for line in lines if (match := _LINE.match(line))]


def _log_file(root: Path) -> Path:
    return root.with_name(f"{root.name}.log")


def _traced(before: str, who: str, out: Path, more: list[str]) -> subprocess.CompletedProcess[str]:
    """Run the change; the log shows the paths of file descriptors."""
    strace = shutil.which("strace") or missing("strace is not installed")
    command = [strace, "-f", "-y", "-qq", "-s", "0", "-o", str(_log_file(out.parent))]
    command += ["-e", "trace=" + ",".join(f"?{call}" for call in _CALLS), *more]
    command += [sys.executable, "-m", "tests.faults.scenarios", before, who, str(out)]
    # Without writing .pyc files, so that the calls are always the same.
    environ = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0"}
    return subprocess.run(
        command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=_LIMIT, check=False
    )
