"""Unit files: which are ours, and which are those of packages."""

from __future__ import annotations

from pathlib import Path

import pytest

from dockertls_vault.host import units
from dockertls_vault.host.unit_origin import is_ours, is_packaged

TIMER = units.texts(units.Program(("/usr/bin/dockertls-vault",), ()), ())


@pytest.mark.parametrize("content", [each.encode() for each in TIMER.values()])
def test_our_files_begin_with_our_name(content: bytes) -> None:
    """The rest of the line is for people, and another version may word it otherwise."""
    assert is_ours(content)
    assert is_ours(content.replace(b": put changes into", b", version 9", 1))
    assert not is_ours(b"# A copy\n" + content)
    assert not is_ours(content.replace(b"# W", b"# Not w", 1))


def test_empty_file_is_not_ours() -> None:
    """Nor is that of a masked unit, which is a link to /dev/null."""
    assert not is_ours(b"")


def test_file_of_a_package() -> None:
    """Wherever /lib leads to; what an administrator writes is none."""
    assert is_packaged(Path("/lib/systemd/system/docker.service"))
    assert is_packaged(Path("/usr/lib/systemd/system/docker.service"))
    assert not is_packaged(Path("/etc/systemd/system/docker.service"))
