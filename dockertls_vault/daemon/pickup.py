"""How this host picks up new files of a credential: what its set-up says (record.py writes it).

dockerd reads its TLS files only at startup (moby#23936), so it is restarted; systemd holds its
socket meanwhile. `needs-renewal` asks at ticks of a timer while hooks are pending, so imports are
kept cheap: no dataclasses, pathlib or logging.
"""

from __future__ import annotations

import json
import os
from enum import StrEnum

from dockertls_vault.files import reading

DIRECTORY = "daemon"
NAME = "set-up.json"
VERSION = 1
# Of docker:dind: the credential is in a subdirectory of the one that was named.
_DIND = "server"


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
        kept = json.loads(reading.read(f"{state}/{DIRECTORY}/{NAME}"))
        if kept["version"] != VERSION:
            return Pickup.RESTART
        found, certificates = Pickup(kept["pickup"]), os.path.realpath(kept["certificates"])
        places = (certificates, f"{certificates}/{_DIND}")
        return found if os.path.realpath(directory) in places else Pickup.NONE
    except (FileNotFoundError, NotADirectoryError):
        return Pickup.NONE
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return Pickup.RESTART
