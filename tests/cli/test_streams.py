"""Readers that go before the end: a pipe that nobody reads is no failure."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from dockertls_vault import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

PROGRAM = [sys.executable, "-m", "dockertls_vault"]


@pytest.fixture
def unread() -> int:
    """Return the end to write to of a pipe that nobody reads, as under `| true`."""
    reader, writer = os.pipe()
    os.close(reader)
    return writer


@pytest.fixture
def closed_port() -> int:
    """Return a port at which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--version"], 0),
        (["check", "--help"], 0),
        (["ca", "policy", "client"], 0),
        (["check"], 69),
        (["check", "-o", "json"], 69),
        (["check", "--timeout", "soon", "-o", "json"], 2),
        (["--no-such-option"], 2),
    ],
)
@pytest.mark.parametrize("both", [False, True])
def test_the_status_is_the_commands(
    arguments: Sequence[str], status: int, both: bool, unread: int, closed_port: int
) -> None:
    """Not 1, which is a warning of `check`; and the other stream has not a word about it."""
    environ = {**os.environ, "DOCKER_HOST": f"tcp://127.0.0.1:{closed_port}"}
    done = subprocess.run(
        [*PROGRAM, *arguments],
        stdout=unread,
        stderr=unread if both else subprocess.PIPE,
        env=environ,
        text=True,
        check=False,
    )
    os.close(unread)
    assert done.returncode == status
    assert "roken" not in (done.stderr or "")


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_what_has_a_reader_is_written_as_ever(encoding: str) -> None:
    """In the encoding that Python chose, and nothing is left behind in a buffer."""
    environ = {**os.environ, "PYTHONIOENCODING": encoding, "COLUMNS": "80"}
    done = subprocess.run([*PROGRAM, "--version"], capture_output=True, env=environ, check=False)
    assert (done.stdout, done.stderr) == (f"dockertls-vault {__version__}\n".encode(), b"")
