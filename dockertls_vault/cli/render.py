"""Turns results and failures into words, tables or JSON; the only place that prints.

Results go to stdout, everything said about them to stderr. JSON is one object, the envelope
``{"version", "kind", "ok", "data", "warnings"}``, or on failure ``{"version", "kind", "ok",
"error"}``; ``version`` changes when a field changes its meaning or goes away. A terminal gets
colours, unless NO_COLOR is set (no-color.org), and then no escape sequence at all; elsewhere
tables and fields are lines with tabs.

What others say, a server or a file name, begins no line and commands no terminal: all that is
printed is escaped here, and newlines are ours alone.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, TextIO

import typer

from dockertls_vault import stop

from .preferences import Output, Preferences
from .wrapping import wrap

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.measure import Measurement
    from rich.status import Status
    from rich.text import Text

    from dockertls_vault.errors import DockerTLSError

ENVELOPE_VERSION = 1
_LABELS = {"error": typer.colors.RED, "warning": typer.colors.YELLOW, "hint": typer.colors.CYAN}
# What a row of a table says first decides its colour.
_STYLES = {
    "ok": "green",
    "warning": "yellow",
    "skipped": "dim",
    "unknown": "yellow",
    "critical": "bold red",
}
_STYLE_OF_THE_REST = "red"


Lines = str | Sequence[str]  # a text for one line, or a text for each of several


@dataclass(frozen=True)
class Fields:
    """Names and values, one pair a line; a value may have several lines."""

    pairs: Sequence[tuple[str, Lines]]


@dataclass(frozen=True)
class Table:
    """Rows under headings; with ``graded`` the first cell of a row decides its colour."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Lines]]
    graded: bool = False


Words = str | Fields | Table


def show(
    kind: str,
    result: object,
    preferences: Preferences,
    *,
    words: Sequence[Words],
    warnings: Sequence[str] = (),
    ok: bool = True,
) -> None:
    """Print a result: ``words`` for people, or ``result``, a frozen dataclass, as JSON."""
    if preferences.output is Output.JSON:
        _print_json({"kind": kind, "ok": ok, "data": to_json(result), "warnings": list(warnings)})
        return
    _print_words(words)
    for warning in warnings:
        _say("warning", warning)


def words(parts: Sequence[Words], preferences: Preferences) -> None:
    """Print what comes before a result; JSON has it in the result itself."""
    if preferences.output is Output.TABLE:
        _print_words(parts)


def note(text: str, preferences: Preferences) -> None:
    """Say a line on stderr, unless ``--quiet`` was given."""
    if not preferences.quiet:
        _write(sys.stderr, _line(text))


def hint(text: str) -> None:
    """Say what to do next, where somebody else has said what failed."""
    _say("hint", text)


def warn(text: str) -> None:
    """Say a line on stderr that ``--quiet`` does not silence."""
    _say("warning", text)


def confirmed(lines: Sequence[str]) -> bool:
    """Ask on the terminal whether to go on; what is not a yes is a no, and so is no terminal."""
    if not (sys.stdin and sys.stdin.isatty() and sys.stderr and sys.stderr.isatty()):
        return False
    first, *rest = lines
    text = "".join([_line(first), *(f"  - {_line(line)}" for line in rest)])
    _write(sys.stderr, f"{text}go on? [y/N] ")
    answer = stop.readline(sys.stdin)
    if not answer:  # Ctrl-D leaves the cursor beside the question
        _write(sys.stderr, "\n")
    return answer.strip().lower() in {"y", "yes"}


def prompt(text: str) -> None:
    """Ask on stderr for what is typed behind it."""
    _write(sys.stderr, f"{_printable(text)}: ")


def usage(error: Any) -> None:
    """Have typer say what is wrong with the command line, which it quotes as it is.

    Without a command that is its help.
    """
    if error.ctx is None or error.message != error.ctx.get_help():
        error.message = _printable(error.message)
    error.show()


def waiting(preferences: Preferences) -> Callable[[str | None], None]:
    """Return what shows a long wait until it is given None: a spinner, or lines in a log."""
    if preferences.quiet:
        return lambda _: None
    return _spinner() if _is_styled(sys.stderr) else _lines_of_waiting()


def failure(error: DockerTLSError, preferences: Preferences) -> None:
    """Say what failed, why, and what to do next; as JSON too where JSON was asked for."""
    if preferences.output is Output.JSON:
        _print_json(
            {
                "kind": "error",
                "ok": False,
                "error": {
                    "code": error.code,
                    "message": error.message,
                    "hint": error.hint,
                    "exit_status": error.exit_status,
                    "problems": list(error.problems),
                },
            }
        )
    _say("error", error.message)
    for problem in error.problems:
        _write(sys.stderr, f"  - {_line(problem)}")
    if error.hint:
        _say("hint", error.hint)


def to_json(value: object) -> Any:
    """Return ``value`` as JSON has it: times in UTC (RFC 3339), durations in seconds."""
    match value:
        case Enum():
            return value.value
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case timedelta():
            return int(value.total_seconds())
        case PurePath():
            return str(value)
        case Mapping():
            return {str(key): to_json(item) for key, item in value.items()}
        case list() | tuple():
            return [to_json(item) for item in value]
    if dataclasses.is_dataclass(value):
        return {
            field.name: to_json(getattr(value, field.name)) for field in dataclasses.fields(value)
        }
    return value


def _print_json(envelope: dict[str, Any]) -> None:
    # All but ASCII is escaped, and DEL: to a terminal some of it are commands, or turn text round.
    text = json.dumps({"version": ENVELOPE_VERSION, **envelope}, indent=2)
    _write(sys.stdout, text.replace("\x7f", "\\u007f") + "\n")


def _print_words(parts: Sequence[Words]) -> None:
    for part in parts:
        if isinstance(part, Table):
            _print_table(part)
        else:
            _write(sys.stdout, _line(part) if isinstance(part, str) else _fields(part))


def _fields(part: Fields) -> str:
    pairs = [(_printable(name), _printable_lines(value)) for name, value in part.pairs]
    if not _is_terminal(sys.stdout):
        # Each line has its name, so that one line is enough for grep, cut and awk.
        return "".join(f"{name}\t{line}\n" for name, lines in pairs for line in lines)
    width = max((len(name) for name, _ in pairs), default=0)
    columns = max(1, shutil.get_terminal_size().columns - width - 2)
    return "".join(
        f"{'' if number else name:<{width}}  {line}".rstrip() + "\n"
        for name, lines in pairs
        for number, line in enumerate(wrap("\n".join(lines), columns).split("\n"))
    )


def _print_table(table: Table) -> None:
    if not _is_terminal(sys.stdout):
        for row in (table.columns, *table.rows):
            _write(sys.stdout, "\t".join(map(_in_one_line, row)) + "\n")
        return
    import rich.table
    from rich.console import Console
    from rich.text import Text

    console = Console(file=sys.stdout, color_system="auto" if _is_styled(sys.stdout) else None)
    grid = rich.table.Table(box=None, pad_edge=False, show_edge=False, header_style="bold")
    for number, column in enumerate(table.columns, 1):
        # The first is one word, and the last has the most to say.
        between = 1 < number < len(table.columns)
        width = console.width // 4 if between else None
        grid.add_column(Text(column), max_width=width, no_wrap=number == 1)
    for row in table.rows:
        first, *rest = ("\n".join(_printable_lines(cell)) for cell in row)
        style = _STYLES.get(first, _STYLE_OF_THE_REST) if table.graded else ""
        grid.add_row(Text(first, style=style), *map(_Cell, rest))
    console.print(grid)


class _Cell:
    """Text that ``wrap`` fits into its column; rich itself would cut a long word anywhere."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        from rich.measure import Measurement
        from rich.text import Text

        return Measurement.get(console, options, Text(self._text))

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.text import Text

        yield Text(wrap(self._text, options.max_width))


def _spinner() -> Callable[[str | None], None]:
    status: Status | None = None

    def show(text: str | None) -> None:
        nonlocal status
        if text is None and status is not None:
            status.stop()
            status = None
        elif text is not None and status is not None:
            status.update(_plain(text))
        elif text is not None:
            from rich.console import Console

            status = Console(file=sys.stderr).status(_plain(text))
            status.start()

    return show


def _plain(text: str) -> Text:
    from rich.text import Text

    return Text(_printable(text))


def _lines_of_waiting() -> Callable[[str | None], None]:
    said: set[str] = set()

    def show(text: str | None) -> None:
        if text is not None and text not in said:
            said.add(text)
            _write(sys.stderr, _line(text))

    return show


def _say(label: str, text: str) -> None:
    styled = _is_styled(sys.stderr)
    shown = typer.style(label, fg=_LABELS[label], bold=True) if styled else label
    _write(sys.stderr, f"{shown}: {_line(text)}")


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()


def _is_styled(stream: TextIO | None) -> bool:
    """Tell whether the stream gets colours, bold type and a spinner."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return _is_terminal(stream) and not plain


def _in_one_line(cell: Lines) -> str:
    """Return a cell for one line: what is on a line of its own comes after a ``;`` or a ``:``."""
    *lines, last = _printable_lines(cell)
    return "".join(line + (" " if line.endswith(":") else "; ") for line in lines) + last


def _write(stream: TextIO | None, text: str) -> None:
    """Write at once; Python has no stream where the caller closed it, and nobody listens."""
    if stream is not None:
        stream.write(text)
        stream.flush()


def _line(text: str) -> str:
    return f"{_printable(text)}\n"


def _printable_lines(text: Lines) -> list[str]:
    """Return each line, at least one."""
    return [*map(_printable, [text] if isinstance(text, str) else text)] or [""]


def _printable(text: str) -> str:
    """Return ``text`` on one line, with what commands a terminal or turns text round escaped."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )
