"""A password that is typed on the terminal."""

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

# What streams.py has Python put in the place of bytes that are no text.
_REPLACED = "\ufffd"


def typed(prompt: str) -> str:
    """Ask for a password on the terminal, which does not show it; the prompt goes to stderr.

    Unlike getpass's, the wait for it ends with a signal whose handler raises nothing.
    """
    try:
        with _unseen(sys.stdin.fileno()):
            speech.prompt(prompt)
            line = stop.readline(sys.stdin)
    finally:
        sys.stderr.write("\n")
    if not line or _REPLACED in line:  # Ctrl-D; bytes that are no text
        raise NoToken("empty password", hint="enter it, or log in with --auth METHOD")
    return line.removesuffix("\n")


@contextmanager
def _unseen(terminal: int) -> Iterator[None]:
    """Have the terminal show nothing of what is typed."""
    before = termios.tcgetattr(terminal)
    local_modes = before[3]
    try:
        termios.tcsetattr(
            terminal, termios.TCSAFLUSH, [*before[:3], local_modes & ~termios.ECHO, *before[4:]]
        )
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSAFLUSH, before)
