"""When the generation in use is to be renewed, without reading its certificate."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from dockertls_vault.credential import due
from dockertls_vault.files import reading
from tests.credentials import CLIENT, DUE, generations, put

if TYPE_CHECKING:
    from pathlib import Path


def test_due_time_is_written_with_its_generation(tmp_path: Path) -> None:
    """It is valid for no other generation."""
    put(tmp_path, 1, CLIENT)
    put(tmp_path, 2, CLIENT)
    old, new = sorted(generations(tmp_path))
    with reading.opened(str(tmp_path / ".dockertls")) as private:
        assert due.read(new, private) == DUE
        assert due.read(old, private) is None


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", "[" * 100_000, '{"version": 1}', "\0"])
def test_corrupt_file_is_ignored(text: str, tmp_path: Path) -> None:
    """The schedule is then computed from the certificate."""
    (tmp_path / due.NAME).write_text(text)
    with reading.opened(str(tmp_path)) as private:
        assert due.read("a", private) is None


def test_schedule_that_is_never_due_is_ignored(tmp_path: Path) -> None:
    """Editing the file cannot make the credential expire."""
    put(tmp_path, 1, CLIENT)
    path = tmp_path / ".dockertls" / due.NAME
    kept = json.loads(path.read_text())
    path.unlink()
    path.write_text(json.dumps(kept | {"due": "9999-01-01T00:00:00+00:00"}))
    with reading.opened(str(tmp_path / ".dockertls")) as private:
        assert due.read(kept["generation"], private) is None
