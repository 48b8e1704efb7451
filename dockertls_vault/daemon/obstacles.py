"""What keeps a set-up, or its removal, from being made, and what to warn of before it is.

All of it comes before anything is touched, but for ``refuse_unguarded``, which also comes once
systemd has read our drop-in: before dockerd is restarted.

For what clashes with the set-up see plan.py, for what dockerd itself rejects trial.py.
"""

from __future__ import annotations

import errno
import logging
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from dockertls_vault.errors import ConfigurationError, ConflictingState
from dockertls_vault.host import unit_origin

from . import docker_service, originals, passed_on, restored, units

if TYPE_CHECKING:
    from .desired import Listen
    from .inspection import Inspection
    from .plan import Plan

logger = logging.getLogger(__name__)


def refuse_stale(before: Inspection) -> None:
    """Raise ConfigurationError if others have edited unit files, which the set-up would apply.

    Those of the set-up itself are stale after a run that was killed.
    """
    if before.record is None and before.is_stale:
        raise ConfigurationError(
            f"unit files of {units.SERVICE} were edited, and systemd has not read them since",
            hint="run `sudo systemctl daemon-reload`, then try again",
        )


def refuse_script(before: Inspection) -> None:
    """Raise ConflictingState if a script has started dockerd with other settings than systemd's."""
    started = passed_on.read() if before.service.is_running and not before.is_stale else None
    if started is not None:
        passed_on.refuse_changed(started, before.service.arguments)


def refuse_other_file(before: Inspection) -> None:
    """Raise ConflictingState if dockerd no longer reads the file of the set-up (--config-file)."""
    record, service = before.record, before.service
    if record is not None and service.command and record.daemon_json != service.daemon_json:
        raise ConflictingState(
            f"dockerd is configured by {service.daemon_json} now, and was set up in "
            f"{record.daemon_json}",
            hint="run `sudo dockertls-vault daemon configure --remove`, then try again",
        )


def refuse_unguarded() -> None:
    """Raise ConflictingState if systemd does not run the command of our drop-in, which is there."""
    if not docker_service.is_guarded():
        raise ConflictingState(
            f"a drop-in for {units.SERVICE} resets ExecStartPre=, and with it the check that "
            "dockerd has TLS before its port is open",
            hint=f"find it with `systemctl cat {units.SERVICE}`; remove `ExecStartPre=` from it, "
            f"or have its name sort before {Path(units.DROP_IN).name}; then run "
            "`sudo systemctl daemon-reload`, and try again",
        )


def refuse_taken_addresses(made: Plan) -> None:
    """Raise ConflictingState unless this host can listen wherever the set-up is to."""
    listen = made.record.listen if made.record else ()
    before = made.current
    held = before.is_listening or before.is_held
    known = before.record.listen if before.record else before.by_hand
    ours = (*(known if held else ()), *made.freed)
    if before.record is not None and not before.record.proven:
        # A run that was killed may have edited what dockerd was started with.
        ours = (*ours, *docker_service.listens())
    obstacles = tuple(
        why
        for each in listen
        if (why := _obstacle(each, is_ours=any(map(each.overlaps, ours)))) is not None
    )
    if obstacles:
        raise ConflictingState(
            f"{units.SOCKET} cannot listen",
            problems=obstacles,
            hint="choose another address or port with --listen",
        )


def _obstacle(listen: Listen, *, is_ours: bool) -> str | None:
    """Return why this host cannot listen there, None if it can.

    If the port is our own, another one tells whether this host has the address.
    """
    if is_ours and listen.is_every:
        return None
    port = 0 if is_ours else listen.port
    family = socket.AF_INET6 if ":" in listen.address else socket.AF_INET
    try:
        with socket.create_server(
            (listen.address, port), family=family, dualstack_ipv6=listen.is_every
        ):
            return None
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return f"{listen} is in use; `ss -ltnp sport = :{listen.port}` says by what"
        return f"{listen}: {os.strerror(error.errno or 0).lower()}"


def refuse_unrecorded(removal: Plan) -> None:
    """Raise ConflictingState if the unit files are ours, and nothing says what else is."""
    host, drop_in = removal.host, removal.current.files.drop_in
    if removal.current.record is None and drop_in and unit_origin.is_ours(drop_in):
        raise ConflictingState(
            f"{host.records.directory} does not say what was set up",
            hint="run `sudo dockertls-vault daemon configure`, which records it, then try again; "
            f"or run `sudo systemctl stop {units.SOCKET}`, remove {host.drop_in}, {host.socket} "
            f"and the TLS settings in {host.daemon_json}, then run `sudo systemctl daemon-reload "
            f"&& sudo systemctl restart {units.SERVICE}`",
        )


def refuse_lost(removal: Plan) -> None:
    """Raise ConflictingState if a dockerd that is installed would not start afterwards."""
    if removal.current.service.command:
        restored.refuse_lost(removal.edits, removal.configuration)


def refuse_plaintext(removal: Plan) -> None:
    """Raise ConflictingState if a port that others added to the set-up would lose its TLS."""
    record, given = removal.current.record, removal.current.service.arguments
    if record is not None:
        restored.refuse_plaintext(record, given, removal.edits, removal.configuration)


def warn_of_plaintext(removal: Plan) -> None:
    """Warn of each port without TLS that was there before, which the removal opens again."""
    record, given = removal.current.record, removal.current.service.arguments
    if record is not None:
        for host in restored.plaintext(given, removal.edits, removal.configuration):
            logger.warning(
                "%s will be open without TLS again: anyone who can reach it is root on this host",
                host,
            )


def warn_of_upgrade(removal: Plan) -> None:
    """Warn of each file that was replaced since, so that nothing is put back there."""
    record = removal.current.record
    for path in originals.replaced(record, removal.current.edited) if record else ():
        logger.warning(
            "%s was replaced since, as by an upgrade, and stays so: it does not get the flags back "
            "that it had before",
            path,
        )
