"""The files of the checkout that the tests are in."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def tracked() -> list[Path]:
    """Return the files that git tracks, except those deleted from the working tree."""
    if not (ROOT / ".git").exists():
        pytest.skip("this is not a clone")
    run = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    files = [ROOT / name for name in run.stdout.decode().split("\0") if name]
    return [file for file in files if file.is_file()]
