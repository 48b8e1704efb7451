"""Where a credential is written, and who owns it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from dockertls_vault.credential.reader import locate
from dockertls_vault.errors import InvalidInput
from tests.credentials import CLIENT
from tests.harness.missing import as_root

HIGHEST = 2**32 - 2


@as_root
@pytest.mark.parametrize("number", [0, 1000, HIGHEST])
def test_numeric_owner_and_group_are_accepted(number: int) -> None:
    """Any ID that the kernel can represent, whether or not it has a name on this machine."""
    found = replace(CLIENT, owner=str(number), group=str(number)).place(Path("/certs"))
    assert (found.uid, found.gid) == (number, number)


def test_relative_path_in_a_deleted_working_directory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no directory left to resolve it against; an absolute path still works."""
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(InvalidInput, match="relative to a working directory that no longer exists"):
        CLIENT.place(Path("certs"))
    with pytest.raises(InvalidInput, match="relative to a working directory that no longer exists"):
        locate(Path("certs"))
    assert CLIENT.place(Path("/certs")).directory == Path("/certs")


@pytest.mark.parametrize(
    "number", [str(HIGHEST + 1), str(HIGHEST + 2), "99999999999", "9" * 5000, "-1", "\u0661", ""]
)
@pytest.mark.parametrize(("kind", "word"), [("owner", "user"), ("group", "group")])
def test_impossible_owner_or_group_number_is_refused(kind: str, word: str, number: str) -> None:
    """Too large, -1 (which chown takes as "leave unchanged"), or not ASCII digits."""
    with pytest.raises(InvalidInput, match=f"no such {word}: "):
        replace(CLIENT, **{kind: number}).place(Path("/certs"))  # type: ignore[arg-type]  # both are text


def test_only_root_may_name_another_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    """Users may name themselves; anything else is refused before a file is touched."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert replace(CLIENT, owner="1000").place(Path("/certs")).uid == 1000
    with pytest.raises(InvalidInput, match="1001"):
        replace(CLIENT, owner="1001").place(Path("/certs"))
