"""Read a password from the terminal."""

from __future__ import annotations

import sys
import termios
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dockertls_vault import stop
from dockertls_vault.errors import NoToken

from . import speech

if TYPE_CHECKING:
    from collections.abc import Iterator

# Replaces bytes on stdin that cannot be decoded (see streams.py).
_REPLACEMENT = "\ufffd"


def ask(prompt: str) -> str:
    """Read a password from the terminal without echo; the prompt goes to stderr.

    Unlike getpass, a signal ends the wait even though its handler raises nothing.
    Raises NoToken if nothing was entered, or bytes that are not text.
    """
    try:
        with _echo_off(sys.stdin.fileno()):
            speech.prompt(prompt)
            line = stop.readline(sys.stdin)
    finally:
        sys.stderr.write("\n")
    if not line or _REPLACEMENT in line:  # Ctrl-D, or undecodable bytes
        raise NoToken("empty password", hint="enter it, or log in with --auth METHOD")
    return line.removesuffix("\n")


@contextmanager
def _echo_off(terminal: int) -> Iterator[None]:
    """Turn off the terminal's echo within the block."""
    before = termios.tcgetattr(terminal)
    local_modes = before[3]
    try:
        termios.tcsetattr(
            terminal, termios.TCSAFLUSH, [*before[:3], local_modes & ~termios.ECHO, *before[4:]]
        )
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSAFLUSH, before)
