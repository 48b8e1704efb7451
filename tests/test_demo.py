"""The demo as `make demo` runs it: with a real daemon, or without one."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from .harness.dockerd import SEARCH_PATH, find_dockerd

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
PROGRAM = (sys.executable, "-m", "dockertls_vault")


def demo(*, path: str) -> subprocess.CompletedProcess[str]:
    """Run it on its own embedded OpenBao, and verify that it leaves nothing behind."""
    with tempfile.TemporaryDirectory() as scratch:
        run = subprocess.run(
            [*PROGRAM, "dev", "--domain", "example.internal", "--", str(ROOT / "scripts" / "demo")],
            env={**os.environ, "PATH": path, "TMPDIR": scratch},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stdout + run.stderr
        assert list(Path(scratch).iterdir()) == []
    assert "daemon configure" not in run.stderr  # these files are gone by then
    return run


@pytest.fixture
def path() -> str:
    """Return a PATH with the program, as in an activated environment."""
    return os.pathsep.join((str(Path(sys.executable).parent), SEARCH_PATH))


def test_demo_uses_a_real_daemon(path: str) -> None:
    """As root, with dockerd installed, the handshake is with dockerd, and it says so."""
    find_dockerd()
    run = demo(path=path)
    assert (
        "Done with a real dockerd: rejected without a certificate, accepted with one." in run.stdout
    )


def test_demo_works_without_a_daemon(path: str, tmp_path: Path) -> None:
    """For other users, the two certificates shake hands, and it says so."""
    shim = tmp_path / "id"
    shim.write_text("#!/bin/sh\necho 1000\n")
    shim.chmod(0o755)
    run = demo(path=f"{tmp_path}{os.pathsep}{path}")
    assert "without a certificate: rejected (" in run.stdout
    assert "with the client's certificate: accepted\n" in run.stdout
    assert "Done without dockerd: rejected without a certificate, accepted with one." in run.stdout
