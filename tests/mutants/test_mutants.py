"""The table of changes: it is about the code as it is, and what it says of the tests is so."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from tests.checkout import ROOT

from .rules import Mutant, mutants

EVERY = list(mutants())


@pytest.mark.parametrize("mutant", EVERY, ids=lambda each: f"{each.file}: {each.promise}")
def test_each_change_has_its_place(mutant: Mutant) -> None:
    """What it changes is in the file once, what it makes is a program, and its tests are there."""
    ast.parse(mutant.apply((ROOT / mutant.file).read_text()))
    assert all((ROOT / path).exists() for path in mutant.tests)


def test_each_promise_is_made_once() -> None:
    """Of a file; two rows of one name could not be told apart in what is printed."""
    named = [(each.file, each.promise) for each in EVERY]
    assert len(set(named)) == len(named)


def test_a_change_is_noticed_and_one_that_changes_nothing_is_not() -> None:
    """The run itself: it ends with 0 only if each change makes a test fail."""
    words = ["a version that we know"]
    command = [sys.executable, "-m", "tests.mutants", "--jobs", "1", *words]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout.splitlines()[-1]) == (0, "1 changes, 1 noticed"), run.stderr
