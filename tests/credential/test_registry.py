"""The credentials that this host knows."""

from __future__ import annotations

import os
import pwd
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from dockertls_vault.certificate.names import Names
from dockertls_vault.credential.registry import Registry
from dockertls_vault.errors import CannotWrite
from tests.credentials import CLIENT, SERVER


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Return a state directory that is not there yet."""
    return tmp_path / "state" / "dockertls-vault"


def test_host_without_a_list_knows_no_credential(state: Path) -> None:
    """Reading creates nothing."""
    assert Registry(state).known() == ()
    Registry(state).remove(Path("/nowhere"))
    assert not state.exists()


def test_credential_is_known_until_it_is_removed(state: Path, tmp_path: Path) -> None:
    """Paths are sorted, unique and absolute, and may have any characters."""
    registry = Registry(state)
    odd = tmp_path / os.fsdecode(b"a\n\xff b")
    for credential in (tmp_path / "b", odd, tmp_path / "b"):
        registry.add(credential)
    assert registry.known() == (odd, tmp_path / "b")
    registry.remove(odd)
    assert registry.known() == (tmp_path / "b",)


def test_relative_path_is_listed_as_absolute(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next run may have another working directory."""
    monkeypatch.chdir(tmp_path)
    Registry(state).add(Path("certs"))
    assert Registry(state).known() == (tmp_path / "certs",)


def test_entry_is_never_followed(state: Path, tmp_path: Path) -> None:
    """A credential that is gone stays listed."""
    Registry(state).add(tmp_path / "gone")
    assert Registry(state).known() == (tmp_path / "gone",)


def test_concurrent_runs_lose_no_entry(state: Path, tmp_path: Path) -> None:
    """They also create the directories concurrently."""
    paths = [tmp_path / f"{number:02}" for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(Registry(state).add, paths)) == [None] * 40
    assert Registry(state).known() == tuple(paths)


@pytest.mark.parametrize("umask", [0, 0o077, 0o777])
def test_list_is_readable_by_all_and_writable_by_its_owner(
    umask: int, state: Path, tmp_path: Path
) -> None:
    """It holds paths and no secret; the umask does not matter."""
    before = os.umask(umask)
    try:
        Registry(state).add(tmp_path / "certs")
    finally:
        os.umask(before)
    for directory in (state, state / "credentials"):
        assert stat.S_IMODE(directory.stat().st_mode) == 0o755


@pytest.mark.parametrize("place", [".", "credentials"])
def test_list_that_others_could_write_is_rejected(place: str, state: Path, tmp_path: Path) -> None:
    """Its credentials are renewed with our permissions."""
    Registry(state).add(tmp_path / "certs")
    (state / place).chmod(0o777)
    with pytest.raises(CannotWrite, match="every user can write to"):
        Registry(state).known()


def test_unreadable_list_is_an_error(state: Path, tmp_path: Path) -> None:
    """Otherwise nothing would be renewed, silently."""
    Registry(state).add(tmp_path / "certs")
    state.parent.chmod(0)
    me = os.geteuid()
    if me == 0:  # whom no mode stops
        os.seteuid(pwd.getpwnam("nobody").pw_uid)
    try:
        with pytest.raises(CannotWrite, match="Permission denied"):
            Registry(state).known()
    finally:
        os.seteuid(me)
        state.parent.chmod(0o755)


def test_registry_vouches_for_what_was_requested_last(state: Path, tmp_path: Path) -> None:
    """It does so per directory, until it is removed; detected names may differ."""
    registry = Registry(state)
    assert not registry.vouches_for(tmp_path, CLIENT)
    registry.vouch(tmp_path, CLIENT)
    registry.vouch(tmp_path, SERVER)
    assert registry.vouches_for(tmp_path, SERVER)
    assert not registry.vouches_for(tmp_path, CLIENT)
    assert not registry.vouches_for(tmp_path / "other", SERVER)
    detected = replace(SERVER, detected_names=Names(("b.example",)))
    assert not registry.vouches_for(tmp_path, detected)
    registry.vouch(tmp_path, detected)
    renamed = replace(detected, request=replace(SERVER.request, names=Names(("c.example",))))
    assert registry.vouches_for(tmp_path, renamed)
    registry.remove(tmp_path)
    assert not registry.vouches_for(tmp_path, renamed)
