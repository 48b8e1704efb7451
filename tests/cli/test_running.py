"""Which hooks run for every credential, and what they find in their environment."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from dockertls_vault.cli.running import running
from dockertls_vault.errors import InvalidSetting
from dockertls_vault.settings import places
from dockertls_vault.settings.schema import Settings
from tests.harness.missing import needs_root

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the hooks folder of this host."""
    found = tmp_path / "hooks.d"
    found.mkdir()
    monkeypatch.setattr(places, "SYSTEM_HOOKS", str(found))
    return found


def put(path: Path, mode: int = 0o755) -> Path:
    """Write a script."""
    path.write_text("#!/bin/sh\n")
    path.chmod(mode)
    return path


def commands(environ: dict[str, str] | None = None) -> list[str]:
    """Return the programs that run for every credential."""
    found = running(Settings(), {"XDG_CONFIG_HOME": "/nowhere"} | (environ or {})).common
    return [program for (program,) in found]


def test_executables_of_the_folder_run_in_the_order_of_their_names(folder: Path) -> None:
    """Hidden files, directories and files without execute permission are skipped."""
    put(folder / "20-second")
    put(folder / "10-first")
    put(folder / ".hidden")
    put(folder / "README", 0o644)
    (folder / "directory").mkdir()
    assert commands() == [str(folder / "10-first"), str(folder / "20-second")]


def test_missing_folder_is_empty(folder: Path) -> None:
    """Most hosts have none."""
    folder.rmdir()
    assert commands() == []


@pytest.mark.parametrize("what", ["file", "folder"])
def test_hook_that_others_can_write_to_is_rejected(folder: Path, what: str) -> None:
    """It would run with our permissions."""
    hook = put(folder / "hook")
    (hook if what == "file" else folder).chmod(0o777)
    with pytest.raises(InvalidSetting, match=r"runs after every renewal, and .* by .*every user"):
        commands()


def test_hook_of_another_user_is_rejected(folder: Path) -> None:
    """Its owner can change it at any time."""
    needs_root("only root can change the owner of a file")
    shutil.chown(put(folder / "hook"), "nobody")
    with pytest.raises(InvalidSetting, match="nobody"):
        commands()


def test_dangling_link_in_the_folder_is_an_error(folder: Path) -> None:
    """A hook that silently does not run leaves a daemon with an old certificate."""
    (folder / "hook").symlink_to("nowhere")
    with pytest.raises(InvalidSetting, match=r"cannot use the hook .*: No such file"):
        commands()


def test_user_has_a_folder_too(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It follows root's folder; root has only that one."""
    put(folder / "theirs")
    own = tmp_path / "config" / "dockertls-vault" / "hooks.d"
    own.mkdir(parents=True)
    put(own / "ours")
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    monkeypatch.setattr(os, "geteuid", lambda: own.stat().st_uid or 1000)
    found = [str(folder / "theirs"), str(own / "ours")]
    assert commands(environ) == found
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    if own.stat().st_uid == 0:
        assert commands(environ) == found[:1]


def test_only_listed_variables_reach_a_hook(folder: Path) -> None:
    """None of them holds a secret."""
    kept = {"PATH": "/bin", "HOME": "/root", "LC_ALL": "C", "TZ": "UTC"}
    secret = {"VAULT_TOKEN": "t", "BAO_TOKEN": "t", "DOCKERTLS_SECRET_ID": "s", "PATHS": "x"}
    found = running(replace(Settings(), hook_timeout=timedelta(seconds=7)), kept | secret)
    assert found.environment == kept | {"DOCKERTLS_HOOK_TIMEOUT": "7"}
    assert found.timeout == timedelta(seconds=7)
    assert found.common == ()
    assert folder.exists()
