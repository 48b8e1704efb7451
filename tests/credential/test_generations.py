"""Generations: which one is in use, which are pruned, and when."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

import pytest

from dockertls_vault.credential import reader
from dockertls_vault.errors import CannotWrite
from dockertls_vault.files import atomic
from tests.credentials import NAMES, generations, listing, public, put, swap_by_hand

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Return the path of a directory that does not exist yet."""
    return tmp_path / "certs"


SPELLINGS = {
    "with a slash": "generations/{name}/",
    "absolute": "{private}/generations/{name}",
    "from here": "./generations//{name}/.",
    "from above": "../.dockertls/generations/{name}",
    "by way of another link": "mine",
}


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
def test_generation_in_use_is_kept_however_its_link_is_spelled(out: Path, spelling: str) -> None:
    """An operator who rolls back by hand may write the link in any of these ways."""
    for number in (1, 2, 3):
        put(out, number)
    oldest = generations(out)[0]
    private = out / ".dockertls"
    (private / "mine").symlink_to(f"generations/{oldest}")
    swap_by_hand(out, spelling.format(private=private, name=oldest))
    assert [files.key.read_text() for files in reader.kept(out)] == [
        f"key.pem {number}" for number in (1, 3, 2)
    ]
    assert reader.installed(out).key.parent.name == oldest
    put(out, 4)
    # The one in use, its predecessor, and the newest of the others.
    assert [name[9:11] for name in generations(out)] == ["01", "03", "04"]


def test_no_generation_is_removed_before_the_swap(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the time of the swap every generation still exists, with all its files."""
    for number in (1, 2, 3):
        put(out, number)
    seen: list[list[str]] = []
    real = atomic.symlink

    def point(name: str, *arguments: Any, **options: Any) -> None:
        if name == "current":
            kept = out / ".dockertls" / "generations"
            seen.extend(listing(kept / generation) for generation in generations(out))
        real(name, *arguments, **options)

    monkeypatch.setattr(atomic, "symlink", point)
    put(out, 4)
    assert seen == [list(NAMES)] * 4
    assert len(generations(out)) == 3


@pytest.mark.parametrize(
    ("within", "stray"),
    [("generations", ".nfs0001"), ("generations", "notes"), ("unfinished", ".nfs0001")],
)
@pytest.mark.parametrize("kind", ["file", "directory"])
def test_stray_entry_does_not_block_an_install(
    out: Path, within: str, stray: str, kind: str
) -> None:
    """An entry that is not a generation is neither counted nor removed."""
    put(out, 1)
    path = out / ".dockertls" / within / stray
    if kind == "file":
        path.write_text("stray")
    else:
        path.mkdir()
        (path / "in it").write_text("stray")
    for number in range(2, 6):
        assert put(out, number).warnings == ()
    assert public(out) == {"5"}
    assert path.exists() == (within == "generations")
    assert len(generations(out)) == 3 + (within == "generations")


@pytest.mark.parametrize("call", ["rename", "rmdir", "unlink"])
def test_generation_that_cannot_be_removed_is_a_warning(
    out: Path, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An open file on NFS, a mount or an attribute may prevent it; the new set is in use anyway."""
    for number in (1, 2, 3):
        put(out, number)
    oldest = generations(out)[0]
    real = getattr(os, call)

    def refused(name: str, *arguments: Any, **options: Any) -> None:
        if name in {oldest, "key.pem"} and options.get("dst_dir_fd") != options.get("dir_fd"):
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        real(name, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, call, refused)
        (warning,) = put(out, 4).warnings
    assert oldest in warning
    assert warning.startswith("cannot remove the ")
    assert warning.endswith(": Device or resource busy")
    assert public(out) == {"4"}
    assert put(out, 5).warnings == ()
    assert listing(out / ".dockertls" / "unfinished") == []
    assert [name[9:11] for name in generations(out)] == ["03", "04", "05"]


def test_set_in_use_is_not_removed_as_a_leftover(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a kill, an operator may have put the only complete set into use by hand."""
    put(out, 1)
    private = out / ".dockertls"
    (private / "generations" / generations(out)[0]).rename(private / "unfinished" / "whole")
    swap_by_hand(out, "unfinished/whole")

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(atomic, "create", full)
        with pytest.raises(CannotWrite):
            put(out, 2)
    assert public(out) == {"1"}
    put(out, 2)
    assert public(out) == {"2"}
    assert listing(private / "unfinished") == []
