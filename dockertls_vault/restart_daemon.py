"""Restart dockerd on this host so that it picks up new files, and prove that it did.

The default hook of a server runs this after each swap (daemon/pickup.py). systemd holds the socket
meanwhile, so no connection is refused.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from .daemon import found, served
from .daemon.desired import LIVE_RESTORE
from .daemon.record import Records
from .daemon.units import SERVICE
from .docker import daemon_json
from .docker.engine import Engine
from .errors import (
    CheckFailed,
    ConfigurationError,
    ConflictingState,
    DockerUnavailable,
    MissingDependency,
)
from .host import systemd
from .proof import find_client, problems, prove

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from .daemon.record import Record
    from .proof import Proof

logger = logging.getLogger(__name__)

# For each response: a daemon whose service is not Type=notify may still be starting, while systemd
# already accepts connections for it.
_TIMEOUT = timedelta(seconds=30)
# LoadState= of a unit that is there; somebody may have masked it on purpose.
_STARTABLE = {"loaded", "masked"}
_JOURNAL = f"see `journalctl --unit={SERVICE}`"


@dataclass(frozen=True)
class Restarted:
    """Whether dockerd was running, and so was restarted, and what the check then found.

    ``proofs`` has each address; it is empty if dockerd was not restarted.
    """

    restarted: bool
    proofs: tuple[Proof, ...] = ()


def restart(state: Path, clients: Path, clock: Callable[[], datetime]) -> Restarted:
    """Restart docker.service if it is running, and check it; one that was stopped stays so.

    ``state`` is the directory of the set-up, ``clients`` one that may have a client credential to
    connect with. Raises ConfigurationError if this host was not set up; before anything is
    touched, VerificationError, ConflictingState or ConfigurationError for files with which dockerd
    would not start, and ConflictingState for a set-up that is not complete; DockerUnavailable if it
    does not start; CheckFailed if it fails its check; and Locked while the set-up is changed.
    """
    records = Records(state)
    _read(records)  # first, since the lock creates its directory
    with records.locked():
        return _restart(_read(records), clients, clock)


def _read(records: Records) -> Record:
    record = records.read()
    if record is None:
        raise ConfigurationError(
            "dockertls-vault has not set up dockerd on this host",
            hint="run `dockertls-vault daemon configure`, or `systemctl restart docker.service`",
        )
    return record


def _restart(record: Record, clients: Path, clock: Callable[[], datetime]) -> Restarted:
    credential = served.load(record.certificates, clock())
    if not _is_running():
        return Restarted(restarted=False)
    _refuse_unreadable(record.daemon_json)
    if not record.proven and record.added.get(LIVE_RESTORE) is True:
        _refuse_to_stop_containers()
    logger.info("restarting %s", SERVICE)
    try:
        systemd.try_restart(SERVICE)
    except ConflictingState as error:
        raise DockerUnavailable(f"dockerd is not back: {error.message}", hint=_JOURNAL) from None
    if not _is_running():  # stopped meanwhile: a connection to its socket would start it again
        return Restarted(restarted=False)
    client = find_client(clients, credential, clock())
    proofs = prove(record.listen, credential, client, timeout=_TIMEOUT, now=clock())
    if failures := problems(proofs):
        raise CheckFailed(
            "dockerd was restarted, and fails its check",
            problems=failures,
            hint="find the cause with `dockertls-vault daemon doctor`",
        )
    return Restarted(restarted=True, proofs=proofs)


def _refuse_unreadable(file: Path) -> None:
    """Raise ConfigurationError if dockerd cannot read its configuration, and would not come back.

    The old certificate stays in use.
    """
    content = found.contents([file])[file]
    daemon_json.parse(content or b"", str(file))


def _refuse_to_stop_containers() -> None:
    """Raise ConflictingState if a set-up was killed before live-restore was in effect."""
    engine = Engine(found.service().socket, _TIMEOUT)
    if engine.info().get("LiveRestoreEnabled") is not True:
        raise ConflictingState(
            f"the set-up is not complete: {LIVE_RESTORE} is not in effect, so a restart would stop "
            "the containers",
            hint="complete it with `dockertls-vault daemon configure`, or take it back with "
            "--remove",
        )


def _is_running() -> bool:
    """Tell whether dockerd runs, or is starting; raises DockerUnavailable if it has failed."""
    loaded, active = systemd.properties(SERVICE, "Unit", "LoadState", "ActiveState")
    if active == "failed":
        raise DockerUnavailable(f"{SERVICE} has failed", hint=f"{_JOURNAL}, and start it again")
    if active in systemd.RUNNING:
        return True
    if loaded not in _STARTABLE:  # our drop-in alone is a bad setting
        raise MissingDependency(
            f"{SERVICE} cannot be started: {loaded}",
            hint="if Docker was removed, run `dockertls-vault daemon configure --remove`",
        )
    return False
