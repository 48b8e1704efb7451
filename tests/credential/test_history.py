"""The generations in a directory, newest first, and what is wrong with each."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from dockertls_vault.certificate.request import Purpose
from dockertls_vault.credential.history import find
from dockertls_vault.credential.reader import locate
from dockertls_vault.errors import ConflictingState
from tests.credentials import generations
from tests.harness.missing import as_root
from tests.test_rollback import put

if TYPE_CHECKING:
    from pathlib import Path

ANOTHER = 54321  # a uid and gid that nobody has


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Return a directory that does not exist yet."""
    return tmp_path / "certs"


def test_generations_are_described(out: Path) -> None:
    """Newest first, each by its certificate and the digest of its key."""
    serials = [put(out, number) for number in (1, 2)]
    found = find(out)
    assert (found.directory, found.purpose) == (out, Purpose.CLIENT)
    assert [each.name for each in found.generations] == generations(out)[::-1]
    assert [each.in_use for each in found.generations] == [True, False]
    assert [each.certificate.serial for each in found.generations if each.certificate] == [
        *reversed(serials)
    ]
    assert [each.problem for each in found.generations] == [None, None]
    assert len({each.public_key_fingerprint_sha256 for each in found.generations}) == 2


@as_root
def test_owner_is_that_of_the_directory_that_was_looked_into(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not of another one that has its name a moment later."""
    put(out, 1)
    os.chown(out, ANOTHER, ANOTHER)
    real = os.stat

    def swap(path: str, **options: Any) -> os.stat_result:
        found = real(path, **options)
        if path == ".dockertls" and not out.with_name("before").exists():
            out.rename(out.with_name("before"))
            out.mkdir()
        return found

    with monkeypatch.context() as patched:
        patched.setattr(os, "stat", swap)
        owner = locate(out).uid
    assert owner == ANOTHER


def test_missing_generations_are_reported(out: Path) -> None:
    """The error says that their directory cannot be read."""
    put(out, 1)
    shutil.rmtree(out / ".dockertls" / "generations")
    with pytest.raises(ConflictingState, match="cannot be read: No such file"):
        find(out)


def test_file_among_the_generations_is_listed_as_unusable(out: Path) -> None:
    """It has the name of a generation; the others are described as usual."""
    for number in (1, 2):
        put(out, number)
    first, second = generations(out)
    stray = out / ".dockertls" / "generations" / "20240101T000000.000000Z-aa"
    stray.touch()
    found = {each.name: each.problem for each in find(out).generations}
    assert found == {first: None, second: None, stray.name: "cannot be read: Not a directory"}


def test_unreadable_certificate_is_the_problem(out: Path) -> None:
    """Unless a file is missing, which is reported instead."""
    for number in (1, 2):
        put(out, number)
    for name, content in zip(generations(out), (None, b"no PEM"), strict=True):
        path = out / ".dockertls" / "generations" / name / "cert.pem"
        path.unlink()
        if content is not None:
            path.write_bytes(content)
    found = find(out).generations
    assert [each.problem for each in found] == ["cert.pem cannot be read", "it lacks cert.pem"]
    assert [each.certificate for each in found] == [None, None]
