"""dockerd's configuration file as text: read it strictly, and edit it in place; pure.

An edit keeps every byte that it need not change. dockerd's versions differ in what they accept:
26.1 accepts a byte order mark, 20.10 anything behind the object. A file is read if all of them
accept it, and if it is empty, which 20.10 rejects: an edit makes an object of it.
"""

from __future__ import annotations

import codecs
import json
import re
from dataclasses import dataclass, field
from json.decoder import JSONDecodeError, JSONDecoder
from typing import TYPE_CHECKING, Any, NoReturn

from dockertls_vault.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

_BLANK = re.compile(r"[ \t\r\n]*")  # RFC 8259, section 2
_LINE_START = re.compile(r"\r?\n[ \t]*\Z")
_CLOSING_COMMA = re.compile(r",[ \t\r\n]*(?=[}\]])")
_CONSTANT = re.compile(r'"(?:[^"\\]|\\.)*"|(?P<constant>NaN|-?Infinity)')
# A diagnosis, which changes nothing, leaves it out of the hint.
UNCHANGED = "nothing was changed; "
_CORRECT = f"{UNCHANGED}correct the file"
_INDENT = "  "  # as in Docker's documentation


@dataclass(frozen=True)
class Member:
    """A key and its value; ``start`` and so on are offsets into the text."""

    key: str
    value: Any = field(repr=False)
    start: int
    key_end: int
    value_start: int
    end: int


@dataclass(frozen=True)
class Document:
    """The text of a configuration file, and the members of its object."""

    text: str = field(repr=False)
    members: tuple[Member, ...]

    @property
    def values(self) -> Mapping[str, Any]:
        """The value of each key, in the order of the file."""
        return {member.key: member.value for member in self.members}

    def line(self, key: str) -> int:
        """Return the number of the line that has ``key``; raises KeyError if none has."""
        start = {member.key: member.start for member in self.members}[key]
        return self.text.count("\n", 0, start) + 1

    def merged(self, values: Mapping[str, Any]) -> bytes:
        """Return the file with ``values``, each in place of the value of its key, or at the end.

        A value that is there already stays as it is written.
        """
        text = self.text
        for member in reversed(self.members):
            if member.key in values and not _same(values[member.key], member.value):
                written = json.dumps(values[member.key])
                text = text[: member.value_start] + written + text[member.end :]
        present = self.values
        added = {key: value for key, value in values.items() if key not in present}
        return (_extended(parse(text.encode()), added) if added else text).encode()

    def without(self, keys: Collection[str]) -> bytes:
        """Return the file without ``keys``.

        Of keys that ``merged`` added it leaves no trace, unless there were no others.
        """
        text = self.text
        for start, end in reversed(tuple(self._spans(keys))):
            text = text[:start] + text[end:]
        return text.encode()

    def _spans(self, keys: Collection[str]) -> Iterator[tuple[int, int]]:
        """Yield what to cut out for ``keys``, each with the comma that separates it."""
        kept = [number for number, each in enumerate(self.members) if each.key not in keys]
        if not kept:
            if self.members:
                yield self.text.index("{") + 1, self.members[-1].end
            return
        first = kept[0]
        if first:
            yield self.members[0].start, self.members[first].start
        for before, each in zip(self.members[first:], self.members[first + 1 :], strict=False):
            if each.key in keys:
                yield before.end, each.end


def parse(data: bytes | None, name: str = "daemon.json") -> Document:
    """Read a configuration file; an empty one, or none, is like an empty object.

    Raises ConfigurationError, with line and column, if a version of dockerd rejects it, or if it
    has a key twice, of which dockerd uses the last.
    """
    text = _decoded(data or b"", name)
    if not text.strip(" \t\r\n"):
        return Document(text, ())
    try:
        value = _decoder(text, name).decode(text)
    except JSONDecodeError as error:
        _refuse(name, text, error.pos, _reason(text, error))
    except RecursionError:
        raise ConfigurationError(f"{name} is nested too deeply", hint=_CORRECT) from None
    except ValueError:  # of int(), for more digits than sys.get_int_max_str_digits()
        raise ConfigurationError(f"{name} has a number that is too long", hint=_CORRECT) from None
    start = _skip(text, 0)
    if not isinstance(value, dict):
        _refuse(name, text, start, "this is not an object")
    members = tuple(_members(text, start + 1))
    seen: set[str] = set()
    for member in members:
        if member.key in seen:
            _refuse(name, text, member.start, f"{member.key!r} is there twice")
        seen.add(member.key)
    return Document(text, members)


def _decoded(data: bytes, name: str) -> str:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise ConfigurationError(
            f"{name} is in UTF-16, which Docker 20.10 cannot read", hint="convert it to UTF-8"
        )
    if data.startswith(codecs.BOM_UTF8):
        raise ConfigurationError(
            f"{name} starts with a byte order mark, which Docker 20.10 cannot read",
            hint="save it as UTF-8 without one",
        )
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        before = data[: error.start].decode()
        _refuse(name, before, len(before), "this is not UTF-8")


def _decoder(text: str, name: str) -> JSONDecoder:
    """Return a decoder that rejects what json accepts beyond the RFC."""

    def refuse(constant: str) -> NoReturn:
        found = next(each for each in _CONSTANT.finditer(text) if each["constant"])
        _refuse(name, text, found.start(), f"{constant} is not JSON")

    return JSONDecoder(parse_constant=refuse)


def _members(text: str, position: int) -> Iterator[Member]:
    """Yield the members of an object that json has accepted, from behind its brace."""
    scan = JSONDecoder().raw_decode
    position = _skip(text, position)
    while text[position] != "}":
        key, key_end = scan(text, position)
        value_start = _skip(text, _skip(text, key_end) + 1)
        value, end = scan(text, value_start)
        yield Member(key, value, position, key_end, value_start, end)
        position = _skip(text, end)
        if text[position] == ",":
            position = _skip(text, position + 1)


def _skip(text: str, position: int) -> int:
    """Return the position of what follows the whitespace."""
    found = _BLANK.match(text, position)
    return found.end() if found else position


def _reason(text: str, error: JSONDecodeError) -> str:
    if text.startswith(("//", "/*", "#"), error.pos):
        return "JSON has no comments"
    commas = (each for each in _CLOSING_COMMA.finditer(text) if each.start() <= error.pos)
    if any(error.pos <= each.end() for each in commas):
        return "JSON allows no comma before a closing bracket"
    reason = error.msg[0].lower() + error.msg[1:]
    return reason.removesuffix(" at").removesuffix(" starting")


def _refuse(name: str, text: str, position: int, reason: str) -> NoReturn:
    line = text.count("\n", 0, position) + 1
    column = position - text.rfind("\n", 0, position)
    raise ConfigurationError(
        f"{name}, line {line}, column {column}: {reason}",
        hint=_CORRECT,
    )


def _same(one: Any, other: Any) -> bool:
    """Tell whether two values are the same in JSON, where true is not 1."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _extended(document: Document, added: Mapping[str, Any]) -> str:
    """Return the text with members added behind the last one, in its style."""
    text = document.text
    if not document.members:
        return _filled(text, added)
    last = document.members[-1]
    colon = text[last.key_end : last.value_start]
    lead = _lead(text, last, colon, alone=len(document.members) == 1)
    written = "".join(f",{lead}{_member(key, added[key], colon)}" for key in added)
    return text[: last.end] + written + text[last.end :]


def _lead(text: str, last: Member, colon: str, *, alone: bool) -> str:
    """Return the whitespace between a comma and the key that follows."""
    blank = text[len(text[: last.start].rstrip(" \t\r\n")) : last.start]
    if found := _LINE_START.search(blank):
        return found[0]  # without the empty lines before
    return " " if alone and colon.endswith(" ") else blank


def _filled(text: str, added: Mapping[str, Any]) -> str:
    """Return the text of an empty object, or an empty text, with these members."""
    newline = "\r\n" if "\r\n" in text else "\n"
    members = f",{newline}{_INDENT}".join(_member(key, added[key], ": ") for key in added)
    opening, brace, rest = text.partition("{")
    if not brace:
        return f"{{{newline}{_INDENT}{members}{newline}}}{newline}"
    closing = rest if "\n" in rest.partition("}")[0] else newline + rest.lstrip(" \t\r")
    return f"{opening}{{{newline}{_INDENT}{members}{closing}"


def _member(key: str, value: Any, colon: str) -> str:
    return f"{json.dumps(key)}{colon}{json.dumps(value)}"
