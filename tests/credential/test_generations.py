"""The generations: which one is in use, and which are removed, and when."""

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
    """Return a directory that is not there yet."""
    return tmp_path / "certs"


SPELLINGS = {
    "with a slash": "generations/{name}/",
    "absolute": "{private}/generations/{name}",
    "from here": "./generations//{name}/.",
    "from above": "../.dockertls/generations/{name}",
    "by way of another link": "mine",
}


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
def test_what_is_in_use_is_not_removed(out: Path, spelling: str) -> None:
    """However the link of an operator's own rollback is written, its generation stays in use."""
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
    # The one in use, the one that was until now, and the newest of the others.
    assert [name[9:11] for name in generations(out)] == ["01", "03", "04"]


def test_nothing_is_removed_before_the_new_set_is_in_use(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the time of the swap all generations are still there, each of them whole."""
    for number in (1, 2, 3):
        put(out, number)
    seen: list[list[str]] = []
    real = atomic.point

    def point(name: str, *arguments: Any, **options: Any) -> None:
        if name == "current":
            kept = out / ".dockertls" / "generations"
            seen.extend(listing(kept / generation) for generation in generations(out))
        real(name, *arguments, **options)

    monkeypatch.setattr(atomic, "point", point)
    put(out, 4)
    assert seen == [list(NAMES)] * 4
    assert len(generations(out)) == 3


@pytest.mark.parametrize(
    ("within", "stray"),
    [("generations", ".nfs0001"), ("generations", "notes"), ("unfinished", ".nfs0001")],
)
@pytest.mark.parametrize("kind", ["file", "directory"])
def test_a_stray_entry_blocks_nothing(out: Path, within: str, stray: str, kind: str) -> None:
    """What is no generation is neither counted nor removed."""
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
def test_what_cannot_be_removed_is_a_warning(
    out: Path, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An open file on NFS, a mount, an attribute: the new set is in use nevertheless."""
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
    assert "cannot be removed: Device or resource busy" in warning
    assert public(out) == {"4"}
    assert put(out, 5).warnings == ()
    assert listing(out / ".dockertls" / "unfinished") == []
    assert [name[9:11] for name in generations(out)] == ["03", "04", "05"]


def test_what_is_in_use_is_no_leftover(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody may have found the only whole set among what a kill left, and put that in use."""
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
