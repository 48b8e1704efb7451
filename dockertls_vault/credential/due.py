"""``due.json``: when the generation in use is due for renewal.

A tick of a timer reads this instead of the certificate, which would take longer than all the rest.
The file names its generation. If another one is in use, after a rollback or a kill between this
file and the swap, it is ignored, and the schedule is computed from the certificate.
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
    was renewed, None if unknown: a role may sign with another one. ``leased`` is whether Vault
    revokes the certificate together with the token that requested it.
    """

    schedule: Schedule
    default_issuer: str | None = None
    leased: bool = False


def jitter_seed(directory: Path) -> str:
    """Return the seed that spreads a fleet's renewals: this host and the credential's directory."""
    import socket  # imported here: reading the file does not need it

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
    """Return when a generation is due, None if the file is about another one or corrupt.

    Raises OSError if it cannot be read.
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
