"""Which modules a command loads: start-up is most of its time."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.test_rollback import put

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness.openbao import DevVault

# Third-party modules that take 10 ms or more each; hvac imports requests.
HEAVY = {"OpenSSL", "cryptography", "hvac", "idna", "requests", "rich", "tomllib", "urllib3"}
_RUN = """
import os, sys
from dockertls_vault.cli.main import run
status = run(sys.argv[1:])
print(*sorted(sys.modules), file=open(os.environ["LOADED"], "w"))
sys.exit(status)
"""


def loaded(arguments: list[str], directory: Path, **environ: str) -> set[str]:
    """Run a command in a separate process; return the heavy modules that it loaded."""
    modules = directory / "modules"
    run = subprocess.run(
        [sys.executable, "-c", _RUN, *arguments],
        env={
            "HOME": str(directory),
            "DOCKERTLS_STATE_DIR": str(directory / "state"),
            "LOADED": str(modules),
            **environ,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return HEAVY & set(modules.read_text().split())


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["issue", "--help"], ["check", "--help"], ["ca", "init", "--help"]],
)
def test_help_loads_no_heavy_module(arguments: list[str], tmp_path: Path) -> None:
    """Only typer is needed."""
    assert loaded(arguments, tmp_path) == set()


def test_command_without_vault_loads_no_vault_client(tmp_path: Path) -> None:
    """Installed files are read with cryptography only."""
    put(tmp_path, 1)
    assert loaded(["rollback", str(tmp_path), "--list"], tmp_path) == {"cryptography"}


@pytest.mark.parametrize(
    "command",
    [
        ["issue", "client", "--name", "alice"],
        ["issue", "server", "--host", "docker1.example.internal"],
    ],
)
def test_issue_does_not_load_hvac(command: list[str], prepared: DevVault, tmp_path: Path) -> None:
    """Importing all of it takes longer than issuing one certificate."""
    found = loaded(
        [*command, "--dir", str(tmp_path / "tls")],
        tmp_path,
        BAO_ADDR=prepared.address,
        BAO_TOKEN=prepared.token,
    )
    assert found == {"cryptography", "urllib3"}


def test_login_starts_without_cryptography() -> None:
    """Certificates are parsed with modules that are imported while Vault responds."""
    printed = subprocess.run(
        [sys.executable, "-c", "import sys, dockertls_vault.issue; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "dockertls_vault.issue" in printed.split()
    assert not HEAVY & set(printed.split())


def test_login_does_not_load_hvac(prepared: DevVault, tmp_path: Path) -> None:
    """Here Vault refuses the login, which is late enough."""
    run = subprocess.run(
        [sys.executable, "-c", _RUN, "issue", "client", "--dir", str(tmp_path / "tls")],
        env={
            "HOME": str(tmp_path),
            "LOADED": str(tmp_path / "modules"),
            "BAO_ADDR": prepared.address,
            "DOCKERTLS_ROLE_ID": "nobody",
            "DOCKERTLS_SECRET_ID": "nothing",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert "approle" in run.stderr
    assert not {"hvac", "requests"} & set((tmp_path / "modules").read_text().split())
