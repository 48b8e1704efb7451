"""The condition of a credential, as its files show it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from dockertls_vault.credential import condition
from dockertls_vault.credential.hooks import State
from dockertls_vault.credential.layout import Layout
from dockertls_vault.credential.reader import locate
from dockertls_vault.credential.worker import by_worker
from dockertls_vault.errors import ConflictingState
from tests.credentials import CLIENT, DUE, SERVER, generations, put, swap_by_hand

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dockertls_vault.credential.condition import Condition


def read(out: Path) -> Condition:
    """Read the condition of the credential in a directory, as a command does."""
    return by_worker(locate(out), condition.read)


@pytest.mark.parametrize(
    "record",
    [CLIENT, SERVER, replace(CLIENT, layout=Layout.DIND)],
    ids=["client", "server", "dind"],
)
def test_installed_credential_has_no_damage(record: object, tmp_path: Path) -> None:
    """Its condition includes when it is due."""
    put(tmp_path, 1, record)  # type: ignore[arg-type]
    put(tmp_path, 2, record)  # type: ignore[arg-type]
    found = read(tmp_path)
    newest = found.place.directory / ".dockertls" / "current"
    assert (found.record, found.due, found.hooks, found.damage) == (
        record,
        DUE,
        State(),
        (),
    )
    assert found.path == newest.resolve()


def _lose_key(out: Path) -> None:
    (out / "key.pem").resolve().unlink()


def _open_key(out: Path) -> None:
    (out / "key.pem").resolve().chmod(0o444)


def _lose_generation(out: Path) -> None:
    shutil.rmtree((out / ".dockertls" / "current").resolve())


def _lose_link(out: Path) -> None:
    (out / "cert.pem").unlink()


def _replace_link(out: Path) -> None:
    (out / "cert.pem").unlink()
    (out / "cert.pem").write_text("another")


def _replace_key(out: Path) -> None:
    key = (out / "key.pem").resolve()
    key.unlink()
    key.mkdir()


@pytest.mark.parametrize(
    ("harm", "damage"),
    [
        (_lose_key, "key.pem is missing from the generation"),
        (_open_key, "has mode 0444, not 0400"),
        (_lose_generation, "no generation is in use"),
        (_lose_link, "cert.pem is missing"),
        (_replace_link, "cert.pem was replaced"),
        (_replace_key, "is not a regular file"),
    ],
)
def test_missing_or_changed_file_is_damage(
    harm: Callable[[Path], None], damage: str, tmp_path: Path
) -> None:
    """Each is named, and reading repairs nothing."""
    put(tmp_path, 1, CLIENT)
    harm(tmp_path)
    (found,) = read(tmp_path).damage
    assert damage in found
    assert read(tmp_path).damage == (found,)


def test_schedule_is_unknown_after_a_rollback(tmp_path: Path) -> None:
    """Only the certificate shows it then."""
    put(tmp_path, 1, CLIENT)
    put(tmp_path, 2, CLIENT)
    old = min(generations(tmp_path))
    swap_by_hand(tmp_path, f"generations/{old}")
    found = read(tmp_path)
    assert (found.generation, found.due, found.damage) == (old, None, ())


def test_directory_without_a_request_is_no_credential(tmp_path: Path) -> None:
    """It is unknown what to request."""
    with pytest.raises(ConflictingState, match="no dockertls-vault credential"):
        read(tmp_path)
    put(tmp_path, 1, CLIENT)
    (tmp_path / ".dockertls" / "request.json").unlink()
    with pytest.raises(ConflictingState, match=r"request\.json, which describes"):
        read(tmp_path)


def test_reading_parses_no_certificate(tmp_path: Path) -> None:
    """A timer does this many times a day."""
    put(tmp_path, 1, CLIENT)
    code = (
        "import pathlib, sys; from dockertls_vault.credential import condition, reader, worker; "
        "worker.by_worker(reader.locate(pathlib.Path(sys.argv[1])), condition.read); "
        "sys.exit('cryptography' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
