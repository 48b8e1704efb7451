"""Ask the engine on this host about itself and its containers, over its Unix socket."""

from __future__ import annotations

import io
import json
import socket
import time
from functools import partial
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from dockertls_vault import stop
from dockertls_vault.errors import DockerUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import timedelta
    from pathlib import Path

# Bytes; ten thousand containers, with 1 to 2 KiB each.
_LONGEST = 20 * 1024 * 1024
_BLOCK = 1 << 16


class Engine:
    """The engine that listens at ``path``; ``timeout`` limits each answer.

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
        path = f"/containers/{quote(identifier, safe='')}/json"
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


class _Received:
    """What was received, as ``HTTPResponse`` wants it."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(self._data)


def _get(address: str, path: str, timeout: float) -> tuple[int, bytes]:
    """Request ``path``; return the status and the body, cut off where it is too long."""
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    deadline = time.monotonic() + timeout
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(timeout)
        connection.connect(address)
        with stop.cutting(partial(stop.shut, connection)):
            connection.sendall(request.encode())
            received = b"".join(_receive(connection, deadline))
    response = HTTPResponse(_Received(received))  # type: ignore[arg-type] # of a socket, it needs this
    response.begin()
    return response.status, response.read(_LONGEST)


def _receive(connection: socket.socket, deadline: float) -> Iterator[bytes]:
    """Yield what arrives until the end of the connection, the deadline or the limit."""
    left = _LONGEST
    while left > 0:
        seconds = deadline - time.monotonic()
        if seconds <= 0:
            raise TimeoutError("timed out")
        connection.settimeout(seconds)
        if not (block := connection.recv(_BLOCK)):
            return
        left -= len(block)
        yield block
