"""Sanitize untrusted text, such as server messages and file names, for the terminal.

All text output passes through here, so that such text can neither start a new line nor control the
terminal.
"""

from __future__ import annotations

from collections.abc import Sequence

Lines = str | Sequence[str]  # one line, or several


def printable(text: str) -> str:
    """Escape newlines and whatever else controls a terminal or reverses text."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def line(text: str) -> str:
    """Return ``text`` as one printable line with its newline."""
    return f"{printable(text)}\n"


def printable_lines(text: Lines) -> list[str]:
    """Return each line of ``text`` made printable; at least one."""
    return [*map(printable, [text] if isinstance(text, str) else text)] or [""]


def in_one_line(text: Lines) -> str:
    """Join the lines of a table cell with ``;``, or with a space after a line ending in ``:``."""
    *lines, last = printable_lines(text)
    return "".join(each + (" " if each.endswith(":") else "; ") for each in lines) + last
