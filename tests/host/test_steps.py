"""The step that replaces a file: complete, with its mode, where a link leads to."""

from __future__ import annotations

import errno
import os
import stat
import struct
from typing import TYPE_CHECKING

import pytest

from dockertls_vault.errors import CannotWrite, ConflictingState
from dockertls_vault.host.steps import Write

if TYPE_CHECKING:
    from pathlib import Path

ACL = "system.posix_acl_access"
NOBODY = 0xFFFFFFFF  # ACL_UNDEFINED_ID


def test_file_is_created(tmp_path: Path) -> None:
    """0644, with the directories above it; twice is once."""
    path = tmp_path / "a" / "b" / "daemon.json"
    Write(path, None, b"{}").apply()
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


def test_file_keeps_its_attributes(tmp_path: Path) -> None:
    """An ACL is one of them: without it, its mask would become the permissions of the group."""
    path = tmp_path / "daemon.json"
    path.write_bytes(b"old")
    path.chmod(0o600)
    # u::rw, u:12345:r, g::-, m::r, o::-; acl(5) as in include/uapi/linux/posix_acl_xattr.h
    acl = struct.pack("<I", 2) + b"".join(
        struct.pack("<HHI", *each)
        for each in (
            (1, 6, NOBODY),
            (2, 4, 12345),
            (4, 0, NOBODY),
            (16, 4, NOBODY),
            (32, 0, NOBODY),
        )
    )
    try:
        os.setxattr(path, ACL, acl)
        os.setxattr(path, "user.note", b"kept")
    except OSError:
        pytest.skip("this file system has no ACLs or attributes")
    Write(path, b"old", b"new").apply()
    assert (os.getxattr(path, ACL), os.getxattr(path, "user.note")) == (acl, b"kept")
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("after", [b"new", None])
@pytest.mark.parametrize("before", [b"old", None])
def test_edit_of_others_is_not_overwritten(
    before: bytes | None, after: bytes | None, tmp_path: Path
) -> None:
    """Not even one that was made after the plan was compared with the host."""
    path = tmp_path / "daemon.json"
    path.write_bytes(b"theirs")
    with pytest.raises(ConflictingState, match="was changed meanwhile"):
        Write(path, before, after).apply()
    assert path.read_bytes() == b"theirs"


def test_failure_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a full disk: nothing beside the file, which is as before."""
    path = tmp_path / "daemon.json"
    path.write_bytes(b"old")

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CannotWrite, match="No space left on device"):
        Write(path, b"old", b"new").apply()
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [
        ("daemon.json", b"old")
    ]


def test_link_is_followed(tmp_path: Path) -> None:
    """Others edit what it leads to."""
    target, link = tmp_path / "kept" / "it.json", tmp_path / "daemon.json"
    target.parent.mkdir()
    target.write_bytes(b"old")
    link.symlink_to(target)
    Write(link, b"old", b"new").apply()
    assert (link.is_symlink(), target.read_bytes()) == (True, b"new")


def test_file_is_removed(tmp_path: Path) -> None:
    """Twice is once, and its directory need not exist."""
    path = tmp_path / "units" / "x.conf"
    path.parent.mkdir()
    path.touch()
    for _ in range(2):
        Write(path, b"", None).apply()
    assert list(path.parent.iterdir()) == []
    path.parent.rmdir()
    Write(path, b"", None).apply()
