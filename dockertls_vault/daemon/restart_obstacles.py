"""What stands in the way of a restart of dockerd: it would not start, lose TLS, or stop containers.

Each is found before anything is touched, so that the dockerd that runs goes on as it was set up.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from dockertls_vault.docker import daemon_json
from dockertls_vault.docker.engine import Engine
from dockertls_vault.errors import ConflictingState

from . import docker_service, set_up_files, units
from .desired import LIVE_RESTORE, settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta

    from .record import Record
    from .served import Served


def refuse_unprotected(record: Record, credential: Served) -> None:
    """Raise ConflictingState if a restart would lose TLS, or what closes the port without it.

    Raises ConfigurationError if dockerd could not read its configuration, and would not come back.
    """
    problems = tuple(_lost(record, credential))
    if problems:
        raise ConflictingState(
            "dockerd was not restarted, and goes on as it is: its set-up is not complete",
            problems=problems,
            hint="complete it with `sudo dockertls-vault daemon configure`",
        )


def _lost(record: Record, credential: Served) -> Iterator[str]:
    """Yield what the next dockerd would lack of its set-up."""
    configured = docker_service.read().daemon_json
    if configured != record.daemon_json:
        yield f"dockerd reads {configured}, and was set up in {record.daemon_json}"
    content = set_up_files.content(record.daemon_json)
    values = daemon_json.parse(content, str(record.daemon_json)).values
    for key, value in settings(credential.paths, live_restore=False).items():
        if values.get(key) != value:
            now = json.dumps(values[key]) if key in values else "missing"
            yield f"{key} in {record.daemon_json} is {now}, and was {json.dumps(value)}"
    if not docker_service.is_guarded():
        yield f"{units.SERVICE} is started without the check for TLS that {units.DROP_IN} has"


def refuse_to_stop_containers(timeout: timedelta) -> None:
    """Raise ConflictingState if a set-up was killed before live-restore was in effect.

    ``timeout`` is that of a response.
    """
    engine = Engine(docker_service.engine_socket(docker_service.read()), timeout)
    if engine.info().get("LiveRestoreEnabled") is not True:
        raise ConflictingState(
            f"the set-up is not complete: {LIVE_RESTORE} is not in effect, so a restart would stop "
            "the containers",
            hint="complete it with `dockertls-vault daemon configure`, or take it back with "
            "--remove",
        )
