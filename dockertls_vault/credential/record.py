"""``request.json``: the parameters of a credential, kept for renewal; it contains no secrets."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from dockertls_vault.certificate.names import parse_common_name, parse_names
from dockertls_vault.certificate.request import KeyType, Purpose, Request
from dockertls_vault.errors import ConflictingState, InvalidInput
from dockertls_vault.files import atomic
from dockertls_vault.settings import parsers

from .layout import PRIVATE, Kind, Layout, place

if TYPE_CHECKING:
    from pathlib import Path

    from .layout import Placement

NAME = "request.json"
MODE = 0o444
_VERSION = 1


@dataclass(frozen=True)
class Record:
    """A signed request and how its credential is installed.

    ``trust_mount`` is the mount whose roots ca.pem contains, None if it is the signing mount;
    ``owner`` and ``group`` are kept as given, by name or number.
    """

    request: Request
    layout: Layout
    trust_mount: str | None = None
    owner: str | None = None
    group: str | None = None

    @property
    def kind(self) -> Kind:
        """The purpose and layout of the credential."""
        return Kind(self.request.purpose, self.layout)

    def place(self, directory: Path, admins: str | None = None) -> Placement:
        """Return its placement in ``directory``; raises what ``layout.place`` raises."""
        return place(self.kind, directory, owner=self.owner, group=self.group, admins=admins)


def write(record: Record, private: int, staging: int) -> None:
    """Replace the record in the open directory ``private``."""
    text = json.dumps(to_json(record), indent=2, ensure_ascii=False) + "\n"
    atomic.replace(NAME, text.encode(), MODE, private, staging)


def read(path: Path, directory: int) -> Record | None:
    """Return the record of the credential in the open ``directory``, None if it has none.

    Raises OSError, or ConflictingState if the file is not a valid record; its message names the
    file below ``path``.
    """
    try:
        with atomic.opened(PRIVATE, directory) as private:
            return from_json(json.loads(atomic.read(NAME, private)))
    except FileNotFoundError:
        return None
    # RecursionError: deeply nested brackets.
    except (ValueError, TypeError, KeyError, InvalidInput, RecursionError):
        raise ConflictingState(
            f"{path / PRIVATE / NAME} is corrupt",
            hint="remove it; the next certificate recreates it",
        ) from None


def to_json(record: Record) -> dict[str, Any]:
    """Return the record as JSON types: names as lists, the TTL in seconds."""
    request = record.request
    return {
        "version": _VERSION,
        "purpose": request.purpose.value,
        "mount": request.mount,
        "role": request.role,
        "trust_mount": record.trust_mount,
        "dns_names": list(request.names.dns),
        "ip_addresses": list(request.names.addresses),
        "common_name": request.common_name,
        "ttl_seconds": int(request.ttl.total_seconds()),
        "key_type": request.key_type.value,
        "layout": record.layout.value,
        "owner": record.owner,
        "group": record.group,
    }


def from_json(kept: Any) -> Record:
    """Parse a record; raises ValueError, TypeError, KeyError or InvalidInput if it is not one."""
    if kept["version"] != _VERSION:
        raise ValueError(kept["version"])
    common_name, trust_mount = _text_or_none(kept["common_name"]), kept["trust_mount"]
    return Record(
        Request(
            purpose=Purpose(kept["purpose"]),
            mount=parsers.mount(kept["mount"]),
            role=parsers.role(kept["role"]),
            names=parse_names([*_texts(kept["dns_names"]), *_texts(kept["ip_addresses"])]),
            common_name=None if common_name is None else parse_common_name(common_name),
            ttl=_positive_seconds(kept["ttl_seconds"]),
            key_type=KeyType(kept["key_type"]),
        ),
        layout=Layout(kept["layout"]),
        trust_mount=None if trust_mount is None else parsers.mount(trust_mount),
        owner=_text_or_none(kept["owner"]),
        group=_text_or_none(kept["group"]),
    )


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError(value)
    return value


def _texts(value: object) -> list[str]:
    # Strings and objects are iterable too.
    if not isinstance(value, list):
        raise TypeError(value)
    return [_text(each) for each in value]


def _text_or_none(value: object) -> str | None:
    return None if value is None else _text(value)


def _positive_seconds(value: object) -> timedelta:
    # A bool is an int.
    if type(value) is not int or value <= 0:
        raise TypeError(value)
    try:
        return timedelta(seconds=value)
    except OverflowError as error:
        raise ValueError(value) from error
