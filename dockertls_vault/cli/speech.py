"""Messages on stderr: log records, errors and prompts.

A handler prints what our modules log while a command runs: info by default, only warnings with
``--quiet``, and debug with ``--verbose``. It is attached to this package's logger only, since
messages logged by libraries have not been reviewed for secrets.
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
    """Prints warnings with a label and other records as plain lines."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING:
            say("warning", record.getMessage())
        else:
            streams.write(sys.stderr, line(record.getMessage()))


@contextmanager
def speaking(preferences: Preferences) -> Iterator[None]:
    """Print our log records within the block, at the level that the user chose."""
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
    """Print one line with a label, colored if stderr is styled."""
    styled = streams.is_styled(sys.stderr)
    shown = typer.style(label, fg=_LABELS[label], bold=True) if styled else label
    streams.write(sys.stderr, f"{shown}: {line(text)}")


def failure(error: DockerTLSError, preferences: Preferences) -> None:
    """Print an error, its problems and its hint; also as JSON on stdout if that was requested."""
    if preferences.output is Output.JSON:
        envelope.print_failure(error)
    failed(error.message, error)


def failed(message: str, error: DockerTLSError) -> None:
    """Print ``message``, and the problems and the hint of an error."""
    say("error", message)
    for problem in error.problems:
        streams.write(sys.stderr, f"  - {line(problem)}")
    if error.hint:
        say("hint", error.hint)


def usage(error: Any) -> None:
    """Print typer's usage error, with the arguments that it quotes made printable.

    Without a command the message is the help itself, which is printed unchanged.
    """
    if error.ctx is None or error.message != error.ctx.get_help():
        error.message = printable(error.message)
    error.show()


def confirmed(lines: Sequence[str]) -> bool | None:
    """Ask for confirmation on the terminal: anything but yes is a no, None without a terminal."""
    if not (streams.is_terminal(sys.stdin) and streams.is_terminal(sys.stderr)):
        return None
    first, *rest = lines
    text = "".join([line(first), *(f"  - {line(each)}" for each in rest)])
    streams.write(sys.stderr, f"{text}continue? [y/N] ")
    answer = stop.readline(sys.stdin)
    if not answer:  # Ctrl-D leaves the cursor on the line of the question
        streams.write(sys.stderr, "\n")
    return answer.strip().lower() in {"y", "yes"}


def prompt(text: str) -> None:
    """Print a prompt on stderr."""
    streams.write(sys.stderr, f"{printable(text)}: ")
