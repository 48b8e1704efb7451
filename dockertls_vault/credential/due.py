"""``due.json``: when the generation in use is due for renewal.

A tick of a timer reads this instead of the certificate, which would take longer than all the rest.
The file names its generation. If another one is in use, after a rollback or a kill between this
file and the swap, it is ignored, and the schedule is computed from the certificate.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from dockertls_vault.certificate import schedule
from dockertls_vault.duration import format_time, read_time
from dockertls_vault.files import reading

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from dockertls_vault.certificate.schedule import Schedule

NAME = "due.json"
MODE = 0o444
_VERSION = 1


class Due(NamedTuple):
    """When a generation is due, and what the mount was like then.

    ``default_issuer`` is the SHA-256 fingerprint of the mount's default issuer when the certificate
    was renewed, None if unknown: a role may sign with another one. ``leased`` is whether Vault
    revokes the certificate together with the token that requested it. ``trusted_until`` is when the
    first CA that is trusted only until then must leave ca.pem, None if there is none.
    """

    schedule: Schedule
    default_issuer: str | None = None
    leased: bool = False
    trusted_until: datetime | None = None

    @property
    def next(self) -> datetime:
        """When there is something to do: a new certificate, or only a new ca.pem."""
        return min(self.schedule.due, self.trusted_until or self.schedule.due)

    def why_trust_ends(self, now: datetime) -> str | None:
        """Return why ca.pem trusts a CA for too long, None if it does not."""
        if self.trusted_until is None or now < self.trusted_until:
            return None
        return f"ca.pem contains a CA that was trusted until {format_time(self.trusted_until)}"


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
        "trusted_until": found.trusted_until and found.trusted_until.isoformat(),
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
        # A version without it wrote none.
        until = kept.get("trusted_until")
        trusted_until = None if until is None else read_time(until)
        return Due(schedule.from_json(kept), default_issuer, leased, trusted_until)
    except (FileNotFoundError, ValueError, TypeError, KeyError, RecursionError):
        return None
