"""Backups of foreign files: they keep content and mode, however they are linked."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from dockertls_vault.errors import CannotWrite
from dockertls_vault.files import reading
from tests.credentials import NAMES, listing, public, put


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Return the path of a directory that does not exist yet."""
    return tmp_path / "certs"


def test_replaced_foreign_files_keep_content_and_mode_in_the_backup(out: Path) -> None:
    """A symbolic link is backed up as the file it points to, under the link's name."""
    out.mkdir()
    (out / "real.pem").write_text("ca by hand")
    (out / "real.pem").chmod(0o640)
    (out / "ca.pem").symlink_to("real.pem")
    (out / "key.pem").write_text("key by hand")
    (out / "key.pem").chmod(0o600)
    installed = put(out, 1, replace=True)
    assert public(out) == {"1"}
    assert installed.backup is not None
    for name, content, mode in (("ca.pem", "ca by hand", 0o640), ("key.pem", "key by hand", 0o600)):
        assert (installed.backup / name).read_text() == content
        assert (installed.backup / name).lstat().st_mode == stat.S_IFREG | mode
    (out / "real.pem").write_text("another")
    assert (installed.backup / "ca.pem").read_text() == "ca by hand"
    assert put(out, 2).backup is None


LINKS_OF_OTHERS = {
    "one combined file": {"key.pem": "cert.pem", "ca.pem": "cert.pem"},
    "a link to a link": {"ca.pem": "link.pem", "link.pem": "real.pem"},
    "a circle": {"ca.pem": "key.pem", "key.pem": "ca.pem"},
    "a link to nothing": {"ca.pem": "gone.pem"},
    "a link to what comes": {"ca.pem": "key.pem"},
    "a link to a directory": {"ca.pem": "."},
    "our links, absolute": {name: f"{{out}}/.dockertls/current/{name}" for name in NAMES},
    "our links, crossed": {"ca.pem": ".dockertls/current/key.pem"},
    "a link into a generation": {
        name: f".dockertls/generations/20260101T010000.000000Z-01ff/{name}" for name in NAMES
    },
    "a link to a backup's link": {"ca.pem": ".dockertls/backup/../current/cert.pem"},
}


@pytest.mark.parametrize("links", LINKS_OF_OTHERS.values(), ids=LINKS_OF_OTHERS)
def test_backup_reads_the_same_as_the_files_it_replaced(out: Path, links: dict[str, str]) -> None:
    """Whatever links to what, the content stays the same, even after later installs."""
    put(out, 1)
    (out / ".dockertls" / "backup").mkdir()
    (out / "real.pem").write_text("real")
    if links.keys() != set(NAMES):
        for name in NAMES:
            (out / name).unlink()
        (out / "cert.pem").write_text("by hand")
    for name, target in links.items():
        (out / name).unlink(missing_ok=True)
        (out / name).symlink_to(target.format(out=out))
    before = {name: _shown(out / name) for name in NAMES}
    for number in (2, 3, 4, 5):
        installed = put(out, number, replace=True)
        if number == 2:
            assert installed.backup is not None
            backup = installed.backup
        assert public(out) == {str(number)}
        assert {name: _shown(backup / name) for name in NAMES} == before


def test_dangling_link_is_backed_up_as_a_link(out: Path) -> None:
    """There is no content to copy, so the link keeps its target."""
    out.mkdir()
    (out / "ca.pem").symlink_to("gone.pem")
    installed = put(out, 1, replace=True)
    assert installed.backup is not None
    assert (installed.backup / "ca.pem").readlink() == Path("gone.pem")


def _shown(path: Path) -> str | None:
    """Return the content that a reader of ``path`` gets, or None if it cannot be read."""
    try:
        return path.read_text()
    except OSError:
        return None


@pytest.mark.parametrize("error", [errno.EPERM, errno.EXDEV, errno.EMLINK, errno.EOPNOTSUPP])
def test_file_that_cannot_be_hard_linked_is_copied(
    out: Path, error: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As another user's file (protected_hardlinks), or on FAT or 9p, which have no links."""

    def link(*_: object, **__: object) -> None:
        raise OSError(error, os.strerror(error))

    out.mkdir()
    (out / "key.pem").write_text("by hand")
    (out / "key.pem").chmod(0o440)
    owner = (65534, 65533) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    os.chown(out / "key.pem", *owner)
    made_with = []

    def fchmod(descriptor: int, mode: int) -> None:
        made_with.append((os.fstat(descriptor).st_mode & 0o777, mode))
        brought(descriptor, mode)

    brought = os.fchmod
    monkeypatch.setattr(os, "link", link)
    monkeypatch.setattr(os, "fchmod", fchmod)
    backup = put(out, 1, replace=True).backup
    assert backup is not None
    assert [made & ~mode for made, mode in made_with] == [0] * len(made_with)
    kept = (backup / "key.pem").stat()
    assert (kept.st_mode & 0o7777, kept.st_uid, kept.st_gid) == (0o440, *owner)
    assert (backup / "key.pem").read_text() == "by hand"


def test_copy_that_cannot_keep_its_group_is_unreadable_to_the_group(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise our own group could read a copy of somebody else's file."""

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    out.mkdir()
    (out / "key.pem").write_text("by hand")
    (out / "key.pem").chmod(0o440)
    monkeypatch.setattr(os, "link", refused)
    monkeypatch.setattr(os, "fchown", refused)
    backup = put(out, 1, replace=True).backup
    assert backup is not None
    assert (backup / "key.pem").stat().st_mode & 0o7777 == 0o400


def test_file_too_large_for_a_credential_is_refused_and_left_in_place(out: Path) -> None:
    """The error names the file, and nothing is moved."""
    out.mkdir()
    (out / "large").write_bytes(b"-" * (reading.LARGEST + 1))
    (out / "ca.pem").symlink_to("large")
    with pytest.raises(CannotWrite, match=r"ca\.pem cannot be backed up: it is larger"):
        put(out, 1, replace=True)
    assert listing(out) == [".dockertls", "ca.pem", "large"]


def test_backup_of_one_foreign_file_includes_the_set_it_was_part_of(out: Path) -> None:
    """A user who replaced one of our links finds their file and our other two in the backup."""
    put(out, 1)
    (out / "key.pem").unlink()
    (out / "key.pem").write_text("by hand")
    backup = put(out, 2, replace=True).backup
    assert backup is not None
    assert [(backup / name).read_text() for name in NAMES] == ["ca.pem 1", "cert.pem 1", "by hand"]
    assert public(out) == {"2"}
