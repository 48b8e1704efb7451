"""The image of the Dockerfile: small, not root, and it issues into a directory of the host."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from .checkout import ROOT
from .releases import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .harness.engine import Engine
    from .harness.openbao import DevVault

_IMAGE = "dockertls-test/image:built"
_LIMIT = 600.0  # seconds, for a download of the dependencies


@pytest.fixture(scope="module")
def image(
    engine: Engine, python_image: str, wheel: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Build it as the guide says, after `make dist`, from this checkout's files."""
    context = tmp_path_factory.mktemp("context")
    (context / "dist").mkdir()
    shutil.copy2(wheel, context / "dist")
    for name in ("Dockerfile", ".dockerignore", "constraints.txt"):
        shutil.copy2(ROOT / name, context)
    # A private engine has no bridge to reach an index by.
    build = ["build", "--network", "host", "--build-arg", f"BASE={python_image}", "--tag", _IMAGE]
    try:
        engine.docker(*build, str(context), limit=_LIMIT)
    except subprocess.CalledProcessError as error:
        pytest.fail(f"{error.stdout}\n{error.stderr}")
    yield _IMAGE
    engine.docker("image", "rm", "--force", _IMAGE)


def test_it_is_the_program(engine: Engine, image: str) -> None:
    """Its arguments are the program's, of the version that was built."""
    printed = engine.docker("run", "--rm", "--network", "none", image, "--version")
    assert printed == f"dockertls-vault {VERSION}\n"


def test_it_runs_as_nobody_in_particular(engine: Engine, image: str) -> None:
    """By a number, not root, and nothing of the program is that user's to change."""
    look = (
        "import os, dockertls_vault; "
        "print(os.getuid(), os.access(dockertls_vault.__file__, os.W_OK), os.access('/', os.W_OK))"
    )
    python = "/opt/dockertls-vault/bin/python3"
    run = ["run", "--rm", "--network", "none", "--entrypoint", python, image, "-c", look]
    assert engine.docker(*run) == "65532 False False\n"


def test_it_issues_into_a_directory_of_the_host(
    engine: Engine, image: str, prepared: DevVault, tmp_path: Path
) -> None:
    """The files belong to the user that --user names, who need not exist in the image."""
    uid, gid = (54321, 54322) if os.geteuid() == 0 else (os.getuid(), os.getgid())
    directory = tmp_path / "certs"
    directory.mkdir(mode=0o755)
    os.chown(directory, uid, gid)
    environ = {**engine.environ, "VAULT_ADDR": prepared.address, "VAULT_TOKEN": prepared.token}
    # fmt: off
    command = [
        "docker", "run", "--rm", "--network", "host", "--user", f"{uid}:{gid}",
        "--volume", f"{directory}:/certs", "--env", "VAULT_ADDR", "--env", "VAULT_TOKEN",
        image, "issue", "client", "--name", "alice", "--dir", "/certs",
    ]
    # fmt: on
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for name, mode in (("ca.pem", 0o444), ("cert.pem", 0o444), ("key.pem", 0o400)):
        status = (directory / name).stat()
        assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (uid, gid, mode), name
