"""Turns results into words and tables for people, or into JSON; on stdout, where results go.

A terminal gets colours, unless NO_COLOR is set (no-color.org), and then no escape sequence at all;
elsewhere tables and fields are lines with tabs. What is said about a result is in speech.py.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import envelope, speech, streams
from .preferences import Output, Preferences
from .text import Lines, in_one_line, line, printable, printable_lines
from .wrapping import wrap

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.measure import Measurement
    from rich.status import Status
    from rich.text import Text

# What a row of a table says first decides its colour.
_STYLES = {
    "ok": "green",
    "warning": "yellow",
    "skipped": "dim",
    "unknown": "yellow",
    "critical": "bold red",
}
_STYLE_OF_THE_REST = "red"


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
        envelope.print_result(kind, result, warnings=warnings, ok=ok)
        return
    _print_words(words)
    for warning in warnings:
        speech.say("warning", warning)


def words(parts: Sequence[Words], preferences: Preferences) -> None:
    """Print what comes before a result; JSON has it in the result itself."""
    if preferences.output is Output.TABLE:
        _print_words(parts)


def _print_words(parts: Sequence[Words]) -> None:
    for part in parts:
        if isinstance(part, Table):
            _print_table(part)
        else:
            streams.write(sys.stdout, line(part) if isinstance(part, str) else _fields(part))


def _fields(part: Fields) -> str:
    """Return a line for each value, or for each line of it."""
    pairs = [(printable(name), printable_lines(value)) for name, value in part.pairs]
    if not streams.is_terminal(sys.stdout):
        # Each line has its name, so that one line is enough for grep, cut and awk.
        return "".join(f"{name}\t{each}\n" for name, lines in pairs for each in lines)
    indent = 2 + max((len(name) for name, _ in pairs), default=0)
    width = max(1, shutil.get_terminal_size().columns - indent)
    return "".join(_field(name, wrap("\n".join(lines), width), indent) for name, lines in pairs)


def _field(name: str, value: str, indent: int) -> str:
    """Return a name with its value beside it, all lines of which begin in the same column."""
    first, *rest = value.split("\n")
    lines = [f"{name:<{indent}}{first}", *(f"{'':<{indent}}{each}" for each in rest)]
    return "".join(f"{each.rstrip()}\n" for each in lines)


def _print_table(table: Table) -> None:
    if not streams.is_terminal(sys.stdout):
        for row in (table.columns, *table.rows):
            streams.write(sys.stdout, "\t".join(map(in_one_line, row)) + "\n")
        return
    import rich.table
    from rich.console import Console
    from rich.text import Text

    console = Console(
        file=sys.stdout, color_system="auto" if streams.is_styled(sys.stdout) else None
    )
    grid = rich.table.Table(box=None, pad_edge=False, show_edge=False, header_style="bold")
    for number, column in enumerate(table.columns, 1):
        # The first is one word, and the last has the most to say.
        between = 1 < number < len(table.columns)
        width = console.width // 4 if between else None
        grid.add_column(Text(column), max_width=width, no_wrap=number == 1)
    for row in table.rows:
        first, *rest = ("\n".join(printable_lines(cell)) for cell in row)
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


class Spinner:
    """Shows on stderr what is waited for, as long as that takes."""

    def __init__(self) -> None:
        self._status: Status | None = None

    def waiting(self, what: str) -> None:
        """Turn beside ``what``."""
        if self._status is not None:
            self._status.update(_plain(what))
            return
        from rich.console import Console

        self._status = Console(file=sys.stderr).status(_plain(what))
        self._status.start()

    def over(self) -> None:
        """Leave the line as it was."""
        if self._status is not None:
            self._status.stop()
            self._status = None


def spinner(preferences: Preferences) -> Spinner | None:
    """Return what shows a long wait where stderr has styles; elsewhere it is a line, as logged."""
    return Spinner() if streams.is_styled(sys.stderr) and not preferences.quiet else None


def _plain(text: str) -> Text:
    from rich.text import Text

    return Text(printable(text))
