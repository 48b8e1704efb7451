"""Set up a dockerd that systemd does not run: its configuration file, and nothing else.

dockerd opens the port itself (``hosts``), and takes the settings up at its next start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .configure import Outcome
from .daemon import desired, found, plan, served
from .daemon.plan import Host, Now
from .daemon.record import Records
from .docker.engine import Engine

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta
    from pathlib import Path

    from .daemon.desired import Listen
    from .daemon.plan import Plan


def set_up(
    state: Path, directory: Path, listen: Sequence[Listen], *, now: datetime, timeout: timedelta
) -> Plan:
    """Plan to add the settings for the credential in ``directory``; ``state`` is for the record.

    ``listen`` is empty for the addresses that were set up before, or the default. Raises what
    ``load`` and ``parse`` do.
    """
    credential = served.load(directory, now)
    host, before = _inspect(state, timeout)
    addresses = tuple(listen) or (before.record.listen if before.record else (desired.DEFAULT,))
    return plan.configure_file(host, before, credential, addresses, directory)


def take_back(state: Path, *, timeout: timedelta) -> Plan:
    """Plan to take back what was added."""
    return plan.remove(*_inspect(state, timeout))


def apply(made: Plan, *, dry_run: bool) -> Outcome:
    """Apply a plan, unless this is a dry run; raises Locked if another process changes the host."""
    if made.steps and not dry_run:
        with made.host.records.locked():
            for step in made.steps:
                step.apply()
    record = made.record
    return Outcome(
        directory=None if record is None else record.certificates,
        listen=() if record is None else tuple(map(str, record.listen)),
        steps=tuple(step.summary for step in made.steps),
        diffs=made.diffs,
        stopped=(),
        applied=bool(made.steps) and not dry_run,
    )


def _inspect(state: Path, timeout: timedelta) -> tuple[Host, Now]:
    service = found.Service((), "inactive")
    records = Records(state)
    record = records.read()
    host = Host(Engine(service.socket, timeout), service.daemon_json, records)
    return host, Now(service, found.files(host.daemon_json, host.units), record, {})
