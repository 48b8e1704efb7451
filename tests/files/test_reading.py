"""What is read has an end, and nothing is waited for."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from dockertls_vault.files import reading

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def within(tmp_path: Path) -> Iterator[int]:
    """Return an open directory."""
    with reading.opened(str(tmp_path)) as descriptor:
        yield descriptor


@pytest.mark.timeout(30)  # opening it would wait for a writer
def test_fifo_is_refused_without_waiting_for_a_writer(tmp_path: Path, within: int) -> None:
    """It is not a regular file."""
    os.mkfifo(tmp_path / "cert.pem")
    with pytest.raises(ValueError, match="not a regular file"):
        reading.read("cert.pem", within)


def test_file_is_read_up_to_a_limit(tmp_path: Path, within: int) -> None:
    """A larger file is rejected, not truncated."""
    content = b"x" * reading.LARGEST
    (tmp_path / "file").write_bytes(content)
    assert reading.read("file", within) == content
    (tmp_path / "file").write_bytes(content + b"x")
    with pytest.raises(ValueError, match="at most 1 MiB"):
        reading.read("file", within)


def test_executables_are_found_by_name(tmp_path: Path) -> None:
    """Hidden and other files are skipped; a dangling symlink is not."""
    folder = tmp_path / "hooks.d"
    assert reading.executables(str(folder)) == []
    folder.mkdir()
    for name, mode in (("b", 0o755), ("a", 0o500), (".hidden", 0o755), ("readme", 0o644)):
        (folder / name).touch()
        (folder / name).chmod(mode)
    (folder / "directory").mkdir()
    (folder / "c").symlink_to("nowhere")
    assert reading.executables(str(folder)) == [f"{folder}/{name}" for name in "abc"]


def test_symlink_is_followed_unless_that_is_refused(tmp_path: Path, within: int) -> None:
    """Another user may have made it."""
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "file").write_text("here")
    assert reading.read("link", within) == b"here"
    with pytest.raises(ValueError, match="a symbolic link"):
        reading.read("link", within, follow=False)
