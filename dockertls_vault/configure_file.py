"""Set up a dockerd that systemd does not run: its configuration file, and nothing else.

dockerd opens the port itself (``hosts``), and applies the settings when it next starts.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from .configure import Change
from .daemon import found, plan, served, units
from .daemon.inspection import Host, Now
from .daemon.pickup import Pickup
from .daemon.record import Records
from .docker.engine import Engine
from .docker.hosts import DEFAULT_SOCKET
from .errors import ConflictingState

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from .daemon.desired import Wanted
    from .daemon.plan import Plan
    from .daemon.record import Record

# Of a dockerd that nothing on this host is known to start: its engine is not asked.
_SERVICE = found.Service((), "inactive")
_NEVER = timedelta(0)


def set_up(state: Path, wanted: Wanted, now: datetime) -> Change:
    """Plan to add the settings for a credential; ``state`` is the directory of the record.

    Raises ConflictingState without a usable credential, or for a set-up of docker.service, and
    ConfigurationError if daemon.json cannot be read.
    """
    credential = served.load(wanted.certificates, now)
    served.refuse_others(credential)
    host = _host(state)

    def make() -> Plan:
        return plan.configure_file(host, _look(host), credential, wanted)

    return Change(make(), make)


def take_back(state: Path) -> Change:
    """Plan to remove the settings that were added; raises ConflictingState as ``set_up`` does."""
    host = _host(state)

    def make() -> Plan:
        return plan.remove(host, _look(host))

    return Change(make(), make)


def _refuse_other(record: Record | None) -> None:
    """Raise ConflictingState for a set-up of docker.service, which only systemd can change.

    So it is in a chroot, or a rescue system.
    """
    if record is not None and record.pickup is Pickup.RESTART:
        raise ConflictingState(
            f"dockerd is set up as {units.SERVICE}, and systemd does not run here",
            hint="boot this host, then try again",
        )


def _host(state: Path) -> Host:
    return Host(Engine(DEFAULT_SOCKET, _NEVER), _SERVICE.daemon_json, Records(state))


def _look(host: Host) -> Now:
    record = host.records.read()
    _refuse_other(record)
    return Now(_SERVICE, found.files(host.daemon_json, host.units), record, edited={})
