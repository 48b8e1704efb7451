"""A release: its version, the content of wheel and sdist, and the page of a package index."""

from __future__ import annotations

import email
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .checkout import ROOT, tracked
from .releases import TAG, VERSION, build, git, hatch, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from email.message import Message

_PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
_SOURCE = _PROJECT["urls"]["Source"]


@pytest.fixture(scope="session")
def metadata(wheel: Path) -> Message:
    """Return the metadata that an index reads from the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return email.message_from_bytes(archive.read(f"{_info()}/METADATA"))


def test_wheel_has_only_the_package_and_its_license(wheel: Path) -> None:
    """No tests or pages; py.typed lets type checkers use its types."""
    package = {str(file.relative_to(ROOT)) for file in tracked()}
    package = {name for name in package if name.startswith("dockertls_vault/")}
    about = {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE"}
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert names == package | {f"{_info()}/{name}" for name in about}
    assert "dockertls_vault/py.typed" in names


def test_sdist_has_every_tracked_file(sdist: Path) -> None:
    """Packagers get the tests with their data, and the docs."""
    files = {str(file.relative_to(ROOT)) for file in tracked()}
    with tarfile.open(sdist) as archive:
        names = {member.name for member in archive.getmembers()}
    assert names == {f"dockertls_vault-{VERSION}/{name}" for name in files | {"PKG-INFO"}}


def test_installed_wheel_runs(wheel: Path, tmp_path: Path) -> None:
    """Without a checkout, its command prints the version."""
    run(
        [
            sys.executable,
            "-m",
            "pip",
            "--quiet",
            "install",
            "--no-index",
            "--no-deps",
            "--target",
            str(tmp_path),
            str(wheel),
        ]
    )
    done = subprocess.run(
        [str(tmp_path / "bin" / "dockertls-vault"), "--version"],
        cwd="/",
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == (f"dockertls-vault {VERSION}\n", "")


def _tagged(release: Path, _scratch: Path) -> Path:
    return release


def _a_commit_later(release: Path, scratch: Path) -> Path:
    git(release, "clone", "--quiet", ".", str(scratch / "clone"))
    git(scratch / "clone", "commit", "--quiet", "--allow-empty", "--message", "more")
    return scratch / "clone"


def _archive(release: Path, scratch: Path) -> Path:
    git(release, "archive", "--output", str(scratch / "archive.tar"), TAG)
    return _unpacked(scratch / "archive.tar", scratch / "archive")


def _sdist(release: Path, scratch: Path) -> Path:
    return _unpacked(build(release, "sdist"), scratch) / f"dockertls_vault-{VERSION}"


def _files_alone(release: Path, scratch: Path) -> Path:
    return Path(shutil.copytree(release, scratch / "copy", ignore=shutil.ignore_patterns(".git")))


@pytest.mark.parametrize(
    ("tree", "version"),
    [
        (_tagged, re.escape(VERSION)),
        (_a_commit_later, r"98\.7\.7\.dev1\+g[0-9a-f]+"),
        (_archive, re.escape(VERSION)),
        (_sdist, re.escape(VERSION)),
        (_files_alone, r"0\.0"),
    ],
)
def test_tag_decides_the_version(
    tree: Callable[[Path, Path], Path], version: str, release: Path, tmp_path: Path
) -> None:
    """In a clone and in archives of git and hatch; without either there is a fallback."""
    found = hatch(tree(release, tmp_path), "version")
    assert re.fullmatch(version, found)


def test_version_is_read_lazily() -> None:
    """Importing the package does not read the installed metadata."""
    program = (
        "import sys, dockertls_vault as package; assert 'importlib.metadata' not in sys.modules; "
        "print(package.__version__); assert not hasattr(package, 'nothing')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert re.fullmatch(r"\d+\.\d.*\n", done.stdout), done.stderr


@pytest.mark.parametrize(
    ("written", "host"),
    [
        (r"!\[[^\]]*\]\(([^)\s]+)|src(?:set)?=\"([^\"]+)", "raw.githubusercontent.com"),
        (r"(?<!!)\[[^\]]*\]\(([^)\s]+)|href=\"([^\"]+)", "github.com"),
    ],
    ids=["images", "links"],
)
def test_index_page_links_to_files_of_that_version(
    written: str, host: str, metadata: Message
) -> None:
    """README's relative links would be broken there; images need the raw file."""
    page = metadata.get_payload()
    assert isinstance(page, str)
    targets = list(map("".join, re.findall(written, page)))
    assert targets
    tree = _SOURCE.replace("github.com", host) + ("/blob" if host == "github.com" else "")
    for target in targets:
        file = target.removeprefix(f"{tree}/{TAG}/").partition("#")[0]
        assert target.startswith("#") or (file != target and (ROOT / file).is_file()), target


def test_classifiers_list_each_python_from_the_oldest(metadata: Message) -> None:
    """There is no gap between the versions."""
    named = [
        int(match[1])
        for text in metadata.get_all("Classifier", [])
        if (match := re.fullmatch(r"Programming Language :: Python :: 3\.(\d+)", text))
    ]
    assert metadata["Requires-Python"] == f">=3.{named[0]}"
    assert named == list(range(named[0], named[-1] + 1))


def _info() -> str:
    return f"dockertls_vault-{VERSION}.dist-info"


def _unpacked(archive: Path, directory: Path) -> Path:
    directory.mkdir(exist_ok=True)
    subprocess.run(["tar", "-xf", archive, "-C", directory], check=True)
    return directory
