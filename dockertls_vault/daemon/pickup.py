"""How this host picks up new files of a credential: what its set-up says (records.py writes it).

dockerd reads its TLS files only at startup (moby#23936), so it is restarted; systemd holds its
socket meanwhile. `needs-renewal` asks at ticks of a timer while hooks are pending, so imports are
kept cheap: no dataclasses, pathlib or logging.
"""

from __future__ import annotations

import json
import os
from enum import StrEnum
from typing import Any

from dockertls_vault.files import reading

DIRECTORY = "daemon"
NAME = "set-up.json"
VERSION = 1
# Of docker:dind: the credential is in a subdirectory of the one that was named.
_DIND = "server"
# What may be raised for a set-up that is damaged, or of another version.
_DAMAGED = (OSError, ValueError, TypeError, KeyError, RecursionError)


class Pickup(StrEnum):
    """How a daemon picks up new files: it is restarted, or nothing on this host is known to do it.

    The value is the one in set-up.json.
    """

    NONE = "none"
    RESTART = "restart"


def of(state: str, directory: str) -> Pickup:
    """Return how the daemon of the credential in ``directory`` picks up new files.

    ``state`` is the directory of the set-up. One that cannot be read counts as one that restarts
    this daemon: the restart fails, and says why. Otherwise the daemon would go on with its old
    certificate, and nobody would notice.
    """
    try:
        kept = _load(state)
        pickup = Pickup(kept["pickup"])
        return pickup if _is_for(directory, kept["certificates"]) else Pickup.NONE
    except (FileNotFoundError, NotADirectoryError):
        return Pickup.NONE
    except _DAMAGED:
        return Pickup.RESTART


def listens(state: str, directory: str | None = None) -> tuple[str, ...]:
    """Return where dockerd was set up to listen (``[::]:2376``); empty if that is not known.

    With ``directory``, the set-up must be for the credential there.
    """
    try:
        kept = _load(state)
        if directory is None or _is_for(directory, kept["certificates"]):
            return tuple(map(str, kept["listen"]))
    except _DAMAGED:
        pass
    return ()


def files(state: str) -> tuple[str, str] | None:
    """Return the credential directory and the path of daemon.json, None if nothing was set up.

    Raises OSError if that cannot be read, and ValueError if it is damaged.
    """
    try:
        kept = _load(state)
        found = kept["certificates"], kept["daemon_json"]
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (TypeError, KeyError, RecursionError) as error:
        raise ValueError from error
    if not all(isinstance(each, str) for each in found):
        raise ValueError(found)
    return found


def _load(state: str) -> Any:
    kept = json.loads(reading.read(f"{state}/{DIRECTORY}/{NAME}"))
    if kept["version"] != VERSION:
        raise ValueError(kept["version"])
    return kept


def _is_for(directory: str, certificates: str) -> bool:
    where = os.path.realpath(certificates)
    return os.path.realpath(directory) in (where, f"{where}/{_DIND}")
