"""Inputs that are wrong in one or more places: valid ones, mixed with what breaks parsers."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

DEEP = 100_000
# JSON that json.dumps would not write.
_RAW = (
    "[" * DEEP + "]" * DEEP,
    '{"a":' * DEEP + "1" + "}" * DEEP,
    "[" * DEEP,
    "9" * 5000,  # Python turns no more than 4,300 digits into a number
    "-1",
    "1e400",
    "NaN",
    "Infinity",
    "-0",
    "01",
    '"\\ud800"',
    '"\\u0000"',
    '"\x01"',
    '{"a":1,"a":[]}',
    "",
)
ODD_TEXTS = (
    "",
    " ",
    "abc",
    "0",
    "-1",
    "9" * 5000,
    "30s",
    "\x00",
    "\x1b[2J",
    "\n",
    "\x9b",
    "\u202e",
    "\ud800",
    "\ufeff",
    "é",
    "../../etc",
    "/",
    "default",
    "a" * 100_000,
    "http://[",
    "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
    "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
)
_ODD: tuple[object, ...] = (
    None,
    True,
    False,
    0,
    5,
    -1,
    2**63,
    2**64,
    10**30,
    1.5,
    [],
    {},
    [None],
    [5],
    [[]],
    [{}],
    {"": None},
    *([text] for text in ODD_TEXTS),
    *ODD_TEXTS,
)
_HERE = "\x00here\x00"


def of_json(random: Random, value: object) -> bytes:
    """Return ``value`` as JSON, with changed, missing, duplicate or corrupt parts."""
    holder = [copy.deepcopy(value)]
    for _ in range(random.choice((1, 1, 1, 2, 5))):
        _change(random, holder)
    text = json.dumps(holder[0])
    text = text.replace(json.dumps(_HERE), random.choice(_RAW))
    raw = text.encode(random.choice(("utf-8",) * 8 + ("utf-16", "utf-8-sig")))
    return of_bytes(random, raw) if random.random() < 0.1 else raw


def of_bytes(random: Random, raw: bytes) -> bytes:
    """Return ``raw`` with some bytes changed, inserted, duplicated or cut off."""
    data = bytearray(raw)
    for _ in range(random.choice((1, 1, 2, 10))):
        start = random.randrange(len(data) + 1)
        end = min(len(data), start + random.choice((1, 1, 2, 4, 100)))
        match random.randrange(6):
            case 0 if data and start < len(data):
                data[start] = random.randrange(256)
            case 1 if start < len(data):
                data[start] ^= 1 << random.randrange(8)
            case 2:
                del data[start:end]
            case 3:
                data[start:start] = data[start:end] * random.choice((1, 2, 50))
            case 4:
                data[start:start] = random.randbytes(random.choice((1, 2, 8)))
            case _ if random.random() < 0.3:
                del data[start:]
    return bytes(data)


def of_text(random: Random, text: str) -> str:
    """Return ``text`` with unusual characters, parts missing or duplicated, or another text."""
    if random.random() < 0.2:
        return random.choice(ODD_TEXTS)
    start = random.randrange(len(text) + 1)
    end = min(len(text), start + random.choice((1, 1, 2, 10)))
    middle = random.choice(
        (
            "",
            text[start:end] * 2,
            text[start:end] * 70,
            *ODD_TEXTS,
            "%",
            "[",
            ":",
            "@",
            ".",
            "..",
            "☃",
            "\udc80",
        )
    )
    return text[:start] + middle + text[end:]


def _change(random: Random, holder: list[Any]) -> None:
    within, key = random.choice(list(_places(holder)))
    match random.randrange(5):
        case 0:
            del within[key]
            if within is holder:
                holder.append(None)
        case 1 if isinstance(within[key], str):
            within[key] = of_text(random, within[key])
        case 1 | 2:
            within[key] = _HERE
        case 3 if isinstance(within[key], list):
            within[key] = within[key] * random.choice((2, 50))
        case _:
            within[key] = copy.deepcopy(random.choice(_ODD))


def _places(within: Any) -> Iterator[tuple[Any, Any]]:
    """Return every nested value, as its container and its key."""
    for key in range(len(within)) if isinstance(within, list) else list(within):
        yield within, key
        if isinstance(within[key], dict | list):
            yield from _places(within[key])
