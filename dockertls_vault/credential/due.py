"""``due.json``: when the generation in use is to be renewed, so that nobody need read it to know.

Reading a certificate takes longer than all else that a tick of a timer does. The file names the
generation that it speaks of: where another one is in use, after a rollback or a kill between this
file and the swap, it says nothing, and the schedule is worked out from the certificate.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from dockertls_vault.certificate import schedule
from dockertls_vault.files import reading

if TYPE_CHECKING:
    from pathlib import Path

    from dockertls_vault.certificate.schedule import Schedule

NAME = "due.json"
MODE = 0o444
_VERSION = 1


class Due(NamedTuple):
    """When a generation is due, and what the mount was like then.

    ``default_issuer`` is the SHA-256 fingerprint of the mount's default issuer when the certificate
    was renewed, None if nobody looked: a role may sign with another one. ``leased`` is whether
    Vault revokes the certificate by itself, with the token that requested it.
    """

    schedule: Schedule
    default_issuer: str | None = None
    leased: bool = False


def jitter_seed(directory: Path) -> str:
    """Return what spreads the renewals of a fleet: this host and the credential's directory."""
    import socket  # imported here: to read the file, nobody needs it

    return f"{socket.gethostname()}:{directory}"


def to_bytes(found: Due, generation: str) -> bytes:
    """Return the content of the file for a generation."""
    kept = {
        "version": _VERSION,
        "generation": generation,
        "default_issuer": found.default_issuer,
        "leased": found.leased,
        **schedule.to_json(found.schedule),
    }
    return (json.dumps(kept, indent=2) + "\n").encode()


def read(generation: str, private: int) -> Due | None:
    """Return when a generation is due, None if the file does not speak of that one.

    Raises OSError if it may not be read.
    """
    try:
        kept = json.loads(reading.read(NAME, private, follow=False))
        if (kept["version"], kept["generation"]) != (_VERSION, generation):
            return None
        default_issuer, leased = kept["default_issuer"], kept["leased"]
        if not isinstance(default_issuer, str | None) or not isinstance(leased, bool):
            return None
        return Due(schedule.from_json(kept), default_issuer, leased)
    except (FileNotFoundError, ValueError, TypeError, KeyError, RecursionError):
        return None
