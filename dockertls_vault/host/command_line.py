"""The command line of a service, split and expanded as systemd does it; pure.

systemd.service(5), "Command lines": ``$NAME`` as a word of its own becomes the words of the
variable's value, ``${NAME}`` is replaced wherever it is, and ``$$`` is a dollar sign.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_PIECE = r"""\\.|'(?:\\.|[^'\\])*(?:'|\\?\Z)|"(?:\\.|[^"\\])*(?:"|\\?\Z)|[^\\'" \t\r\n]|\\\Z"""
_WORD = re.compile(f"(?:{_PIECE})+", re.DOTALL)
# An escaped character, which is kept, or a quotation mark.
_UNQUOTED = re.compile(r"""\\(.?)|'((?:\\.|[^'\\])*)'?|"((?:\\.|[^"\\])*)"?""", re.DOTALL)
_ESCAPE = re.compile(r"\\(.?)", re.DOTALL)
_BRACED = re.compile(r"\$\$|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True)
class Word:
    """A word without its quotes, which is at ``start:end`` in the text with them."""

    value: str
    start: int
    end: int


def words(text: str) -> Iterator[Word]:
    """Split a text as systemd does: quotes may be anywhere, and a backslash keeps a character."""
    for found in _WORD.finditer(text):
        yield Word(_UNQUOTED.sub(_unquote, found[0]), *found.span())


def variable(word: str) -> str | None:
    """Return the name in a word ``$NAME``, which becomes the words of its value."""
    return word[1:] if word.startswith("$") and word[1:2] not in {"{", "$"} else None


def expand(line: Iterable[str], environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the arguments that a command gets from the words of its line in a unit file."""
    return tuple(argument for word in line for argument in _expanded(word, environment))


def _expanded(word: str, environment: Mapping[str, str]) -> Iterator[str]:
    if (name := variable(word)) is not None:
        yield from (each.value for each in words(environment.get(name, "")))
        return
    yield _BRACED.sub(
        lambda found: environment.get(found["name"], "") if found["name"] else "$", word
    )


def _unquote(found: re.Match[str]) -> str:
    escaped, single, double = found.groups()
    if escaped is not None:
        return escaped
    return _ESCAPE.sub(r"\1", single if double is None else double)
