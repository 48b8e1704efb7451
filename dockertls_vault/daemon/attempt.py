"""The last restart of dockerd that was attempted, so that a hook does not repeat it.

Times would not tell: the clock of a host may be set at any moment. So the files and the run of
dockerd are noted just before each restart: while the files are the same ones, a later run has read
them.

In the same way, a run is noted after which no dockerd has accepted a CA that the present ca.pem
lacks: what they have logged of clients counts together (clients.py).
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from hashlib import sha256
from typing import TYPE_CHECKING

from dockertls_vault.credential.generations import CURRENT
from dockertls_vault.credential.naming import NARROWED, PRIVATE
from dockertls_vault.host import systemd

from . import units

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

NAME = "restart.json"
_VERSION = 1
_MISSING = (FileNotFoundError, NotADirectoryError)


@dataclass(frozen=True)
class Attempt:
    """A restart: a digest of the files that dockerd is to read, and systemd's ID of the run before.

    The ID is None if dockerd was not running. ``trust`` is a digest of what decides which CAs
    dockerd accepts, other than that ca.pem gets more of them, None if that is not known; ``after``
    is the run before the first one that was started with it.
    """

    files: str
    invocation: str | None
    trust: str | None = None
    after: str | None = None

    def has_led_to(self, now: Attempt) -> bool:
        """Tell whether dockerd was started since, with files that are the same ``now``."""
        return self.files == now.files and self.invocation != now.invocation

    def following(self, before: Attempt | None) -> Attempt:
        """Return this attempt; if trust is as ``before``, it goes on with what was noted then."""
        if before is not None and before.trusts_like(self.trust):
            return replace(self, after=before.after)
        return replace(self, after=self.invocation)

    def trusts_like(self, now: str | None) -> bool:
        """Tell whether no dockerd that was started since has accepted more CAs than ``now``."""
        return self.trust is not None and self.trust == now

    def to_bytes(self) -> bytes:
        """Return the content of the file that records it."""
        return (json.dumps({"version": _VERSION, **asdict(self)}, indent=2) + "\n").encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Attempt | None:
        """Return what ``to_bytes`` wrote; None for anything else, so that dockerd is restarted."""
        with suppress(ValueError, TypeError, KeyError, RecursionError):
            kept = json.loads(data)
            made = cls(*(kept[each.name] for each in fields(cls)))
            others = (made.invocation, made.trust, made.after)
            is_whole = isinstance(made.files, str) and all(
                isinstance(each, str | None) for each in others
            )
            if kept["version"] == _VERSION and is_whole:
                return made
        return None


def of_now(public: tuple[Path, Path, Path], daemon_json: Path, limit: float) -> Attempt:
    """Return a restart now, with the files of a credential, and those that configure dockerd.

    ``public`` are the paths of ca.pem, the certificate and the key; ``limit`` is in seconds, for
    each answer of systemd.
    """
    ca, settings = public[0], _settings(daemon_json, limit)
    current = ca.parent / PRIVATE / CURRENT
    files = _digest(_identities([*map(str, public), str(current), *settings]))
    trusted = None
    with suppress(OSError):
        trusted = _trust(ca, settings)
    # Last: a run that has begun meanwhile may have read older files.
    return Attempt(files, systemd.invocation(units.SERVICE, limit), trusted)


def trust(ca: Path, daemon_json: Path, limit: float) -> str | None:
    """Return what a restart now would have as its ``trust``; ``limit`` is as for ``of_now``.

    Raises OSError if this user may not look at each of the files.
    """
    return _trust(ca, _settings(daemon_json, limit))


def _settings(daemon_json: Path, limit: float) -> tuple[str, ...]:
    """Return the paths of what configures dockerd."""
    fragment, drop_ins = systemd.properties(
        units.SERVICE, "Unit", "FragmentPath", "DropInPaths", limit=limit
    )
    (sources,) = systemd.properties(units.SERVICE, "Service", "EnvironmentFiles", limit=limit)
    return (str(daemon_json), fragment, *drop_ins, *(path for path, _ in sources))


def _trust(ca: Path, settings: Iterable[str]) -> str | None:
    """Return what stays the same while ca.pem loses no CA, and dockerd reads that one."""
    narrowed = ca.parent / PRIVATE / NARROWED
    with suppress(*_MISSING):
        narrowed.stat()
        # A renewal changes where the link leads to, and not the link.
        links = _identities([str(ca)], [os.lstat], _MISSING)
        return _digest([*links, *_identities([str(narrowed), *settings], ignored=_MISSING)])
    return None


def _digest(identities: Iterable[str]) -> str:
    return sha256("\n".join(identities).encode()).hexdigest()


def _identities(
    paths: Iterable[str],
    looks: Iterable[Callable[[str], os.stat_result]] = (os.lstat, os.stat),
    ignored: tuple[type[OSError], ...] = (OSError,),
) -> Iterator[str]:
    """Yield for each path what changes whenever the file, or the link to it, is replaced."""
    for path in paths:
        statuses = []
        for look in looks:
            with suppress(*ignored):
                status = look(path)
                statuses.append((status.st_ino, status.st_ctime_ns))
        yield f"{path} {statuses}"
