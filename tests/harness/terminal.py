"""Our program on a terminal of a given width, as a person sees it."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import termios
from contextlib import suppress

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def on_a_terminal(*arguments: str, columns: int) -> list[str]:
    """Run ``dockertls-vault`` with ``arguments``; return the lines of its stdout, uncoloured."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, columns))
    command = [sys.executable, "-m", "dockertls_vault", *arguments]
    environ = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    process = subprocess.Popen(
        command,
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
    return [line.rstrip() for line in _COLOURS.sub("", shown.decode()).splitlines()]
