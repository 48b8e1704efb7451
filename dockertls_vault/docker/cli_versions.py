"""The docker command lines on this host, and the newest API version that each speaks."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dockertls_vault.host import program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta

# Without contact to a daemon, which would make a client report the version agreed with it.
_NOWHERE = {"DOCKER_HOST": "unix:///nonexistent", "DOCKER_CONFIG": "/nonexistent"}
_FORMAT = "{{.Client.Version}} {{.Client.DefaultAPIVersion}}"
_LONGEST = 200  # characters that are shown of what it prints


@dataclass(frozen=True)
class Client:
    """A docker CLI; ``api`` is None if it did not report any."""

    program: Path
    version: str
    api: str | None


def find(path: str, timeout: timedelta) -> tuple[Client, ...]:
    """Return each docker CLI in ``path`` (PATH); each has the time ``timeout`` to answer."""
    return tuple(_ask(each, timeout) for each in _programs(path))


def _programs(path: str) -> Iterator[Path]:
    seen = set()
    for folder in path.split(os.pathsep):
        found = shutil.which("docker", path=folder) if folder else None
        if found and (real := os.path.realpath(found)) not in seen:
            seen.add(real)
            yield Path(found)


def _ask(path: Path, timeout: timedelta) -> Client:
    try:
        command = (str(path), "version", "--format", _FORMAT)
        run = program.run(command, timeout.total_seconds(), _NOWHERE)
    except (OSError, subprocess.TimeoutExpired):
        return Client(path, "", None)
    version, _, api = run.stdout.strip()[:_LONGEST].partition(" ")
    return Client(path, version, api if api.replace(".", "", 1).isdecimal() else None)
