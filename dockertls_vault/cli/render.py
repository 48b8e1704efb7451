"""Turns results and failures into words, tables or JSON; the only place that prints.

Results go to stdout, everything said about them to stderr. JSON is one object, the envelope
``{"version", "kind", "ok", "data", "warnings"}``, or on failure ``{"version", "kind", "ok",
"error"}``; ``version`` changes when a field changes its meaning or goes away. A terminal gets
colours, unless NO_COLOR is set (no-color.org), and then no escape sequence at all; elsewhere
tables and fields are lines with tabs.
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

from .options import Output, Preferences
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


@dataclass(frozen=True)
class Fields:
    """Names and values, one pair a line; a value may have several lines."""

    pairs: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Table:
    """Rows under headings; with ``graded`` the first cell of a row decides its colour."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
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
        _write(sys.stderr, f"{_one_line(text)}\n")


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
    text = "".join([f"{first}\n", *(f"  - {line}\n" for line in rest)])
    _write(sys.stderr, f"{_printable(text)}go on? [y/N] ")
    answer = stop.readline(sys.stdin)
    if not answer:  # Ctrl-D leaves the cursor beside the question
        _write(sys.stderr, "\n")
    return answer.strip().lower() in {"y", "yes"}


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
        _write(sys.stderr, f"  - {_one_line(problem)}\n")
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
            _write(sys.stdout, _lines(part))


def _lines(part: str | Fields) -> str:
    if isinstance(part, str):
        return _printable(part) + "\n"
    if not _is_terminal(sys.stdout):
        # Each line has its name, so that one line is enough for grep, cut and awk.
        pairs = [(name, line) for name, value in part.pairs for line in value.split("\n")]
        return "".join(f"{name}\t{_printable(line)}\n" for name, line in pairs)
    width = max((len(name) for name, _ in part.pairs), default=0)
    columns = max(1, shutil.get_terminal_size().columns - width - 2)
    return "".join(
        f"{'' if number else name:<{width}}  {line}".rstrip() + "\n"
        for name, value in part.pairs
        for number, line in enumerate(wrap(_printable(value), columns).split("\n"))
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
        grid.add_column(Text(column), max_width=console.width // 4 if between else None)
    for row in table.rows:
        style = _STYLES.get(row[0], _STYLE_OF_THE_REST) if table.graded else None
        grid.add_row(
            Text(row[0], style=style or ""), *(_Cell(_printable(cell)) for cell in row[1:])
        )
    console.print(grid)


class _Cell:
    """Text that ``wrap`` fits into its column; rich itself would cut a long word anywhere."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        from rich.measure import Measurement

        return Measurement.get(console, options, _plain(self._text))

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        yield _plain(wrap(self._text, options.max_width))


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
            _write(sys.stderr, f"{_one_line(text)}\n")

    return show


def _say(label: str, text: str) -> None:
    styled = _is_styled(sys.stderr)
    shown = typer.style(label, fg=_LABELS[label], bold=True) if styled else label
    _write(sys.stderr, f"{shown}: {_one_line(text)}\n")


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()


def _is_styled(stream: TextIO | None) -> bool:
    """Tell whether the stream gets colours, bold type and a spinner."""
    return _is_terminal(stream) and not os.environ.get("NO_COLOR")


def _in_one_line(cell: str) -> str:
    """Return a cell for one line: what is on a line of its own comes after a ``;`` or a ``:``."""
    *lines, last = map(_printable, cell.split("\n"))
    return "".join(line + (" " if line.endswith(":") else "; ") for line in lines) + last


def _write(stream: TextIO | None, text: str) -> None:
    """Write at once; Python has no stream where the caller closed it, and nobody listens."""
    if stream is not None:
        stream.write(text)
        stream.flush()


def _printable(text: str) -> str:
    """Return ``text`` with control characters escaped: what a server says is not to be trusted."""
    return "".join(
        char if char.isprintable() or char == "\n" else char.encode("unicode_escape").decode()
        for char in text
    )


def _one_line(text: str) -> str:
    """Return ``text`` on one line: a newline in it could begin a line that looks like ours."""
    return _printable(text).replace("\n", "\\n")
