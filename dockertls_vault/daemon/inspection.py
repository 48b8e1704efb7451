"""A host on which dockerd is set up, and what an inspection of it finds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dockertls_vault.docker import swarm
from dockertls_vault.errors import DockerUnavailable
from dockertls_vault.host import systemd

from . import containers, docker_service, set_up_files, units

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any

    from dockertls_vault.docker.engine import Engine

    from .desired import Listen
    from .docker_service import Service
    from .record import Record
    from .records import Records
    from .set_up_files import Files


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
class Inspection:
    """What is set up on this host, as an inspection finds it.

    ``edited`` are the contents of the other files that the set-up has edited, None if missing.
    ``live_restore`` is whether it is in effect, None if dockerd does not run; ``in_swarm`` whether
    the host is a node of a swarm, where dockerd rejects it. ``running`` are the names of the
    containers that run, ``fleeting`` those that it does not restore. ``is_listening`` is whether
    systemd listens at our socket, ``is_open`` whether something listens wherever that was set up to
    be, ``is_held`` whether dockerd listens at it, which goes on until it is restarted, and
    ``is_stale`` whether systemd has yet to read our files. ``can_reload`` is whether a SIGHUP has
    dockerd read its configuration.
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
    is_open: bool = True
    is_held: bool = False
    is_stale: bool = False
    can_reload: bool = True

    @property
    def by_hand(self) -> tuple[Listen, ...]:
        """Where our unit files listen if nothing records them, as after --print systemd."""
        files = self.files
        if self.record is not None or files.socket is None or files.drop_in != units.drop_in():
            return ()
        return units.listens(files.socket)


def look(host: Host, service: Service) -> Inspection:
    """Return what is set up on the host; raises DockerUnavailable if dockerd does not answer."""
    before = look_at_files(host, service)
    if not service.is_running:
        return before
    info = _info(host.engine)
    running = containers.running(host.engine)
    return replace(
        before,
        live_restore=info.get("LiveRestoreEnabled") is True,
        in_swarm=swarm.is_node(info),
        running=tuple(sorted(running)),
        fleeting=containers.removed(host.engine, info, running),
        can_reload=docker_service.can_reload(),
    )


def _info(engine: Engine) -> Mapping[str, Any]:
    """Return what dockerd says of itself, or raise DockerUnavailable: it may fail to start."""
    try:
        return engine.info()
    except DockerUnavailable as error:
        raise DockerUnavailable(error.message, hint=f"find out why with `{units.DOCTOR}`") from None


def look_at_files(host: Host, service: Service) -> Inspection:
    """Return what is set up on the host, without what only dockerd knows."""
    record = host.records.read()
    return Inspection(
        service=service,
        files=set_up_files.read(host.daemon_json, host.units),
        record=record,
        edited=set_up_files.contents(each.path for each in (record.edited if record else ())),
        is_listening=docker_service.is_listening(),
        is_open=record is None or docker_service.is_open(record.listen),
        is_held=docker_service.is_held(),
        is_stale=docker_service.is_stale(),
    )
