"""The options that commands share, and the settings that each command looks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dockertls_vault.cli.main import run
from tests.test_rollback import put

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("flag", ["--admin-group", "--group", "--owner"])
def test_one_name_is_all_that_a_flag_takes(
    flag: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever gives two groups would believe that both count."""
    command = ["issue", "client", "--dir", str(tmp_path / "c"), flag, "root", flag, "daemon"]
    assert run(command) == 2
    assert capsys.readouterr().err == (f"error: {flag} was given 2 times\nhint: use it only once\n")


@pytest.mark.parametrize("variable", ["VAULT_ADDR", "DOCKERTLS_TIMEOUT", "VAULT_SKIP_VERIFY"])
def test_a_command_without_vault_needs_none_of_its_settings(
    variable: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A rollback is what helps when everything else is wrong; a policy is text."""
    for number in (1, 2):
        put(tmp_path, number)
    monkeypatch.setenv(variable, "wrong://")
    assert run(["rollback", str(tmp_path)]) == 0
    assert run(["ca", "policy", "server"]) == 0
    capsys.readouterr()
    assert run(["auth"]) == 78
    assert variable in capsys.readouterr().err


def test_what_a_command_without_vault_looks_for_must_make_sense(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who may write decides whether a rollback is safe, and a mount is quoted in a policy."""
    put(tmp_path, 1)
    monkeypatch.setenv("DOCKERTLS_ADMIN_GROUP", "no-such-group")
    assert run(["rollback", str(tmp_path)]) == 78
    assert "DOCKERTLS_ADMIN_GROUP: " in capsys.readouterr().err
    assert run(["ca", "policy", "server", "--mount", 'a"b']) == 2
    assert run(["ca", "policy", "server", "--role", 'a"b']) == 2
