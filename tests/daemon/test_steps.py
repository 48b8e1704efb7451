"""The steps that only a set-up of dockerd has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockertls_vault.daemon.record import Records
from dockertls_vault.daemon.steps import Forget

if TYPE_CHECKING:
    from pathlib import Path


def test_only_empty_directories_are_removed(tmp_path: Path) -> None:
    """Of those that the set-up made, others may use one by now."""
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    for each in (mine, theirs):
        each.mkdir()
    (theirs / "other.conf").touch()
    Forget(Records(tmp_path / "state"), (mine, theirs)).apply()
    assert [each.exists() for each in (mine, theirs)] == [False, True]
    assert list(theirs.iterdir()) == [theirs / "other.conf"]
