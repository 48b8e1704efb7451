"""What no file of the repository holds: it works with any registry and on any machine."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# A pattern does not match its own text here.
FORBIDDEN = {
    "the host of a package registry": (
        rb"pypi[.]org|pythonhosted[.]org|registry[.]npmjs|deb[.]debian[.]org"
        rb"|archive[.]ubuntu[.]com|proxy[.]golang[.]org|static[.]crates[.]io"
    ),
    "a directory of one machine": rb"(?<![\w.~}-])/(?:work|home/\w+|root)/\w",
    "a private key": rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/]{40}",
    "a token of Vault": rb"\bhv[sbr][.][A-Za-z0-9_-]{24}",
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_holds(what: str) -> None:
    """Nothing that ties the project to one place, and no secret, has been committed."""
    found = [
        f"{file.relative_to(ROOT)}: {match[0]!r}"
        for file in _tracked()
        for match in re.finditer(FORBIDDEN[what], file.read_bytes())
    ]
    assert not found


@pytest.mark.parametrize(
    "left", ["server/server-key.pem", "certs/client/key.pem", "ca.pem", "server/.dockertls/lock"]
)
def test_git_ignores_what_issue_leaves(left: str) -> None:
    """A key that somebody makes in a checkout does not get into a commit."""
    if not (ROOT / ".git").exists():
        pytest.skip("this is not a clone")
    run = subprocess.run(["git", "check-ignore", "--quiet", left], cwd=ROOT, check=False)
    assert run.returncode == 0


def _tracked() -> list[Path]:
    """Return the files that git knows, less those deleted from the working tree."""
    if not (ROOT / ".git").exists():
        pytest.skip("this is not a clone")
    run = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    files = [ROOT / name for name in run.stdout.decode().split("\0") if name]
    return [file for file in files if file.is_file()]
