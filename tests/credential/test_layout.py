"""Where a credential goes, and whose it is to be."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from dockertls_vault.errors import InvalidInput
from tests.credentials import CLIENT
from tests.harness.missing import as_root

HIGHEST = 2**32 - 2


@as_root
@pytest.mark.parametrize("number", [0, 1000, HIGHEST])
def test_a_number_that_the_kernel_has(number: int) -> None:
    """As an owner and as a group, with a name on this machine or without one."""
    found = replace(CLIENT, owner=str(number), group=str(number)).place(Path("/certs"))
    assert (found.uid, found.gid) == (number, number)


def test_a_working_directory_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody knows where a relative path leads then."""
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(InvalidInput, match="in a working directory that no longer exists"):
        CLIENT.place(Path("certs"))
    assert CLIENT.place(Path("/certs")).directory == Path("/certs")


@pytest.mark.parametrize(
    "number", [str(HIGHEST + 1), str(HIGHEST + 2), "99999999999", "9" * 5000, "-1", "\u0661", ""]
)
@pytest.mark.parametrize(("kind", "word"), [("owner", "user"), ("group", "group")])
def test_a_number_that_nobody_can_have(kind: str, word: str, number: str) -> None:
    """One too many for the kernel, -1, which would leave all of it root's, and other digits."""
    with pytest.raises(InvalidInput, match=f"no such {word}: "):
        replace(CLIENT, **{kind: number}).place(Path("/certs"))  # type: ignore[arg-type]  # both are text


def test_only_root_gives_files_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """To oneself everybody may; what nobody could do is refused before anything is touched."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert replace(CLIENT, owner="1000").place(Path("/certs")).uid == 1000
    with pytest.raises(InvalidInput, match="1001"):
        replace(CLIENT, owner="1001").place(Path("/certs"))
