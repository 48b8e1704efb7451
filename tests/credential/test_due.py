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


def test_it_is_written_with_what_is_installed(tmp_path: Path) -> None:
    """For the generation that is put in use, and for no other."""
    put(tmp_path, 1, CLIENT)
    put(tmp_path, 2, CLIENT)
    old, new = sorted(generations(tmp_path))
    with reading.opened(str(tmp_path / ".dockertls")) as private:
        assert due.read(new, private) == DUE
        assert due.read(old, private) is None


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", "[" * 100_000, '{"version": 1}', "\0"])
def test_what_cannot_be_understood_says_nothing(text: str, tmp_path: Path) -> None:
    """The certificate is read then."""
    (tmp_path / due.NAME).write_text(text)
    with reading.opened(str(tmp_path)) as private:
        assert due.read("a", private) is None


def test_a_schedule_that_never_comes_is_not_believed(tmp_path: Path) -> None:
    """Whoever edited it cannot have the credential expire."""
    put(tmp_path, 1, CLIENT)
    path = tmp_path / ".dockertls" / due.NAME
    kept = json.loads(path.read_text())
    path.unlink()
    path.write_text(json.dumps(kept | {"due": "9999-01-01T00:00:00+00:00"}))
    with reading.opened(str(tmp_path / ".dockertls")) as private:
        assert due.read(kept["generation"], private) is None
