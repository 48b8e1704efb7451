"""An environment file (EnvironmentFile= of systemd.exec(5)) as text: read, edited in place; pure.

systemd does not read it like a shell: in a value that does not begin with a quote, quotes and hash
signs are ordinary characters, and behind a closing quote it skips blanks and reads on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_LEADING = re.compile(r"[ \t\r\n]*")
_BLANKS = re.compile(r"[ \t]*")
# Before systemd 254, one that ends with a backslash goes on in the next line.
_COMMENT = re.compile(r"[#;][^\r\n]*")
_KEY = re.compile(r"[^\r\n][^=\r\n]*")
# Quotes and escapes may lack their end at the end of the file.
_SINGLE = re.compile(r"'([^']*)'?")
_DOUBLE = re.compile(r'"((?:\\.|[^"\\])*)(?:"|\\?\Z)', re.DOTALL)
# Blanks at the end do not count, unless an escape is before or behind them.
_BARE = re.compile(r"((?:\\.|[^\\ \t\r\n]|[ \t]+(?=[^ \t\r\n]))*)[ \t]*\\?", re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_VALID = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SPECIAL = re.compile(r'["\\`$]')


@dataclass(frozen=True)
class Assignment:
    """A variable and its value, which is at ``value_start:end`` in the text, quotes included."""

    name: str
    value: str = field(repr=False)
    start: int
    value_start: int
    end: int


@dataclass(frozen=True)
class EnvironmentFile:
    """The text of a file, and its assignments; of a variable, the last one counts."""

    text: str = field(repr=False)
    assignments: tuple[Assignment, ...]

    @property
    def values(self) -> Mapping[str, str]:
        """The value of each variable."""
        return {each.name: each.value for each in self.assignments}

    def line(self, name: str) -> int:
        """Return the number of the line that sets a variable; raises KeyError if none does."""
        return self.text.count("\n", 0, self._last(name).start) + 1

    def replaced(self, name: str, value: str) -> bytes:
        """Return the file with another value for a variable; raises KeyError if it has none."""
        found = self._last(name)
        text = self.text
        if found.value != value:
            written = '"' + _SPECIAL.sub(r"\\\g<0>", value) + '"'
            text = text[: found.value_start] + written + text[found.end :]
        return text.encode("utf-8", "surrogateescape")

    def _last(self, name: str) -> Assignment:
        return {each.name: each for each in self.assignments}[name]


def parse(data: bytes) -> EnvironmentFile:
    """Read a file; systemd ignores what is no assignment, and so does this."""
    text = data.decode("utf-8", "surrogateescape")
    return EnvironmentFile(text, tuple(_assignments(text)))


def environment(assigned: Iterable[str], files: Iterable[EnvironmentFile]) -> dict[str, str]:
    """Return the environment of a service: ``NAME=VALUE`` of its unit, replaced by its files."""
    found = dict(each.split("=", 1) for each in assigned)
    for file in files:
        found |= file.values
    return found


def _assignments(text: str) -> Iterator[Assignment]:
    position = 0
    while (position := _end(_LEADING, text, position)) < len(text):
        if comment := _COMMENT.match(text, position):
            position = comment.end()
            continue
        start, position = position, _end(_KEY, text, position)
        if text[position : position + 1] != "=":
            continue
        name = text[start:position].rstrip(" \t")
        value_start = position + 1
        value, position = _value(text, value_start)
        if _VALID.fullmatch(name):
            yield Assignment(name, value, start, value_start, position)


def _value(text: str, position: int) -> tuple[str, int]:
    """Return the value that begins at ``position``, and the position of its end."""
    parts = []
    position = _end(_BLANKS, text, position)
    while quoted := (_SINGLE.match(text, position) or _DOUBLE.match(text, position)):
        literal = quoted.re is _SINGLE
        parts.append(quoted[1] if literal else _ESCAPE.sub(_in_quotes, quoted[1]))
        position = _end(_BLANKS, text, quoted.end())
    bare = next(_BARE.finditer(text, position))  # right there: it may be empty
    parts.append(_ESCAPE.sub(_bare, bare[1]))
    return "".join(parts), bare.end()


def _in_quotes(escape: re.Match[str]) -> str:
    if escape[1] == "\n":
        return ""
    return escape[1] if _SPECIAL.match(escape[1]) else escape[0]


def _bare(escape: re.Match[str]) -> str:
    return "" if escape[1] in "\r\n" else escape[1]


def _end(pattern: re.Pattern[str], text: str, position: int) -> int:
    found = pattern.match(text, position)
    return found.end() if found else position
