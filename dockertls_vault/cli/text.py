"""What others say, a server or a file name: it begins no line and commands no terminal.

All that is printed for people passes here; newlines are ours alone.
"""

from __future__ import annotations

from collections.abc import Sequence

Lines = str | Sequence[str]  # a text for one line, or a text for each of several


def printable(text: str) -> str:
    """Return ``text`` on one line, with what commands a terminal or turns text round escaped."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def line(text: str) -> str:
    """Return ``text`` as a line of its own."""
    return f"{printable(text)}\n"


def printable_lines(text: Lines) -> list[str]:
    """Return each line, at least one."""
    return [*map(printable, [text] if isinstance(text, str) else text)] or [""]


def in_one_line(text: Lines) -> str:
    """Return a cell for one line: what is on a line of its own comes after a ``;`` or a ``:``."""
    *lines, last = printable_lines(text)
    return "".join(each + (" " if each.endswith(":") else "; ") for each in lines) + last
