"""The table of changes: it is about the code as it is, and what it says of the tests is so."""

from __future__ import annotations

import ast
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

import pytest

import dockertls_vault
from tests.checkout import ROOT, tracked

from .__main__ import copy_to, survives
from .rules import mutants

if TYPE_CHECKING:
    from .mutant import Mutant

# The checkout, or where what was built of it is installed.
PACKAGES = Path(dockertls_vault.__file__).parents[1]
EVERY = list(mutants())


@pytest.mark.parametrize("mutant", EVERY, ids=lambda each: f"{each.file}: {each.promise}")
def test_each_change_has_its_place(mutant: Mutant) -> None:
    """What it changes is in the file once, what it makes is a program, and its tests are there."""
    ast.parse(mutant.apply((PACKAGES / mutant.file).read_text()))
    assert all((ROOT / path).exists() for path in mutant.tests)


def test_each_promise_is_made_once() -> None:
    """Of a file; two rows of one name could not be told apart in what is printed."""
    named = [(each.file, each.promise) for each in EVERY]
    assert len(set(named)) == len(named)


def test_a_change_is_noticed() -> None:
    """The run itself: it ends with 0 where each change makes a test fail."""
    tracked()  # nothing to copy where this is not a clone
    command = [sys.executable, "-m", "tests.mutants", "--jobs", "1", "a version that we know"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout.splitlines()[-1]) == (0, "1 changes, 1 noticed"), run.stderr


def test_what_changes_nothing_survives(tmp_path: Path) -> None:
    """Its tests pass, so nothing held what was changed."""
    (mutant,) = (each for each in EVERY if each.promise == "a version that we know")
    same = replace(mutant, after=mutant.before)
    copies: SimpleQueue[Path] = SimpleQueue()
    copies.put(copy_to(tmp_path))
    assert survives(same, copies) == same
