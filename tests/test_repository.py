"""No file of the repository has a secret or depends on one machine."""

from __future__ import annotations

import re
import subprocess

import pytest

from .checkout import ROOT, tracked

# Written so that a pattern does not match its own source.
FORBIDDEN = {
    "a directory of one machine": rb"(?<![\w.~}-])/(?:work|home/\w+|root)/\w",
    "a private key": rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/]{40}",
    "a token of Vault": rb"\bhv[sbr][.][A-Za-z0-9_-]{24}",
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_committed_file_has_a_secret_or_a_local_path(what: str) -> None:
    """All tracked files are searched."""
    found = [
        f"{file.relative_to(ROOT)}: {match[0]!r}"
        for file in tracked()
        for match in re.finditer(FORBIDDEN[what], file.read_bytes())
    ]
    assert not found


@pytest.mark.parametrize(
    "left", ["server/server-key.pem", "certs/client/key.pem", "ca.pem", "server/.dockertls/lock"]
)
def test_git_ignores_issued_files(left: str) -> None:
    """A key issued in a checkout must not be committed."""
    if not (ROOT / ".git").exists():
        pytest.skip("this is not a clone")
    run = subprocess.run(["git", "check-ignore", "--quiet", left], cwd=ROOT, check=False)
    assert run.returncode == 0
