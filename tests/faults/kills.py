"""Kill the program at each system call that changes the disk, and check what is left.

strace records the calls of an undisturbed run, then sends SIGKILL as another run enters the
first of them, the second, and so on.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.programs import ROOT

from . import strace
from .scenarios import BEFORE, WHO, found, install

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LIMIT = 60.0  # seconds for one run; far more than it takes


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


def _changing_calls(before: str, who: str, root: Path) -> tuple[strace.Call, ...]:
    """Let a run finish in ``root``; return its calls that change the disk there."""
    out = _prepared(before, who, root)
    run = _traced(before, who, out, [])
    assert run.returncode == 0, run.stderr
    assert found(who, out) == {"2"}
    calls = strace.changes(_log(root), root, varying=False)
    # The only file that a second thread opens is the lock, which exists already.
    assert all('"lock"' in call for call in calls.hidden)
    return calls.known


def _kill(before: str, who: str, root: Path, call: strace.Call) -> Iterator[str]:
    """Kill a run as it enters ``call``; yield what is wrong afterwards."""
    out = _prepared(before, who, root)
    _traced(before, who, out, call.kill(root))
    killed = strace.killed_at(_log(root), root, varying=False)
    if killed != [(call.name, call.place)]:
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


def _log(root: Path) -> Path:
    return root.with_name(f"{root.name}.log")


def _traced(before: str, who: str, out: Path, more: list[str]) -> subprocess.CompletedProcess[str]:
    """Run the change."""
    command = [*strace.command(_log(out.parent)), *more]
    command += [sys.executable, "-m", "tests.faults.scenarios", before, who, str(out)]
    # Without writing .pyc files, so that the calls are always the same.
    environ = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0"}
    return subprocess.run(
        command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=_LIMIT, check=False
    )
