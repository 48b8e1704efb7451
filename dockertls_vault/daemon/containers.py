"""The containers that run on this host, and those that a restart of dockerd removes."""

from __future__ import annotations

import logging
import re
from contextlib import suppress
from typing import TYPE_CHECKING

from dockertls_vault.docker.engine import Engine
from dockertls_vault.errors import DockerTLSError

from . import docker_service

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import timedelta
    from typing import Any

logger = logging.getLogger(__name__)

# Older versions stop and remove what was started with --rm, also with live-restore: moby#46308.
_KEEPS_ALL = (24, 0, 8)
_NUMBER = re.compile("[0-9]+")


def running(engine: Engine) -> Mapping[str, str]:
    """Return the IDs of the containers that run, by their names."""
    return {_name(each): str(each.get("Id")) for each in engine.containers()}


def removed(engine: Engine, info: Mapping[str, Any], running: Mapping[str, str]) -> tuple[str, ...]:
    """Return those of ``running`` that dockerd removes, also with live-restore; ``info`` is its."""
    version = tuple(map(int, _NUMBER.findall(str(info.get("ServerVersion")))[:3]))
    return () if version >= _KEEPS_ALL else tuple(sorted(_with_rm(engine, running)))


def warn_of_removed(timeout: timedelta) -> None:
    """Name what a restart removes, unless dockerd does not answer, each time within ``timeout``."""
    with suppress(DockerTLSError):
        engine = Engine(docker_service.engine_socket(docker_service.read()), timeout)
        if names := removed(engine, engine.info(), running(engine)):
            logger.warning(
                "the restart removes %s: this Docker does not keep what was started with --rm",
                ", ".join(names),
            )


def _with_rm(engine: Engine, running: Mapping[str, str]) -> Iterator[str]:
    for name, container in running.items():
        details = engine.container(container) or {}
        settings = details.get("HostConfig")
        if isinstance(settings, dict) and settings.get("AutoRemove") is True:
            yield name


def _name(container: Mapping[str, Any]) -> str:
    names = container.get("Names")
    name = names[0] if isinstance(names, list) and names else container.get("Id", "")
    return str(name).removeprefix("/")
