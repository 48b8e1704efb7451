"""The state directory of a host, as far as `needs-renewal` reads it (registry.py writes it).

    STATE/credentials/…    the credentials that this host knows
    STATE/looked           its mtime is when `renew` had last asked Vault about all of them

What is read here decides at most whether `renew` runs, which checks who else could have written it.
"""

from __future__ import annotations

import os
from datetime import timedelta

from dockertls_vault.files import reading

CREDENTIALS = "credentials"
LOOKED = "looked"
# How often `renew` is to ask Vault what only Vault knows: the issuer, the roots, a revocation.
LOOK = timedelta(hours=1)


def known(state: str) -> tuple[str, ...]:
    """Return the directories of the credentials that are listed; raises OSError."""
    try:
        with reading.opened(f"{state}/{CREDENTIALS}") as entries:
            return targets(entries)
    except FileNotFoundError:
        return ()


def targets(entries: int) -> tuple[str, ...]:
    """Return the directories that the open list names, sorted."""
    found = (reading.link_target(name, entries) for name in reading.entries(entries))
    return tuple(sorted(target for target in found if target is not None))


def looked_at(state: str) -> float | None:
    """Return when Vault had last been asked about all of them, in seconds since the epoch."""
    try:
        return os.lstat(f"{state}/{LOOKED}").st_mtime
    except FileNotFoundError:
        return None
