"""A program that is run for what it prints."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from dockertls_vault.host import program

LONG = 60.0  # seconds


def test_program_is_not_sent_our_signals() -> None:
    """Ctrl-C goes to the programs of a session; it has no terminal to read from, either."""
    code = "import os, sys; print(os.getsid(0), sys.stdin.read(), os.environ.get('HOME'))"
    run = program.run([sys.executable, "-c", code], LONG, {"HOME": "/here"})
    session, *rest = run.stdout.split()
    assert (int(session) != os.getsid(0), rest) == (True, ["/here"])


def test_program_is_killed_when_its_time_is_over() -> None:
    """And the caller says of what."""
    with pytest.raises(subprocess.TimeoutExpired):
        program.run(["sleep", str(LONG)], 0.1)


def test_output_that_is_not_utf_8() -> None:
    """It is shown as well as it can be."""
    assert program.run(["printf", "a\\377"], LONG).stdout == "a\N{REPLACEMENT CHARACTER}"


def test_time_that_poll_cannot_count() -> None:
    """Nobody waits for 25 days, but may say so."""
    assert program.run(["printf", "a"], 25 * 86400.0).stdout == "a"
