"""What no file of the repository holds: secrets, and what ties it to one machine."""

from __future__ import annotations

import re
import subprocess

import pytest

from .checkout import ROOT, tracked

# A pattern does not match its own text here.
FORBIDDEN = {
    "a directory of one machine": rb"(?<![\w.~}-])/(?:work|home/\w+|root)/\w",
    "a private key": rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/]{40}",
    "a token of Vault": rb"\bhv[sbr][.][A-Za-z0-9_-]{24}",
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_holds(what: str) -> None:
    """No secret, and nothing that is on one machine alone, has been committed."""
    found = [
        f"{file.relative_to(ROOT)}: {match[0]!r}"
        for file in tracked()
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
