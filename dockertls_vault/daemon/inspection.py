"""A host on which dockerd is set up, and what an inspection of it finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dockertls_vault.host import systemd

from . import units

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from dockertls_vault.docker.engine import Engine

    from .found import Files, Service
    from .record import Record, Records


@dataclass(frozen=True)
class Host:
    """Where the files of a set-up are on this host, and its engine."""

    engine: Engine
    daemon_json: Path
    records: Records
    units: Path = systemd.UNITS

    @property
    def socket(self) -> Path:
        """The path of docker-tls.socket."""
        return self.units / units.SOCKET

    @property
    def drop_in(self) -> Path:
        """The path of the drop-in for docker.service."""
        return self.units / units.DROP_IN

    @property
    def paths(self) -> tuple[Path, Path, Path]:
        """The paths of ``Files``, in their order."""
        return self.daemon_json, self.socket, self.drop_in


@dataclass(frozen=True)
class Now:
    """What is set up on this host now.

    ``edited`` are the contents of the other files that the set-up has edited, None if missing.
    ``live_restore`` is whether it is in effect, None if dockerd does not run; ``in_swarm`` whether
    the host is an active node of one, where dockerd rejects it. ``running`` are the names of the
    containers that run, ``fleeting`` those that it does not restore. ``is_listening`` is whether
    systemd listens at our socket, ``is_held`` whether dockerd does, which goes on until it is
    restarted, and ``is_stale`` whether systemd has yet to read our files.
    """

    service: Service
    files: Files
    record: Record | None
    edited: Mapping[Path, bytes | None]
    live_restore: bool | None = None
    in_swarm: bool = False
    running: tuple[str, ...] = ()
    fleeting: tuple[str, ...] = ()
    is_listening: bool = False
    is_held: bool = False
    is_stale: bool = False
