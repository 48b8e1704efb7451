"""How this host picks up new files of a credential: what its set-up says, which `configure` wrote.

    STATE/daemon/set-up.json    the credential directory of the daemon, where it listens, and how

dockerd reads its TLS files only at startup (moby#23936), so it is restarted; systemd holds its
socket meanwhile. `needs-renewal` asks at ticks of a timer while hooks are pending, so imports are
kept cheap: no dataclasses, pathlib or logging.
"""

from __future__ import annotations

import json
import os
from enum import StrEnum
from typing import Any, NamedTuple

from dockertls_vault.errors import ConflictingState
from dockertls_vault.files import reading

DIRECTORY = "daemon"
NAME = "set-up.json"
VERSION = 1


class Pickup(StrEnum):
    """How a daemon picks up new files: it is restarted, or nothing on this host is known to do it.

    The value is the one in set-up.json.
    """

    NONE = "none"
    RESTART = "restart"


class SetUp(NamedTuple):
    """The daemon of this host, as `dockertls-vault daemon configure` set it up.

    ``certificates`` is its credential directory, ``listen`` each address that it listens on
    (``[::]:2376``).
    """

    certificates: str
    listen: tuple[str, ...]
    pickup: Pickup


def of(state: str, directory: str) -> Pickup:
    """Return how the daemon of the credential in ``directory`` picks up new files.

    A set-up that cannot be read counts as one that restarts this daemon: the restart fails, and
    says why. Otherwise the daemon would go on with its old certificate, and nobody would notice.
    """
    try:
        found = _load(state)
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return Pickup.RESTART
    if found is None or not _is_same(found.certificates, directory):
        return Pickup.NONE
    return found.pickup


def read(state: str) -> SetUp | None:
    """Return the set-up in a state directory, None if there is none.

    Raises ConflictingState if it cannot be understood, and OSError.
    """
    try:
        return _load(state)
    except (ValueError, TypeError, KeyError, RecursionError):
        raise ConflictingState(
            f"{_path(state)} is corrupt",
            hint="run `dockertls-vault daemon configure`, which writes it again",
        ) from None


def _path(state: str) -> str:
    return f"{state}/{DIRECTORY}/{NAME}"


def _load(state: str) -> SetUp | None:
    try:
        return _from_json(json.loads(reading.read(_path(state))))
    except (FileNotFoundError, NotADirectoryError):
        return None


def _from_json(kept: Any) -> SetUp:
    if kept["version"] != VERSION:
        raise ValueError(kept["version"])
    certificates, listen = kept["certificates"], kept["listen"]
    texts = [certificates, *listen] if isinstance(listen, list) else [None]
    if not all(isinstance(text, str) and text for text in texts):
        raise TypeError(texts)
    return SetUp(certificates, tuple(listen), Pickup(kept["pickup"]))


def _is_same(one: str, other: str) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)
