"""The system calls of one run: others can never read a key, not even for a moment."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from .harness.missing import missing

if TYPE_CHECKING:
    from pathlib import Path

    from .harness.openbao import DevVault

# openat(5</…>, "key.pem", O_WRONLY|O_CREAT|O_EXCL|O_NOFOLLOW|O_CLOEXEC, 0400) = 6</…>
_CREATED = re.compile(r'openat\([^"]*"(?P<name>[^"]*)", (?P<flags>[A-Z_|]+), (?P<mode>0\d+)\) = \d')
# By name, which may be another file by then, and not by descriptor; and the umask, which all
# threads share.
_FORBIDDEN = re.compile(r'\bumask\(|\b(chmod|fchmodat)\((?![^"]*"/proc/self/fd/\d+")')
# fchmod(6</…/certs/.dockertls/generations/.….new/key.pem>, 0400) = 0
_BROUGHT_TO = re.compile(r"fchmod\(\d+<[^>]*/key\.pem>, (0\d+)\) = 0")


@pytest.fixture
def strace() -> str:
    """Return the path of strace."""
    return shutil.which("strace") or missing("strace is not installed")


@pytest.mark.parametrize("umask", [0, 0o277], ids="{:03o}".format)
def test_key_is_created_with_its_final_mode(
    umask: int, strace: str, prepared: DevVault, tmp_path: Path
) -> None:
    """With O_EXCL and 0400; then every mode is set by descriptor, under any umask."""
    trace = tmp_path / "trace"
    calls = "openat,creat,open,chmod,fchmod,fchmodat,umask"
    command = [strace, "-f", "-y", "-e", f"trace={calls}", "-o", str(trace), sys.executable]
    command += ["-m", "dockertls_vault", "issue", "client", "--dir", str(tmp_path / "c")]
    environment = {"BAO_ADDR": prepared.address, "BAO_TOKEN": prepared.token}
    subprocess.run(command, env={**os.environ, **environment}, umask=umask, check=True)
    lines = trace.read_text().splitlines()
    keys = [
        match
        for line in lines
        if (match := _CREATED.search(line)) and match["name"].endswith("key.pem")
    ]
    assert [match["mode"] for match in keys] == ["0400"]
    assert "O_EXCL" in keys[0]["flags"]
    assert "O_NOFOLLOW" in keys[0]["flags"]
    assert _BROUGHT_TO.findall("\n".join(lines)) == ["0400"]
    assert [line for line in lines if _FORBIDDEN.search(line)] == []


def test_interrupted_run_leaves_no_key_behind(
    prepared: DevVault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure between creating the key and the swap removes it."""
    from dockertls_vault.cli import main
    from dockertls_vault.files import atomic

    monkeypatch.setenv("BAO_ADDR", prepared.address)
    monkeypatch.setenv("BAO_TOKEN", prepared.token)
    real = atomic.create

    def interrupted(name: str, *arguments: object, **options: object) -> None:
        real(name, *arguments, **options)  # type: ignore[arg-type]  # as they came
        if name == "key.pem":
            raise KeyboardInterrupt

    monkeypatch.setattr(atomic, "create", interrupted)
    assert main.run(["issue", "client", "--dir", str(tmp_path / "c")]) == 130
    assert list((tmp_path / "c").rglob("*.pem")) == []
