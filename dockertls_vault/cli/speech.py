"""Words on stderr: what is logged, what failed, and what is asked.

Our modules log, and a handler prints it while a command runs: what a user should know (info), what
``--quiet`` does not silence (warning), and what ``--verbose`` adds (debug). It is on the package's
logger alone, so that what a library logs is not shown: nobody has looked whether it has a secret.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from dockertls_vault import stop

from . import envelope, streams
from .preferences import Output, Preferences
from .text import line, printable

if TYPE_CHECKING:
    from dockertls_vault.errors import DockerTLSError

_OURS = logging.getLogger("dockertls_vault")
_LABELS = {"error": typer.colors.RED, "warning": typer.colors.YELLOW, "hint": typer.colors.CYAN}


class _Handler(logging.Handler):
    """Prints a warning with its label, and anything else as a line."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING:
            say("warning", record.getMessage())
        else:
            streams.write(sys.stderr, line(record.getMessage()))


@contextmanager
def speaking(preferences: Preferences) -> Iterator[None]:
    """Within it, what our modules log is printed, as far as it is wanted."""
    handler, before = _Handler(), _OURS.level
    _OURS.addHandler(handler)
    _OURS.setLevel(_level(preferences))
    try:
        yield
    finally:
        _OURS.setLevel(before)
        _OURS.removeHandler(handler)


def _level(preferences: Preferences) -> int:
    if preferences.quiet:
        return logging.WARNING
    return logging.DEBUG if preferences.verbose else logging.INFO


def say(label: str, text: str) -> None:
    """Say a line with a label, which has a colour of its own."""
    styled = streams.is_styled(sys.stderr)
    shown = typer.style(label, fg=_LABELS[label], bold=True) if styled else label
    streams.write(sys.stderr, f"{shown}: {line(text)}")


def failure(error: DockerTLSError, preferences: Preferences) -> None:
    """Say what failed, why, and what to do next; as JSON too where JSON was asked for."""
    if preferences.output is Output.JSON:
        envelope.print_failure(error)
    say("error", error.message)
    for problem in error.problems:
        streams.write(sys.stderr, f"  - {line(problem)}")
    if error.hint:
        say("hint", error.hint)


def usage(error: Any) -> None:
    """Have typer say what is wrong with the command line, which it quotes as it is.

    Without a command that is its help.
    """
    if error.ctx is None or error.message != error.ctx.get_help():
        error.message = printable(error.message)
    error.show()


def confirmed(lines: Sequence[str]) -> bool | None:
    """Ask on the terminal whether to go on; what is not a yes is a no, None without a terminal."""
    if not (streams.is_terminal(sys.stdin) and streams.is_terminal(sys.stderr)):
        return None
    first, *rest = lines
    text = "".join([line(first), *(f"  - {line(each)}" for each in rest)])
    streams.write(sys.stderr, f"{text}go on? [y/N] ")
    answer = stop.readline(sys.stdin)
    if not answer:  # Ctrl-D leaves the cursor beside the question
        streams.write(sys.stderr, "\n")
    return answer.strip().lower() in {"y", "yes"}


def prompt(text: str) -> None:
    """Ask on stderr for what is typed behind it."""
    streams.write(sys.stderr, f"{printable(text)}: ")
