"""Whatever one run of the tests skips, the other has run."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from .harness import reports

if TYPE_CHECKING:
    from pathlib import Path

TESTS = """\
import os
import pytest

ROOT = os.environ["AS"] == "root"

def test_of_both():
    pass

@pytest.mark.skipif(not ROOT, reason="needs root")
def test_of_root():
    pass
"""
OF_NEITHER = """
@pytest.mark.skip(reason="no server")
def test_of_neither():
    pass
"""
OF_USER = """
@pytest.mark.parametrize("who", ["root" if ROOT else "user"])
def test_of(who):
    pass
"""


def run(tests: str, directory: Path) -> tuple[reports.Run, reports.Run]:
    """Run tests as root or as a user would be run, and read pytest's report."""
    (directory / "test_it.py").write_text(tests)
    pytest_ = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "test_it.py"]
    for who in ("root", "user"):
        command = [*pytest_, f"--junitxml={who}.xml"]
        subprocess.run(command, cwd=directory, env={"AS": who}, check=True, capture_output=True)
    return reports.read(directory / "root.xml"), reports.read(directory / "user.xml")


def test_skipped_tests_are_counted_by_reason(tmp_path: Path) -> None:
    """They passed as root, so nothing is wrong."""
    root, user = run(TESTS, tmp_path)
    assert reports.problems(root, user) == []
    assert reports.summary(root, user) == (
        "2 tests passed as root\n1 of them passed as an ordinary user\n"
        "1 are skipped there:\n    1 needs root"
    )


@pytest.mark.parametrize(
    ("added", "problems"),
    [
        (OF_NEITHER, ["skipped as root: test_it::test_of_neither: no server"]),
        (
            OF_USER,
            [
                "only root's run has test_it::test_of[root]",
                "only the user's run has test_it::test_of[user]",
            ],
        ),
    ],
    ids=["neither", "one"],
)
def test_test_that_has_not_run_is_named(tmp_path: Path, added: str, problems: list[str]) -> None:
    """Skipped by both runs, or missing from one."""
    assert reports.problems(*run(TESTS + added, tmp_path)) == problems
