"""Wrap lines at spaces, and words longer than a line after ``: / , -``.

This keeps a fingerprint, path or URL readable in a column that is narrower than it.
"""

from __future__ import annotations

import re

_WORDS = re.compile(r"\S+\s*|\s+")
_PIECES = re.compile(r"[^:/,-]*[:/,-]+\s*|[^:/,-]+")


def wrap(text: str, width: int) -> str:
    """Insert newlines so that no line of ``text`` is longer than ``width`` (at least 1)."""
    return "\n".join("\n".join(_wrap_line(line, width)) for line in text.split("\n"))


def _wrap_line(line: str, width: int) -> list[str]:
    lines = [""]
    for word in _WORDS.findall(line):
        for piece in [word] if len(word.rstrip()) <= width else _PIECES.findall(word):
            if lines[-1] and len(lines[-1] + piece.rstrip()) > width:
                lines.append("")
            lines[-1] += piece
            while len(lines[-1].rstrip()) > width:
                lines[-1:] = [lines[-1][:width], lines[-1][width:]]
    return [done.rstrip() for done in lines]
