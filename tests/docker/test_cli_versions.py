"""The docker command lines in PATH, and what they report."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from dockertls_vault.docker import cli_versions
from dockertls_vault.docker.cli_versions import Client

if TYPE_CHECKING:
    from pathlib import Path

LONG, SHORT = timedelta(seconds=30), timedelta(milliseconds=200)


def docker(directory: Path, script: str) -> Path:
    """Write a docker CLI."""
    directory.mkdir(exist_ok=True)
    program = directory / "docker"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return program


@pytest.mark.parametrize(
    ("script", "version", "api"),
    [
        ("echo 28.2.2 1.50; exit 1", "28.2.2", "1.50"),
        ("echo", "", None),
        ("echo nonsense", "nonsense", None),
        ("echo 1.0 1.2.3", "1.0", None),
        ("exec yes", "y", None),
    ],
)
def test_version_of_a_client_is_its_own(
    tmp_path: Path, script: str, version: str, api: str | None
) -> None:
    """Without a daemon it exits with 1; what it prints is bounded."""
    program = docker(tmp_path, script if "yes" not in script else "yes | head -c 100000")
    (found,) = cli_versions.find(str(tmp_path), LONG)
    assert found.program == program
    assert found.version.splitlines()[:1] == ([version] if version else [])
    assert found.api == api


def test_no_daemon_is_asked(tmp_path: Path) -> None:
    """A client would report the version agreed with it; its configuration may name one."""
    docker(tmp_path, 'echo "$DOCKER_HOST$DOCKER_CONFIG$DOCKER_TLS_VERIFY" 1.1')
    (found,) = cli_versions.find(str(tmp_path), LONG)
    assert found.version == "unix:///nonexistent/nonexistent"


def test_client_that_hangs_or_cannot_run_is_unknown(tmp_path: Path) -> None:
    """The others are still asked; one that two directories have is asked once."""
    hanging = docker(tmp_path / "a", "exec sleep 600")
    broken = docker(tmp_path / "b", "")
    broken.write_text("#!/nonexistent")
    link = tmp_path / "c"
    link.symlink_to(tmp_path / "b")
    path = f"{tmp_path}/a:{tmp_path}/b:{link}::{tmp_path}/none"
    assert cli_versions.find(path, SHORT) == (Client(hanging, "", None), Client(broken, "", None))
