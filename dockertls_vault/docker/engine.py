"""Ask the engine on this host about itself and its containers, over its Unix socket."""

from __future__ import annotations

import json
import socket
from functools import partial
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, Any

from dockertls_vault import stop
from dockertls_vault.errors import DockerUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta
    from pathlib import Path

# Bytes; ten thousand containers, with 1 to 2 KiB each.
_LONGEST = 20 * 1024 * 1024


class Engine:
    """The engine that listens at ``path``; ``timeout`` limits each wait for it.

    Every method raises DockerUnavailable if it does not answer as Docker does.
    """

    def __init__(self, path: Path, timeout: timedelta) -> None:
        self._path = path
        self._timeout = timeout.total_seconds()

    def info(self) -> Mapping[str, Any]:
        """Return what ``docker info`` shows: LiveRestoreEnabled, Swarm, Warnings and so on."""
        return self._object("/info")

    def version(self) -> Mapping[str, Any]:
        """Return what ``docker version`` shows of the server: Version, MinAPIVersion and so on."""
        return self._object("/version")

    def containers(self) -> tuple[Mapping[str, Any], ...]:
        """Return the running containers as ``docker ps`` lists them: Id, Names, Image and so on."""
        found = self._ask("/containers/json")
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            raise self._unlike_docker("/containers/json")
        return tuple(found)

    def container(self, identifier: str) -> Mapping[str, Any] | None:
        """Return what ``docker inspect`` shows: HostConfig, State and so on; None if it is gone."""
        path = f"/containers/{identifier}/json"
        found = self._ask(path)
        return None if found is None else self._is_object(found, path)

    def _object(self, path: str) -> Mapping[str, Any]:
        return self._is_object(self._ask(path), path)

    def _is_object(self, found: object, path: str) -> Mapping[str, Any]:
        if not isinstance(found, dict):
            raise self._unlike_docker(path)
        return found

    def _ask(self, path: str) -> Any:
        """Return the answer, None if there is no such object."""
        try:
            status, body = _get(str(self._path), path, self._timeout)
        except (OSError, HTTPException) as error:
            raise self._unavailable(error) from None
        if status == HTTPStatus.NOT_FOUND:
            return None
        if status != HTTPStatus.OK:
            raise self._unlike_docker(path)
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            raise self._unlike_docker(path) from None

    def _unavailable(self, error: Exception) -> DockerUnavailable:
        reason = getattr(error, "strerror", None) or str(error)
        hint = "check that Docker runs on this host: systemctl status docker"
        if isinstance(error, PermissionError):
            hint = "run this as root, or as a member of the socket's group"
        return DockerUnavailable(f"no answer from Docker at {self._path} ({reason})", hint=hint)

    def _unlike_docker(self, path: str) -> DockerUnavailable:
        return DockerUnavailable(
            f"{self._path} does not answer GET {path} as Docker does",
            hint="check that dockerd listens there, and read its log: journalctl -u docker",
        )


class _Connection(HTTPConnection):
    """An HTTP connection over a Unix socket."""

    def __init__(self, address: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._address = address

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._address)


def _get(address: str, path: str, timeout: float) -> tuple[int, bytes]:
    """Request ``path``; return the status and the body, cut off where it is too long."""
    connection = _Connection(address, timeout)
    try:
        connection.connect()
        with stop.cutting(partial(stop.shut, connection.sock)):
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read(_LONGEST)
    finally:
        connection.close()
