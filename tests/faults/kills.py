"""Kill the program at each system call that changes the disk, and look at what is left.

strace tells the calls of a run that gets through, and then sends SIGKILL as another run enters
the first of them, the second, and so on.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.console import ROOT
from tests.harness.missing import missing

from .scenarios import BEFORE, WHO, change, found, prepare

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# All that makes, fills, names, gives away or removes a file. Those that the kernel or strace has
# under no such name on this machine are passed over ("?").
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
_LINE = re.compile(r"(?P<pid>\d+) +(?P<name>\w+)\((?P<arguments>.*)")
_LIMIT = 60.0  # seconds for one run; far more than it takes


@dataclass(frozen=True)
class Call:
    """The ``nth`` call of that name in a process."""

    name: str
    nth: int


def run(
    before: str, who: str, scratch: Path, *, which: slice = slice(None)
) -> tuple[int, list[str]]:
    """Kill at each call, or at those that ``which`` takes; return how many, and what is wrong."""
    calls = _changing_calls(before, who, scratch / "whole")[which]
    wrong = []
    for number, call in enumerate(calls):
        out = scratch / str(number)
        problems = _kill(before, who, out, call)
        wrong += [f"{before}, {who}, {call.name} {call.nth}: {problem}" for problem in problems]
        shutil.rmtree(out)
    return len(calls), wrong


def _changing_calls(before: str, who: str, out: Path) -> list[Call]:
    """Let a run get through; return its calls that change the disk below ``out``."""
    prepare(before, who, out)
    run = _traced(who, out, [])
    assert run.returncode == 0, run.stderr
    assert found(who, out) == {"2"}
    counts: Counter[tuple[str, str]] = Counter()
    calls: dict[Call, None] = {}
    for match in _log(out):
        counts[match["pid"], match["name"]] += 1
        if _changes(match, out):
            calls[Call(match["name"], counts[match["pid"], match["name"]])] = None
    return list(calls)


def _kill(before: str, who: str, out: Path, call: Call) -> Iterator[str]:
    """Kill a run as it enters ``call``; yield what is wrong with what it leaves."""
    prepare(before, who, out)
    _traced(who, out, ["--inject", f"{call.name}:signal=KILL:when={call.nth}"])
    last = [match for match in _log(out) if match["name"] == call.name][-1]
    if not _changes(last, out) or not last["arguments"].endswith("= ?"):
        yield f"killed elsewhere: {last[0]}"
    public = found(who, out)
    if len(public) != 1 or not public <= BEFORE[before].may_be_read:
        yield f"a reader finds {public}"
    for path in out.rglob("*key.pem"):
        if path.is_symlink() or path.read_text() not in {"", "key.pem 2"}:
            continue
        if (mode := path.stat().st_mode & 0o7777) & ~_most(who):
            yield f"the key {path} has the mode {mode:04o}"
    change(who, out, 3)
    if (public := found(who, out)) != {"3"}:
        yield f"after the next run a reader finds {public}"
    hidden = [str(path) for path in out.rglob(".*") if path.name != ".dockertls"]
    if hidden:
        yield f"the next run leaves {hidden}"


def _most(who: str) -> int:
    return 0o440 if WHO[who].group else 0o400


def _changes(call: re.Match[str], out: Path) -> bool:
    opens = call["name"] in {"open", "openat"}
    return str(out) in call["arguments"] and (not opens or "O_CREAT" in call["arguments"])


def _log(out: Path) -> list[re.Match[str]]:
    lines = _log_file(out).read_text(errors="replace").splitlines()
    return [match for line in lines if (match := _LINE.match(line))]


def _log_file(out: Path) -> Path:
    return out.with_name(f"{out.name}.log")


def _traced(who: str, out: Path, more: list[str]) -> subprocess.CompletedProcess[str]:
    """Run the change; the calls in the log show what their descriptors are."""
    strace = shutil.which("strace") or missing("strace is not installed")
    command = [strace, "-f", "-y", "-qq", "-s", "0", "-o", str(_log_file(out))]
    command += ["-e", "trace=" + ",".join(f"?{call}" for call in _CALLS), *more]
    command += [sys.executable, "-m", "tests.faults.scenarios", who, str(out)]
    # No .pyc is written, so that the calls are the same each time.
    environ = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0"}
    return subprocess.run(
        command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=_LIMIT, check=False
    )
