"""The program on a terminal of a given width, as a user sees it."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import termios
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

_COLORS = re.compile(r"\x1b\[[0-9;]*m")


def _program(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "dockertls_vault", *arguments]


def answering(
    answer: str, *arguments: str, at: Sequence[str] = ("stdin", "stderr")
) -> tuple[int, str, str]:
    """Run ``dockertls-vault`` with a terminal at stdin and stderr, and type ``answer``.

    Returns its status, its stdout, and what the terminal shows. If ``at`` has only one of the two,
    the other is a pipe; a pipe to stdin carries the same answer.
    """
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        _program(*arguments),
        stdin=theirs if "stdin" in at else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=theirs if "stderr" in at else subprocess.PIPE,
        text=True,
    )
    os.close(theirs)
    os.write(ours, f"{answer}\n".encode())
    out, _ = process.communicate(None if "stdin" in at else f"{answer}\n")
    shown = b""
    with os.fdopen(ours, "rb", buffering=0) as terminal, suppress(OSError):  # EIO is the end
        while part := terminal.read(4096):
            shown += part
    return process.returncode, out, shown.decode().replace("\r\n", "\n")


def on_a_terminal(*arguments: str, columns: int) -> list[str]:
    """Run ``dockertls-vault`` with ``arguments``; return the lines of stdout without colors."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, columns))
    environ = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    process = subprocess.Popen(
        _program(*arguments),
        env={**environ, "TERM": "xterm"},
        stdin=theirs,
        stdout=theirs,
        stderr=subprocess.DEVNULL,
    )
    os.close(theirs)
    shown = b""
    with os.fdopen(ours, "rb", buffering=0) as terminal, suppress(OSError):  # EIO is the end
        while part := terminal.read(4096):
            shown += part
    process.wait()
    return [line.rstrip() for line in _COLORS.sub("", shown.decode()).splitlines()]


def be_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the streams of this test look like a terminal with colors."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
