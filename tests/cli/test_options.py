"""The options that commands share, and the settings that each command resolves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dockertls_vault.cli.main import run
from tests.test_rollback import put

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("flag", ["--admin-group", "--dir", "--group", "--owner"])
def test_repeated_flag_is_refused(
    flag: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A user who gives two groups would expect both to count."""
    monkeypatch.setenv("HOME", str(tmp_path))
    assert run(["issue", "client", flag, "root", flag, "daemon"]) == 2
    assert capsys.readouterr().err == (f"error: {flag} was given 2 times\nhint: use it only once\n")


@pytest.mark.parametrize("variable", ["VAULT_ADDR", "DOCKERTLS_TIMEOUT", "VAULT_SKIP_VERIFY"])
def test_command_without_vault_ignores_vault_settings(
    variable: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A rollback must work when everything else is broken; a policy is only text."""
    for number in (1, 2):
        put(tmp_path, number)
    monkeypatch.setenv(variable, "wrong://")
    assert run(["rollback", str(tmp_path)]) == 0
    assert run(["ca", "policy", "server"]) == 0
    capsys.readouterr()
    assert run(["auth"]) == 78
    assert variable in capsys.readouterr().err


def test_setting_of_a_command_without_vault_is_validated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The admin group decides if a rollback is safe; the mount is quoted in a policy."""
    put(tmp_path, 1)
    monkeypatch.setenv("DOCKERTLS_ADMIN_GROUP", "no-such-group")
    assert run(["rollback", str(tmp_path)]) == 78
    assert "DOCKERTLS_ADMIN_GROUP: " in capsys.readouterr().err
    assert run(["ca", "policy", "server", "--mount", 'a"b']) == 2
    assert run(["ca", "policy", "server", "--role", 'a"b']) == 2
