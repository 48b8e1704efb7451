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
    password = line.removesuffix("\n")
    if not password:  # LDAP takes a bind without a password for an anonymous one (RFC 4513 §5.1.2)
        raise NoToken("empty password", hint="enter it, or log in with --auth METHOD")
    if _REPLACEMENT in password:
        raise NoToken("the password is not valid text in this terminal's encoding")
    return password


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
