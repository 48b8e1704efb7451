"""A release of this checkout: a tag on it, and the packages built from that."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from .checkout import ROOT, tracked

if TYPE_CHECKING:
    from pathlib import Path

VERSION = "98.7.6"
TAG = f"v{VERSION}"
_AUTHOR = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "nobody"), ("EMAIL", "nobody@example.invalid"))
}


@pytest.fixture(scope="session")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository with this checkout's files in one tagged commit."""
    copy = tmp_path_factory.mktemp("release")
    for file in tracked():
        target = copy / file.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, target)
    git(copy, "init", "--quiet")
    git(copy, "add", "--all", "--force")
    git(copy, "commit", "--quiet", "--message", "all")
    git(copy, "tag", TAG)
    return copy


@pytest.fixture(scope="session")
def wheel(release: Path) -> Path:
    """Return the wheel of the release."""
    return build(release, "wheel")


@pytest.fixture(scope="session")
def sdist(release: Path) -> Path:
    """Return the sdist of the release."""
    return build(release, "sdist")


def build(tree: Path, target: str) -> Path:
    """Build a ``wheel`` or an ``sdist`` of a tree, next to it."""
    dist = tree.with_name(f"{tree.name}-{target}")
    hatch(tree, "build", "--target", target, "--directory", str(dist))
    (built,) = dist.iterdir()
    return built


def hatch(tree: Path, *arguments: str) -> str:
    """Run the build backend of pyproject.toml as a frontend would; return its output."""
    return run([sys.executable, "-m", "hatchling", *arguments], tree).strip()


def git(tree: Path, *arguments: str) -> None:
    """Run git there, with an identity."""
    run(["git", *arguments], tree)


def run(command: list[str], directory: Path = ROOT) -> str:
    """Run a command, expect success, and return its output."""
    done = subprocess.run(
        command,
        cwd=directory,
        env={**os.environ, **_AUTHOR},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
