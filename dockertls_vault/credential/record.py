"""``request.json``: the parameters of a credential, kept for renewal; it contains no secrets."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from dockertls_vault.certificate.names import parse_common_name, parse_names
from dockertls_vault.certificate.request import KeyType, Purpose, Request
from dockertls_vault.duration import read_time
from dockertls_vault.errors import InvalidInput, VerificationError
from dockertls_vault.files import atomic, reading
from dockertls_vault.settings import parsers
from dockertls_vault.window import parse_window

from . import glance
from .layout import Kind, Layout, place
from .naming import PRIVATE, REQUEST

if TYPE_CHECKING:
    from pathlib import Path

    from dockertls_vault.certificate.also_trusted import AlsoTrusted
    from dockertls_vault.certificate.names import Names
    from dockertls_vault.window import Window

    from .layout import Placement

MODE = 0o444
_VERSION = 1


@dataclass(frozen=True)
class Record:
    """A signed request and how its credential is installed.

    ``trust_mount`` is the mount whose roots ca.pem contains, None if it is the signing mount;
    ``owner`` and ``group`` are kept as given, by name or number.
    ``detected_names`` are the names that the machine had at the time, None if names were given;
    ``reuse_key`` keeps the key at a renewal; ``hooks`` are commands to run after a swap, each as
    its arguments, None for the default of the host; ``window`` is when they may run, None for at
    any time; ``also_trusted`` are CAs that ca.pem contains besides the mount's roots, each until
    its end date.
    """

    request: Request
    layout: Layout
    trust_mount: str | None = None
    owner: str | None = None
    group: str | None = None
    detected_names: Names | None = None
    reuse_key: bool = False
    hooks: tuple[tuple[str, ...], ...] | None = None
    window: Window | None = None
    also_trusted: tuple[AlsoTrusted, ...] = ()

    @property
    def kind(self) -> Kind:
        """The purpose and layout of the credential."""
        return Kind(self.request.purpose, self.layout)

    @property
    def given_names(self) -> Names | None:
        """The names that the user gave, None if they were detected."""
        return self.request.names if self.detected_names is None else None

    def place(self, directory: Path, admins: str | None = None) -> Placement:
        """Return its placement in ``directory``; raises what ``layout.place`` raises."""
        return place(self.kind, directory, owner=self.owner, group=self.group, admins=admins)

    def replacing(self, installed: Placement) -> Placement:
        """Return where to install it again: as it was, with its owner and the group of its key.

        What is written in another user's directory belongs to that user. Raises InvalidInput as
        ``place`` does.
        """
        asked = self.place(installed.directory)
        uid = asked.uid if installed.uid == atomic.KEEP else installed.uid
        return replace(installed, kind=self.kind, uid=uid, gid=asked.gid)


def write(record: Record, private: int, staging: int) -> None:
    """Replace the record in the open directory ``private``."""
    text = json.dumps(to_json(record), indent=2, ensure_ascii=False) + "\n"
    atomic.replace(REQUEST, text.encode(), MODE, private, staging)


def read(path: Path, directory: int) -> Record | None:
    """Return the record of the credential in the open ``directory``, None if it has none.

    Raises OSError, or ConflictingState if the file is not a valid record; its message names the
    file below ``path``.
    """
    try:
        with reading.opened(PRIVATE, directory) as private:
            return read_private(path, private)
    except FileNotFoundError:
        return None


def read_private(path: Path, private: int) -> Record:
    """Return the record in the open directory ``private``; raises what ``read`` raises.

    Raises FileNotFoundError if there is none.
    """
    try:
        return from_json(json.loads(reading.read(REQUEST, private)))
    # RecursionError: deeply nested brackets.
    except (ValueError, TypeError, KeyError, InvalidInput, VerificationError, RecursionError):
        raise glance.with_corrupt_request(path) from None


def digest(record: Record) -> str:
    """Return the SHA-256 of what was requested, in hex.

    Names that are detected are not part of it, since they are detected again at each renewal, nor
    is which CAs a renewal has removed.
    """
    requested = tuple(replace(each, removed=False) for each in record.also_trusted)
    kept = to_json(replace(record, also_trusted=requested))
    if record.detected_names is not None:
        kept |= {"dns_names": [], "ip_addresses": [], "common_name": None, "detected_names": []}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def to_json(record: Record) -> dict[str, Any]:
    """Return the record as JSON types: names as lists, the TTL in seconds."""
    request, detected, hooks = record.request, record.detected_names, record.hooks
    kept: dict[str, Any] = {
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
        "detected_names": None if detected is None else list(detected.all),
        "reuse_key": record.reuse_key,
        "hooks": None if hooks is None else [list(command) for command in hooks],
        "window": None if record.window is None else str(record.window),
    }
    if record.also_trusted:  # otherwise absent, as before there was the option
        from dockertls_vault.certificate import also_trusted  # imported here: few need it

        kept["also_trusted"] = also_trusted.to_json(record.also_trusted)
    return kept


def from_json(kept: Any) -> Record:
    """Parse a record; raises ValueError, TypeError, KeyError or InvalidInput if it is not one."""
    if kept["version"] != _VERSION:
        raise ValueError(kept["version"])
    common_name, trust_mount = _text_or_none(kept["common_name"]), kept["trust_mount"]
    detected, hooks, window = kept["detected_names"], kept["hooks"], kept["window"]
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
        detected_names=None if detected is None else parse_names(_texts(detected)),
        reuse_key=_boolean(kept["reuse_key"]),
        hooks=None if hooks is None else tuple(map(_command, _list(hooks))),
        window=None if window is None else parse_window(_text(window)),
        also_trusted=tuple(map(_also_trusted, _list(kept.get("also_trusted", [])))),
    )


def _text(value: object) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise TypeError(value)
    value.encode()  # raises ValueError for half of a surrogate pair, which JSON can spell
    return value


def _list(value: object) -> list[object]:
    # Strings and objects are iterable too.
    if not isinstance(value, list):
        raise TypeError(value)
    return value


def _texts(value: object) -> list[str]:
    return [_text(each) for each in _list(value)]


def _command(value: object) -> tuple[str, ...]:
    program, *arguments = _list(value)
    return (_text(program), *("" if each == "" else _text(each) for each in arguments))


def _also_trusted(kept: Any) -> AlsoTrusted:
    from dockertls_vault.certificate.also_trusted import AlsoTrusted
    from dockertls_vault.certificate.certificate import load_certificates

    (ca,) = load_certificates(_text(kept["certificate"]))
    return AlsoTrusted(ca, read_time(kept["until"]), _boolean(kept.get("removed", False)))


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(value)
    return value


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
