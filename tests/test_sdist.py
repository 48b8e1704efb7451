"""The source distribution: packagers can run its tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_tests_of_an_sdist_can_be_collected(tmp_path: Path) -> None:
    """They need nothing but the archive."""
    build = [sys.executable, "-m", "build", "--no-isolation", "--sdist", "--outdir", str(tmp_path)]
    subprocess.run([*build, str(ROOT)], check=True)
    (archive,) = tmp_path.glob("*.tar.gz")
    subprocess.run(["tar", "-xf", archive, "-C", tmp_path], check=True)
    collect = [sys.executable, "-m", "pytest", "--collect-only", "--quiet"]
    unpacked = tmp_path / archive.name.removesuffix(".tar.gz")
    run = subprocess.run(collect, cwd=unpacked, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout
    collected = {line.partition("::")[0] for line in run.stdout.splitlines() if "::" in line}
    here = {str(path.relative_to(ROOT)) for path in (ROOT / "tests").rglob("test_*.py")}
    assert collected == here
