"""Render results on stdout, as text and tables or as JSON.

On a terminal output is colored; with NO_COLOR (no-color.org) it contains no escape sequences.
Elsewhere tables and fields are tab-separated lines. Messages on stderr are in speech.py.
"""

from __future__ import annotations

import logging
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import typer

from . import envelope, speech, streams
from .preferences import Output, Preferences
from .text import Lines, in_one_line, line, printable, printable_lines
from .wrapping import wrap

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.measure import Measurement
    from rich.status import Status
    from rich.text import Text

_OURS = logging.getLogger("dockertls_vault")
# The first cell of a graded row decides its color.
_STYLES = {
    "ok": "green",
    "warning": "yellow",
    "skipped": "dim",
    "unknown": "yellow",
    "critical": "bold red",
}
_STYLE_OF_THE_REST = "red"
_DIFF_HEADER = 2  # lines
_DIFF_COLORS = {"+": "green", "-": "red", "@": "cyan"}
# A progress bar is only shown for at least this many steps.
_A_HANDFUL = 5
_BAR_WIDTH = 20  # characters


@dataclass(frozen=True)
class Fields:
    """Names and values, one pair per line; a value may span several lines."""

    pairs: Sequence[tuple[str, Lines]]


@dataclass(frozen=True)
class Table:
    """Rows with column headings; if ``graded``, a row's first cell decides its color."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Lines]]
    graded: bool = False


@dataclass(frozen=True)
class Bar:
    """A text, followed on a terminal by a bar that is filled to ``share`` (0 to 1), and a note."""

    text: str
    share: float
    note: str


@dataclass(frozen=True)
class Blocks:
    """A table whose rows are too wide for a terminal, where each is a block of fields.

    The first two cells are its heading, and the first decides the color. Empty cells are left out.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[Lines | Bar]]


@dataclass(frozen=True)
class Diff:
    """A unified diff; its first two lines name the file."""

    text: str


Part = str | Fields | Table | Blocks | Diff


def show(
    kind: str,
    result: object,
    preferences: Preferences,
    *,
    parts: Sequence[Part],
    warnings: Sequence[str] = (),
    ok: bool = True,
) -> None:
    """Print a result: ``parts`` as text, or ``result``, a frozen dataclass, as JSON."""
    if preferences.output is Output.JSON:
        envelope.print_result(kind, result, warnings=warnings, ok=ok)
        return
    _print_parts(parts)
    for warning in warnings:
        speech.say("warning", warning)


def text(parts: Sequence[Part], preferences: Preferences) -> None:
    """Print text that precedes a result; in JSON it is part of the result itself."""
    if preferences.output is Output.TABLE:
        _print_parts(parts)


def _print_parts(parts: Sequence[Part]) -> None:
    for part in parts:
        if isinstance(part, Table):
            _print_table(part)
        elif isinstance(part, Blocks):
            _print_blocks(part)
        elif isinstance(part, Diff):
            _print_diff(part)
        else:
            streams.write(sys.stdout, line(part) if isinstance(part, str) else _fields(part))


def _fields(part: Fields) -> str:
    """Format the pairs, with one line per line of each value."""
    pairs = [(printable(name), printable_lines(value)) for name, value in part.pairs]
    if not streams.is_terminal(sys.stdout):
        return "".join(_rows(pairs))
    indent = 2 + max((len(name) for name, _ in pairs), default=0)
    width = max(1, shutil.get_terminal_size().columns - indent)
    return "".join(_field(name, wrap("\n".join(lines), width), indent) for name, lines in pairs)


def _rows(pairs: Sequence[tuple[str, Sequence[str]]]) -> Iterator[str]:
    """Format the pairs with the name on each line, so that grep, cut and awk need only one line."""
    for name, lines in pairs:
        for each in lines:
            yield f"{name}\t{each}\n"


def _field(name: str, value: str, indent: int) -> str:
    """Format a name and its value, whose lines all start in the same column."""
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
        # The first column is a single word, and the last one has the longest text.
        is_middle = 1 < number < len(table.columns)
        width = console.width // 4 if is_middle else None
        grid.add_column(Text(column), max_width=width, no_wrap=number == 1)
    for row in table.rows:
        first, *rest = ("\n".join(printable_lines(cell)) for cell in row)
        style = _STYLES.get(first, _STYLE_OF_THE_REST) if table.graded else ""
        grid.add_row(Text(first, style=style), *map(_Cell, rest))
    console.print(grid)


def _print_blocks(blocks: Blocks) -> None:
    if not streams.is_terminal(sys.stdout):
        rows = [[_without_bar(cell) for cell in row] for row in blocks.rows]
        _print_table(Table(blocks.columns, rows))
        return
    for number, row in enumerate(blocks.rows):
        grade, title, *cells = (_with_bar(cell) for cell in row)
        pairs = [
            (f"  {name}", cell)
            for name, cell in zip(blocks.columns[2:], cells, strict=True)
            if cell
        ]
        heading = f"{_colored(in_one_line(grade))}  {line(in_one_line(title))}"
        streams.write(sys.stdout, ("\n" if number else "") + heading + _fields(Fields(pairs)))


def _without_bar(cell: Lines | Bar) -> Lines:
    return cell.text if isinstance(cell, Bar) else cell


def _with_bar(cell: Lines | Bar) -> Lines:
    """Return the cell with its bar in characters that every terminal has."""
    if not isinstance(cell, Bar):
        return cell
    filled = round(min(max(cell.share, 0), 1) * _BAR_WIDTH)
    return f"{cell.text}  [{'#' * filled}{'.' * (_BAR_WIDTH - filled)}]  {cell.note}"


def _print_diff(diff: Diff) -> None:
    for number, each in enumerate(diff.text.split("\n")):
        color = _DIFF_COLORS.get(each[:1]) if number >= _DIFF_HEADER else None
        shown = printable(each.expandtabs())
        if color and streams.is_styled(sys.stdout):
            shown = typer.style(shown, fg=color)
        streams.write(sys.stdout, f"{shown}\n")


def _colored(grade: str) -> str:
    if not streams.is_styled(sys.stdout):
        return grade
    *bold, color = _STYLES.get(grade, _STYLE_OF_THE_REST).split()
    return typer.style(grade, fg=color, bold=bool(bold))


class _Cell:
    """Text that ``wrap`` fits into its column; rich itself would break a long word anywhere."""

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
    """A spinner on stderr that shows what the command is waiting for."""

    def __init__(self) -> None:
        self._status: Status | None = None

    def waiting(self, what: str) -> None:
        """Show ``what``; start the spinner if it is not running."""
        if self._status is not None:
            self._status.update(_plain(what))
            return
        from rich.console import Console

        self._status = Console(file=sys.stderr).status(_plain(what))
        self._status.start()

    def over(self) -> None:
        """Stop the spinner and clear its line."""
        if self._status is not None:
            self._status.stop()
            self._status = None


def spinner(preferences: Preferences) -> Spinner | None:
    """Return a spinner if stderr is styled; otherwise None, and waits are logged as lines."""
    return Spinner() if streams.is_styled(sys.stderr) and not preferences.quiet else None


class ProgressBar(logging.Handler):
    """A progress bar on stderr, which also shows what the command is waiting for.

    Messages appear above it. A logged one hides it until the next step is done, because the output
    of a hook may follow, which would overwrite the bar.
    """

    def __init__(self, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        super().__init__()
        self._progress = Progress(
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.description}", markup=False),
            console=Console(file=sys.stderr, soft_wrap=True),
            auto_refresh=False,
            transient=True,
        )
        self._task = self._progress.add_task("", total=total)
        self._waits = False

    def __enter__(self) -> Self:
        _OURS.addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        _OURS.removeHandler(self)
        self._progress.stop()

    def advance(self) -> None:
        """Show that one more step is done."""
        self._progress.start()
        self._progress.update(self._task, advance=1, refresh=True)

    def waiting(self, what: str) -> None:
        """Show what the command is waiting for next to the bar."""
        self._waits = True
        self._progress.start()
        self._progress.update(self._task, description=printable(what), refresh=True)

    def over(self) -> None:
        """Clear the text next to the bar."""
        if self._waits:
            self._waits = False
            self._progress.update(self._task, description="", refresh=True)

    def emit(self, _record: logging.LogRecord) -> None:
        """Hide the bar; the message has been printed."""
        self._progress.stop()


def progress_bar(total: int, preferences: Preferences) -> ProgressBar | None:
    """Return a progress bar where ``spinner`` returns a spinner, if there are many steps."""
    worth_it = total >= _A_HANDFUL and streams.is_styled(sys.stderr) and not preferences.quiet
    return ProgressBar(total) if worth_it else None


def _plain(text: str) -> Text:
    from rich.text import Text

    return Text(printable(text))
