"""docker.service and the sockets that systemd hands to it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dockertls_vault.errors import DockerTLSError
from dockertls_vault.host import systemd

from . import docker_service, sources, units
from .running import NAME


@dataclass(frozen=True)
class Supervision:
    """How systemd runs dockerd: the process, None if it is stopped, and its command at a start.

    ``command`` is None if it cannot be determined. ``streams`` are what its sockets listen on:
    paths, and addresses with ports (``[::]:2376``). ``is_stale`` is whether systemd has yet to read
    its unit files, or ours, and ``is_open`` whether it listens at our socket, None if it has none.
    ``files`` are its unit files and environment files, and ``is_guarded`` is whether it checks for
    TLS before it opens that socket.
    """

    pid: int | None
    command: tuple[str, ...] | None
    streams: tuple[str, ...]
    is_stale: bool
    is_open: bool | None = None
    files: tuple[Path, ...] = ()
    is_guarded: bool = True


def read() -> Supervision | None:
    """Return how systemd runs dockerd, None if it does not; needs no privilege."""
    if not systemd.is_running():
        return None
    try:
        (loaded,) = systemd.properties(units.SERVICE, "Unit", "LoadState")
        if loaded != "loaded":
            return None
        streams = docker_service.streams()
        is_stale = docker_service.is_stale()
        is_open = docker_service.is_listening() if docker_service.has_our_socket() else None
        is_guarded = docker_service.is_guarded()
        pid = docker_service.main_pid()
        files = sources.paths()
    except DockerTLSError:
        return None
    return Supervision(pid or None, _command(), streams, is_stale, is_open, files, is_guarded)


def invocation() -> str | None:
    """Return systemd's ID of the present run of dockerd, None if systemd does not run it."""
    with suppress(DockerTLSError):
        return systemd.invocation(units.SERVICE) if systemd.is_running() else None
    return None


def _command() -> tuple[str, ...] | None:
    try:
        service = docker_service.read()
    except DockerTLSError:
        return None
    # Not of a program that starts dockerd in turn.
    return service.command if Path(service.program).name == NAME else None
