"""``python -m tests.mutants [--jobs N] [WORD…]``: change one line at a time, and see tests fail.

With WORDs, only the rows whose file or promise contains one of them.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

from tests.checkout import ROOT, tracked

from .rules import mutants

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .mutant import Mutant

# Seconds; a change may make a test hang.
_LONGEST = 600
# pytest's exit statuses: all passed, some failed.
_PASSED, _FAILED = 0, 1


def main() -> int:
    """Run the table; return 1 if a change went unnoticed, or if its tests fail without it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("words", nargs="*")
    given = parser.parse_args()
    chosen = [
        mutant
        for mutant in mutants()
        if not given.words or any(word in f"{mutant.file} {mutant.promise}" for word in given.words)
    ]
    with tempfile.TemporaryDirectory(prefix="mutants.") as scratch:
        copies: SimpleQueue[Path] = SimpleQueue()
        for number in range(given.jobs):
            copies.put(copy_to(Path(scratch) / str(number)))
        with ThreadPoolExecutor(given.jobs) as pool:
            sound = pool.map(lambda tests: _passes(tests, copies), {each.tests for each in chosen})
            if not all(sound):
                return 1
            survived = [
                found for found in pool.map(lambda each: survives(each, copies), chosen) if found
            ]
    _say(f"{len(chosen)} changes, {len(chosen) - len(survived)} noticed")
    return bool(survived)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def copy_to(to: Path) -> Path:
    """Copy the tracked files, and let the copy use this checkout's environment.

    The copy is a clone, too: the wheel for the tests' hosts is built from what git tracks.
    """
    for file in tracked():
        copy = to / file.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, copy)
    for arguments in (["init", "--quiet"], ["add", "--all", "--force"]):
        subprocess.run(["git", *arguments], cwd=to, check=True)
    (to / ".venv").symlink_to(ROOT / ".venv")
    return to


def _passes(tests: tuple[str, ...], copies: SimpleQueue[Path]) -> bool:
    copy = copies.get()
    try:
        status, output = _pytest(copy, tests)
    finally:
        copies.put(copy)
    if status != _PASSED:
        _say(f"{' '.join(tests)} do not pass without any change:\n{output}")
    return status == _PASSED


def survives(mutant: Mutant, copies: SimpleQueue[Path]) -> Mutant | None:
    """Return the mutant if no test noticed it, else None."""
    copy = copies.get()
    file = copy / mutant.file
    source = file.read_text()
    try:
        file.write_text(mutant.apply(source))
        status, output = _pytest(copy, mutant.tests)
    finally:
        file.write_text(source)
        copies.put(copy)
    noticed = status == _FAILED
    _say(f"{'noticed ' if noticed else 'SURVIVED'} {mutant.file}: {mutant.promise}")
    if status not in {_PASSED, _FAILED}:
        _say(output)
    return None if noticed else mutant


def _pytest(copy: Path, tests: Iterable[str]) -> tuple[int, str]:
    options = ["-x", "-q", "-p", "no:cacheprovider", "--timeout", "120"]
    try:
        run = subprocess.run(
            [sys.executable, "-m", "pytest", *options, *tests],
            cwd=copy,
            env={**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            timeout=_LONGEST,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return _FAILED, "it took too long"
    return run.returncode, run.stdout[-3000:] + run.stderr[-3000:]


if __name__ == "__main__":
    sys.exit(main())
