"""The short form of `make test-faults`: some of the kills, a few reads, some of the paths."""

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
    """Create a directory that other users can enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("before", BEFORE)
def test_kill_at_a_system_call_leaves_the_old_or_the_new_set(
    before: str, who: str, scratch: Path
) -> None:
    """No key becomes readable by others, and the next run succeeds.

    Each scenario takes every fifteenth call, with a different offset.
    """
    if WHO[who].owner:
        needs_root("only root can give files away")
    which = slice(list(WHO).index(who), None, 3 * len(WHO))
    killed, wrong = kills.run(before, who, scratch, which=which)
    assert killed > 0
    assert wrong == []


def test_reader_sees_complete_sets_while_renewals_are_killed(scratch: Path) -> None:
    """Every file exists and is complete; behind the link they belong to one set."""
    result = reader.run(scratch / "c", kills=20, seed=1)
    assert reader.problems(result) == []
    assert result.by_name.reads > 0
    assert result.by_directory.reads > 0


@pytest.mark.parametrize("place", races.PLACES)
def test_swapping_files_during_an_install_gains_the_owner_nothing(
    place: str, scratch: Path
) -> None:
    """Whatever is swapped for a link to root's files while root installs."""
    needs_root("only root can install for another user")
    result = races.run(scratch, place, runs=20)
    assert result.wrong == []
    assert result.refused > 0


def test_policy_grants_exactly_what_it_says(tmp_path: Path) -> None:
    """At every path of a server without other mounts, with all kinds of parameters."""
    with running_openbao(tmp_path) as server:
        tried, wrong = policies.run(server)
    assert tried > 1000
    assert wrong == []
