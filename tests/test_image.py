"""The image of the Dockerfile is small, does not run as root, and issues into a host directory."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from .checkout import ROOT
from .harness.images import base_image
from .releases import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .harness.engine import Engine
    from .harness.openbao import DevVault

_IMAGE = "dockertls-test/image:built"
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
_LIMIT = 600.0  # seconds, for a download of the dependencies


@pytest.fixture(scope="module")
def image(
    engine: Engine, python_image: str, wheel: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Build it as the guide says, after `make dist`, from the files of this checkout."""
    context = tmp_path_factory.mktemp("context")
    (context / "dist").mkdir()
    shutil.copy2(wheel, context / "dist")
    for name in (".dockerignore", "constraints.txt"):
        shutil.copy2(ROOT / name, context)
    dockerfile = DOCKERFILE.replace(base_image(DOCKERFILE), python_image)
    (context / "Dockerfile").write_text(dockerfile, encoding="utf-8")
    # A private engine has no bridge network to reach a package index through.
    build = ["build", "--network", "host", "--tag", _IMAGE]
    try:
        engine.docker(*build, str(context), limit=_LIMIT)
    except subprocess.CalledProcessError as error:
        pytest.fail(f"{error.stdout}\n{error.stderr}")
    yield _IMAGE
    engine.docker("image", "rm", "--force", _IMAGE)


def test_dependabot_can_update_the_base_image() -> None:
    """It is in the one FROM that names an image; dependabot reads no ARG."""
    stages = re.findall(r"^FROM (\S+)(?: AS (\w+))?$", DOCKERFILE, re.MULTILINE)
    names = {name for _, name in stages}
    assert [image for image, _ in stages if image not in names] == [base_image(DOCKERFILE)]
    assert re.fullmatch(r"[a-z]+:[\w.-]+", base_image(DOCKERFILE))
    assert "package-ecosystem: docker\n" in (ROOT / ".github" / "dependabot.yml").read_text("utf-8")


def test_image_runs_the_program(engine: Engine, image: str) -> None:
    """Its arguments are the program's, and the version is that of the build."""
    printed = engine.docker("run", "--rm", "--network", "none", image, "--version")
    assert printed == f"dockertls-vault {VERSION}\n"


def test_image_runs_as_an_unprivileged_user(engine: Engine, image: str) -> None:
    """The user is numeric, not root, and cannot change the program."""
    look = (
        "import os, dockertls_vault; "
        "print(os.getuid(), os.access(dockertls_vault.__file__, os.W_OK), os.access('/', os.W_OK))"
    )
    python = "/opt/dockertls-vault/bin/python3"
    run = ["run", "--rm", "--network", "none", "--entrypoint", python, image, "-c", look]
    assert engine.docker(*run) == "65532 False False\n"


def test_image_issues_into_a_host_directory(
    engine: Engine, image: str, prepared: DevVault, tmp_path: Path
) -> None:
    """The files belong to the user of --user, who need not exist in the image."""
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
