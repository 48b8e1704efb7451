"""The table of changes matches the code, and its rows and tests are valid."""

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

# The checkout, or the directory in which its package is installed.
PACKAGES = Path(dockertls_vault.__file__).parents[1]
EVERY = list(mutants())


@pytest.mark.parametrize("mutant", EVERY, ids=lambda each: f"{each.file}: {each.promise}")
def test_each_change_applies_to_the_code(mutant: Mutant) -> None:
    """Its text occurs once, the result compiles, and its tests exist."""
    ast.parse(mutant.apply((PACKAGES / mutant.file).read_text()))
    assert all((ROOT / path).exists() for path in mutant.tests)


def test_each_promise_of_a_file_is_unique() -> None:
    """Rows with the same name could not be told apart in the output."""
    named = [(each.file, each.promise) for each in EVERY]
    assert len(set(named)) == len(named)


def test_breaking_change_is_noticed() -> None:
    """The run exits with 0 if each change makes a test fail."""
    tracked()  # nothing to copy where this is not a clone
    command = [sys.executable, "-m", "tests.mutants", "--jobs", "1", "an unknown version"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout.splitlines()[-1]) == (0, "1 changes, 1 noticed"), run.stderr


def test_harmless_change_survives(tmp_path: Path) -> None:
    """Its tests pass, so nothing protects that line."""
    (mutant,) = (
        each for each in EVERY if each.promise == "a record of an unknown version is rejected"
    )
    same = replace(mutant, after=mutant.before)
    copies: SimpleQueue[Path] = SimpleQueue()
    copies.put(copy_to(tmp_path))
    assert survives(same, copies) == same
