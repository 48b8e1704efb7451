"""Set up a dockerd that systemd does not run: its configuration file, and nothing else.

dockerd opens the port itself (``hosts``), and applies the settings when it next starts. What starts
it is not known; its flags are those of the dockerd that runs, if one does.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from .configure import Change
from .daemon import distrusted, obstacles, plan, running, served, set_up_files, units
from .daemon.docker_service import Service
from .daemon.inspection import Host, Inspection
from .daemon.pickup import Pickup
from .daemon.records import Records
from .docker.engine import Engine
from .docker.hosts import DEFAULT_SOCKET
from .errors import ConflictingState
from .host.steps import refuse_read_only

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from .daemon.desired import Wanted
    from .daemon.plan import Plan
    from .daemon.record import Record

logger = logging.getLogger(__name__)

# Its engine is not asked.
_NEVER = timedelta(0)


def set_up(state: Path, wanted: Wanted, now: datetime) -> Change:
    """Plan to add the settings for a credential; ``state`` is the directory of the record.

    Raises ConflictingState without a usable credential, for a set-up of docker.service, and for a
    dockerd with flags for the same settings; ConfigurationError if daemon.json cannot be read; and
    CannotWrite if it is mounted read-only.
    """
    credential = served.load(wanted.certificates, now)
    served.refuse_others(credential)
    service = _service()
    host = _host(state, service)
    served.refuse_writers([host.daemon_json])

    def make() -> Plan:
        before = _look(host, service)
        obstacles.refuse_other_file(before)
        # They would be recorded as what was there before the set-up, where they had no TLS.
        obstacles.refuse_plaintext(plan.remove(host, before))
        made = plan.configure_file(host, before, credential, wanted)
        return replace(made, distrusted=distrusted.find(service.arguments, credential, now))

    made = make()
    refuse_read_only(made.steps)
    if made.steps and not service.command:
        logger.warning(
            "no dockerd runs here whose flags could be examined: it does not start with a flag for "
            "a setting that daemon.json has, such as -H for hosts"
        )
    return Change(made, make)


def take_back(state: Path) -> Change:
    """Plan to remove the settings that were added.

    Raises ConflictingState, ConfigurationError and CannotWrite as ``set_up`` does.
    """
    service = Service((), "inactive")
    host = _host(state, service)

    def make() -> Plan:
        return plan.remove(host, _look(host, service))

    made = make()
    refuse_read_only(made.steps)
    obstacles.refuse_plaintext(made)
    obstacles.warn_of_plaintext(made)
    return Change(made, make)


def _refuse_other(record: Record | None) -> None:
    """Raise ConflictingState for a set-up of docker.service, which only systemd can change.

    So it is in a chroot, or a rescue system.
    """
    if record is not None and record.pickup is Pickup.RESTART:
        raise ConflictingState(
            f"dockerd is set up as {units.SERVICE}, and systemd does not run here",
            hint="boot this host, then try again",
        )


def _service() -> Service:
    """Return the command of the dockerd that runs, if it sees the same files as this process."""
    process = running.find(None, None).process
    is_here = process is not None and not process.in_other_namespaces
    return Service(process.arguments if process and is_here else (), "inactive")


def _host(state: Path, service: Service) -> Host:
    records = Records(state)
    record = records.read()
    path = record.daemon_json if record else service.daemon_json
    return Host(Engine(DEFAULT_SOCKET, _NEVER), path, records)


def _look(host: Host, service: Service) -> Inspection:
    record = host.records.read()
    _refuse_other(record)
    return Inspection(service, set_up_files.read(host.daemon_json, host.units), record, edited={})
