"""The short form of `make faults`: a part of the kills, a few reads, a part of the paths."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.harness.missing import needs_root
from tests.harness.openbao import running_openbao

from . import kills, policies, races, reader
from .scenarios import BEFORE, WHO

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow


@pytest.fixture
def scratch() -> Iterator[Path]:
    """Make a directory that other users can look into, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("before", BEFORE)
def test_a_kill_at_a_call_that_changes_the_disk(before: str, who: str, scratch: Path) -> None:
    """The old set or the new one is left, no key is open to others, and the next run succeeds.

    Each takes every fifteenth call, and another one of them than the next.
    """
    if WHO[who].owner:
        needs_root("only root can give files away")
    which = slice(list(WHO).index(who), None, 3 * len(WHO))
    killed, wrong = kills.run(before, who, scratch, which=which)
    assert killed > 0
    assert wrong == []


def test_a_reader_while_renewals_are_killed(scratch: Path) -> None:
    """Each file is there and whole; behind the link they are of one set."""
    result = reader.run(scratch / "c", kills=20, seed=1)
    assert reader.problems(result) == []
    assert result.by_name.reads > 0
    assert result.by_directory.reads > 0


@pytest.mark.parametrize("place", races.PLACES)
def test_nothing_of_roots_comes_to_a_user_who_is_quick(place: str, scratch: Path) -> None:
    """Whatever they exchange for a link to a file of root's, while root installs for them."""
    needs_root("only root can install for another user")
    result = races.run(scratch, place, runs=20)
    assert result.wrong == []
    assert result.refused > 0


def test_a_policy_gives_what_it_says_and_nothing_else(tmp_path: Path) -> None:
    """At each path of a server with no other mounts, whatever stands for its parameters."""
    with running_openbao(tmp_path) as server:
        tried, wrong = policies.run(server)
    assert tried > 1000
    assert wrong == []
