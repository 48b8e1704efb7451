"""POSIX ACLs: they are read exactly, and files that the program creates have none."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from dockertls_vault.errors import CannotWrite
from dockertls_vault.files import acl, atomic, reading, walk
from tests import acls
from tests.credentials import put

if TYPE_CHECKING:
    from pathlib import Path

ANYONE = 12345


def test_entries_are_read_from_an_o_path_descriptor(tmp_path: Path) -> None:
    """Directories on a path are opened with O_PATH only."""
    acls.grant(tmp_path, acls.user(ANYONE, acls.ALL), mask=acls.READ)
    with walk.open_path(str(tmp_path)) as found:
        entries = acl.entries(found)
    assert acl.Entry(acl.Tag.USER, 0o7, ANYONE) in entries
    assert [entry.permissions for entry in entries if entry.tag == acl.Tag.MASK] == [0o4]


def test_missing_proc_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An ACL that cannot be read is not taken for no ACL."""
    real = os.getxattr

    def getxattr(_path: str, name: str) -> bytes:
        return real("/nowhere", name)

    monkeypatch.setattr(os, "getxattr", getxattr)
    with pytest.raises(CannotWrite, match="/proc is not mounted") as caught:
        put(tmp_path / "certs", 1)
    assert caught.value.hint == "mount it"


def test_no_acl_has_no_entries(tmp_path: Path) -> None:
    """This includes a file system without ACLs."""
    for path in (tmp_path, "/proc"):
        with walk.open_path(str(path)) as found:
            assert acl.entries(found) == ()


@pytest.mark.parametrize("mode", [0o400, 0o440, 0o444])
def test_files_created_below_a_default_acl_have_only_their_mode(tmp_path: Path, mode: int) -> None:
    """Otherwise everyone whom the ACL names could read a 0440 key."""
    acls.grant(tmp_path, acls.user(ANYONE, acls.ALL), kind=acl.DEFAULT)
    with reading.opened(str(tmp_path)) as within:
        with atomic.directory("d", 0o755, within) as made:
            atomic.create("inner", b"", mode, made)
        atomic.create("f", b"", mode, within)
        atomic.replace("r", b"", mode, within, within)
        atomic.copy(b"", (tmp_path / "f").stat(), "c", within)
        with atomic.locked("lock", within, wait=1):
            pass
    for path in tmp_path.rglob("*"):
        assert not [name for name in os.listxattr(path) if "acl" in name]
    modes = {path.name: path.stat().st_mode & 0o7777 for path in tmp_path.rglob("*")}
    assert modes == {"d": 0o755, "inner": mode, "f": mode, "r": mode, "c": mode, "lock": 0o600}


def test_inherited_acl_grants_nothing_before_it_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that opened the empty file could read what is written to it later."""
    acls.grant(tmp_path, acls.user(ANYONE, acls.ALL), kind=acl.DEFAULT)
    masks: list[int] = []

    def see(descriptor: int) -> None:
        found = acl.entries(descriptor)
        masks.extend(entry.permissions for entry in found if entry.tag == acl.Tag.MASK)

    monkeypatch.setattr(acl, "drop", see)
    with reading.opened(str(tmp_path)) as within:
        atomic.create("key", b"", 0o440, within)
    assert masks == [0]


def test_acl_that_cannot_be_removed_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is written to a file that others than reported could read."""
    acls.grant(tmp_path, acls.user(ANYONE, acls.ALL), kind=acl.DEFAULT)
    monkeypatch.setattr(os, "removexattr", lambda *_: None)
    with (
        reading.opened(str(tmp_path)) as within,
        pytest.raises(OSError, match="an ACL that cannot be removed") as caught,
    ):
        atomic.create("key", b"secret", 0o440, within)
    assert caught.value.errno == errno.EPERM
    assert (tmp_path / "key").read_bytes() == b""
