"""JSON output: one versioned object on stdout per command.

``{"version", "kind", "ok", "data", "warnings"}``, or on failure ``{"version", "kind", "ok",
"error"}``. ``version`` changes when a field is removed or changes its meaning.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import Enum
from pathlib import PurePath
from typing import Any

from dockertls_vault.errors import DockerTLSError

from . import streams

VERSION = 1


def print_result(
    kind: str, result: object, *, warnings: Sequence[str], ok: bool, indent: int | None = 2
) -> None:
    """Print ``result``, a frozen dataclass; ``warnings`` include the result's own.

    Without ``indent`` it is a single line, as one of many results that follow one another.
    """
    body = {"kind": kind, "ok": ok, "data": to_json(result), "warnings": list(warnings)}
    _print(body, indent)


def print_failure(error: DockerTLSError) -> None:
    """Print an error with its code, message, hint, exit status and problems."""
    _print({"kind": "error", "ok": False, "error": _error(error)})


def _error(error: DockerTLSError) -> dict[str, Any]:
    return {
        "code": error.code,
        "message": error.message,
        "hint": error.hint or None,
        "exit_status": error.exit_status,
        "problems": list(error.problems),
    }


def to_json(value: object) -> Any:
    """Convert ``value`` to JSON types: times become RFC 3339 in UTC, durations seconds.

    Warnings are left out: those of all parts of a result are in the envelope.
    """
    match value:
        case DockerTLSError():
            return _error(value)
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
            field.name: to_json(getattr(value, field.name))
            for field in dataclasses.fields(value)
            if field.name != "warnings"
        }
    return value


def _print(envelope: dict[str, Any], indent: int | None = 2) -> None:
    # Non-ASCII characters and DEL are escaped: some control a terminal or reverse the text.
    text = json.dumps({"version": VERSION, **envelope}, indent=indent)
    streams.write(sys.stdout, text.replace("\x7f", "\\u007f") + "\n")
