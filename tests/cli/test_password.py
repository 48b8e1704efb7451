"""A password is read from a terminal that does not echo it."""

from __future__ import annotations

import os
import pty
import sys
import termios
from typing import TYPE_CHECKING

import pytest

from dockertls_vault.cli import password, speech
from dockertls_vault.errors import NoToken

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Make a terminal stdin, and return the end at which a person types."""
    ours, theirs = pty.openpty()
    # As streams.py sets it up.
    with os.fdopen(theirs, encoding="utf-8", errors="replace") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield ours
    os.close(ours)


def echoes(descriptor: int) -> bool:
    """Tell whether a terminal shows what is typed."""
    return bool(termios.tcgetattr(descriptor)[3] & termios.ECHO)


def type_at_the_prompt(
    monkeypatch: pytest.MonkeyPatch, terminal: int, typed: bytes
) -> list[tuple[str, bool]]:
    """Type when the prompt appears; return a list of each prompt, and whether there was an echo."""
    prompts = []

    def prompt(text: str) -> None:
        prompts.append((text, echoes(terminal)))
        os.write(terminal, typed)

    monkeypatch.setattr(speech, "prompt", prompt)
    return prompts


@pytest.mark.parametrize("typed", ["s3cret", " pass word ", "sn\u00f6w\u2603"])
def test_password_is_read_without_echo(
    typed: str, terminal: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is everything up to Enter, and afterwards the terminal echoes again."""
    prompts = type_at_the_prompt(monkeypatch, terminal, f"{typed}\n".encode())
    assert password.ask("password of alice") == typed
    assert prompts == [("password of alice", False)]
    assert echoes(terminal)


@pytest.mark.parametrize(
    ("typed", "problem"),
    [
        pytest.param(b"\x04", "empty password", id="Ctrl-D"),
        pytest.param(b"\n", "empty password", id="Enter"),
        pytest.param(
            b"\xff\n", "the password is not valid text in this terminal's encoding", id="not UTF-8"
        ),
    ],
)
def test_empty_or_undecodable_password_is_rejected(
    typed: bytes, problem: str, terminal: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Vault would reject undecodable bytes without saying why; LDAP may accept no password."""
    type_at_the_prompt(monkeypatch, terminal, typed)
    with pytest.raises(NoToken, match=f"^{problem}$"):
        password.ask("password of alice")
    assert echoes(terminal)
