"""The settings in a unit file, and where they are in its text (systemd.syntax(7)); pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import command_line

if TYPE_CHECKING:
    from collections.abc import Iterator

# A backslash at the end of a line continues it; systemd skips the comments among continued lines.
_CONTINUED = r"\\\n(?:[ \t]*[#;][^\n]*(?:\n|\Z))*"
_LINE = re.compile(rf"[ \t]*[#;][^\n]*|(?:[^\\\n]|{_CONTINUED}|\\[^\n]|\\\Z)*")
_BLANKED = re.compile(_CONTINUED)
_SECTION = re.compile(r"\s*\[(?P<section>[^\]\n]*)\]\s*")
_SETTING = re.compile(r"[ \t]*(?P<name>[A-Za-z0-9-]+)[ \t]*=[ \t]*")


@dataclass(frozen=True)
class Setting:
    """A setting whose value begins at ``start``; in it, blanks stand for continuations.

    They stand for comments among continued lines, too, so that offsets in it are those in the text.
    """

    section: str
    name: str
    value: str
    start: int
    line: int


@dataclass(frozen=True)
class Variable:
    """A variable in Environment=, with its value, which begins at ``start`` in the text.

    ``start`` is None for a value without quotes around it, or with others or escapes within.
    """

    name: str
    value: str
    start: int | None


def settings(text: str) -> Iterator[Setting]:
    """Yield each setting in its order, including the empty ones, which reset a list."""
    section, position = "", 0
    while position < len(text):
        line = next(_LINE.finditer(text, position))
        if found := _SECTION.fullmatch(line[0]):
            section = found["section"]
        elif found := _SETTING.match(line[0]):
            value = _BLANKED.sub(lambda each: " " * len(each[0]), line[0][found.end() :])
            number = text.count("\n", 0, position) + 1
            yield Setting(section, found["name"], value, position + found.end(), number)
        position = line.end() + 1


def variables(environment: Setting) -> Iterator[Variable]:
    """Yield each variable that an Environment= sets; specifiers stay as they are."""
    for word in command_line.words(environment.value):
        name, _, value = word.value.partition("=")
        spelled = environment.value[word.start : word.end]
        quoted = {f"{quote}{name}={value}{quote}" for quote in "\"'"}
        quoted |= {f"{name}={quote}{value}{quote}" for quote in "\"'"}
        start = environment.start + word.start + len(f"{name}=") + 1
        yield Variable(name, value, start if spelled in quoted else None)
