"""The step that replaces a file: complete, with its mode, where a link leads to."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from dockertls_vault.daemon.record import Records
from dockertls_vault.daemon.steps import Forget, Write

if TYPE_CHECKING:
    from pathlib import Path


def test_file_is_created(tmp_path: Path) -> None:
    """0644, with the directories above it."""
    path = tmp_path / "a" / "b" / "daemon.json"
    Write(path, None, b"{}").apply()
    assert path.read_bytes() == b"{}"
    modes = [stat.S_IMODE(each.stat().st_mode) for each in (path, path.parent, path.parent.parent)]
    assert modes == [0o644, 0o755, 0o755]


def test_file_keeps_its_mode(tmp_path: Path) -> None:
    """Nothing else is left beside it, not even what a killed run had staged."""
    path = tmp_path / "daemon.json"
    path.write_bytes(b"old")
    path.chmod(0o640)
    (tmp_path / ".daemon.json.dockertls-vault").write_bytes(b"half")
    Write(path, b"old", b"new").apply()
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"new", 0o640)
    assert list(tmp_path.iterdir()) == [path]


def test_link_is_followed(tmp_path: Path) -> None:
    """Others edit what it leads to."""
    target, link = tmp_path / "kept" / "it.json", tmp_path / "daemon.json"
    target.parent.mkdir()
    target.write_bytes(b"old")
    link.symlink_to(target)
    Write(link, b"old", b"new").apply()
    assert (link.is_symlink(), target.read_bytes()) == (True, b"new")


def test_file_is_removed(tmp_path: Path) -> None:
    """Twice is once; of the directories that the set-up made, only empty ones go."""
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    for each in (mine, theirs):
        each.mkdir()
        (each / "x.conf").touch()
    (theirs / "other.conf").touch()
    for _ in range(2):
        Write(mine / "x.conf", b"", None).apply()
        Write(theirs / "x.conf", b"", None).apply()
    Forget(Records(tmp_path / "state"), (mine, theirs)).apply()
    assert [each.exists() for each in (mine, theirs)] == [False, True]
    assert list(theirs.iterdir()) == [theirs / "other.conf"]
    Write(mine / "x.conf", b"", None).apply()
