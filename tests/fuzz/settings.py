"""Flags, variables and files, with valid and invalid values."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dockertls_vault.ca.desired import parse_domains
from dockertls_vault.certificate.names import parse_common_name, parse_names
from dockertls_vault.docker.endpoint import parse_endpoint
from dockertls_vault.duration import parse_duration, parse_ttl
from dockertls_vault.settings import resolve
from dockertls_vault.settings.schema import sources

from .border import Border
from .mutations import ODD_TEXTS, of_bytes, of_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

_TEXTS = (
    "https://vault.example.com:8200/v1",
    "http://[::1]:8200,https://b.example:1",
    "unix:///run/vault.sock",
    "~/ca.pem",
    "~nobody-at-all/x",
    "1h30m",
    "-5s",
    "0",
    "true",
    "pki/int",
    "ns1/ns2",
    "server",
    "approle",
    "ec-p256",
    "alice",
    "bücher.example",
    "*.example.internal",
    "xn--bcher-kva.example",
    "fe80::1%eth0",
    "::ffff:10.1.2.3",
    "tcp://h:2376",
)
_VALUES = (
    *(f'"{text}"' for text in _TEXTS),
    "5",
    "1.5",
    "true",
    "nan",
    "inf",
    "[]",
    '["https://a", 5]',
    "{}",
    "2027-01-01",
    "07:30:00",
    "0x" + "f" * 8000,
    "[[0x" + "f" * 8000 + "]]",
    "{a = 0x" + "f" * 8000 + "}",
    "9" * 5000,
    "[" * 100_000,
    '"\\ud800"',
    '"\\u0000"',
)


@dataclass(frozen=True)
class _Found:
    flags: dict[str, object]
    environ: dict[str, str]
    file: bytes
    text: str
    parse: Callable[[str], object]


_PARSERS: tuple[Callable[[str], object], ...] = (
    parse_duration,
    parse_ttl,
    parse_endpoint,
    parse_common_name,
    lambda text: parse_names([text]),
    lambda text: parse_domains([text]),
)


def _value(random: Random) -> str:
    text = random.choice(_TEXTS)
    return of_text(random, text) if random.random() < 0.4 else text


def _draw(random: Random) -> _Found:
    flags: dict[str, object] = {}
    environ: dict[str, str] = {"HOME": "/nonexistent"}
    tables: dict[str, list[str]] = {}
    for name, source in sources().items():
        if random.random() > 0.05:
            continue
        match random.randrange(3):
            case 0 if source.flag:
                flags[name] = _value(random)
            case 1 if source.variables:
                environ[random.choice(source.variables)] = _value(random)
            case _ if source.key:
                table, _, key = source.key.partition(".")
                tables.setdefault(table, []).append(f"{key} = {random.choice(_VALUES)}")
    lines = [line for table, keys in tables.items() for line in (f"[{table}]", *keys)]
    file = "\n".join(lines).encode()
    spoilt = of_bytes(random, file) if random.random() < 0.2 else file
    text = random.choice((_value(random), _value(random), random.choice(ODD_TEXTS)))
    return _Found(flags, environ, spoilt, text, random.choice(_PARSERS))


def _cross(found: _Found) -> object:
    """Resolve the settings, and parse the other arguments of the command line."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "resolve.toml"
        file.write_bytes(found.file)
        settings = resolve.resolve(found.flags, found.environ, [file])
    return [str(settings), found.parse(found.text)]


BORDER = Border("settings", _draw, _cross)
