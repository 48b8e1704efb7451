"""The last restart of dockerd that was attempted, so that a hook does not repeat it.

Times would not tell: the clock of a host may be set at any moment. So the files and the run of
dockerd are noted just before each restart: while the files are the same ones, a later run has read
them.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from dockertls_vault.host import systemd

from . import units

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

NAME = "restart.json"
_VERSION = 1


@dataclass(frozen=True)
class Attempt:
    """A restart: a digest of the files that dockerd is to read, and systemd's ID of the run before.

    The ID is None if dockerd was not running.
    """

    files: str
    invocation: str | None

    def has_led_to(self, now: Attempt) -> bool:
        """Tell whether dockerd was started since, with files that are the same ``now``."""
        return self.files == now.files and self.invocation != now.invocation

    def to_bytes(self) -> bytes:
        """Return the content of the file that records it."""
        return (json.dumps({"version": _VERSION, **asdict(self)}, indent=2) + "\n").encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Attempt | None:
        """Return what ``to_bytes`` wrote; None for anything else, so that dockerd is restarted."""
        with suppress(ValueError, TypeError, KeyError, RecursionError):
            kept = json.loads(data)
            if kept["version"] == _VERSION:
                return cls(str(kept["files"]), kept["invocation"])
        return None


def of_now(paths: Iterable[Path], limit: float) -> Attempt:
    """Return a restart now, with the files ``paths`` and those of docker.service.

    ``limit`` is in seconds, for each answer of systemd.
    """
    fragment, drop_ins = systemd.properties(
        units.SERVICE, "Unit", "FragmentPath", "DropInPaths", limit=limit
    )
    (sources,) = systemd.properties(units.SERVICE, "Service", "EnvironmentFiles", limit=limit)
    every = (*map(str, paths), fragment, *drop_ins, *(path for path, _ in sources))
    files = sha256("\n".join(map(_identity, every)).encode()).hexdigest()
    # Last: a run that has begun meanwhile may have read older files.
    return Attempt(files, systemd.invocation(units.SERVICE, limit))


def _identity(path: str) -> str:
    """Return what changes whenever a file, or the link to it, is written or replaced."""
    statuses = []
    for look in (os.lstat, os.stat):
        with suppress(OSError):
            status = look(path)
            statuses.append((status.st_ino, status.st_ctime_ns))
    return f"{path} {statuses}"
