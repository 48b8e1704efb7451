"""Restart dockerd on this host so that it picks up new files, and prove that it did.

The default hook of a server runs this after each swap (daemon/pickup.py). systemd holds the socket
meanwhile, so no connection is refused.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from . import stop
from .daemon import attempt, close_port, containers, restart_obstacles, served
from .daemon.allowed_time import CHECK_BY_HAND, AllowedTime
from .daemon.desired import LIVE_RESTORE
from .daemon.records import Records
from .daemon.units import SERVICE, SOCKET
from .errors import (
    CheckFailed,
    ConfigurationError,
    ConflictingState,
    DockerTLSError,
    DockerUnavailable,
    MissingDependency,
)
from .host import systemd
from .proof import find_client, prove

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from datetime import datetime
    from pathlib import Path

    from .credential.reader import CredentialFiles
    from .daemon.record import Record
    from .daemon.served import Served
    from .proof import Proof

logger = logging.getLogger(__name__)

# For each response: a daemon whose service is not Type=notify may still be starting, while systemd
# already accepts connections for it.
_TIMEOUT = timedelta(seconds=30)
_BRIEF = timedelta(seconds=5)  # for each response that a restart could do without
_POLL = 0.2  # seconds
_LEAST = 1.0  # seconds in which systemd is asked to close a port, even if the time is over
# LoadState= of a unit that is there; somebody may have masked it on purpose.
_STARTABLE = {"loaded", "masked"}
# ActiveState= of a service that is about to have another one.
_STOPPING = frozenset({"deactivating"})
_PASSING = _STOPPING | {"activating"}
# Its states after a start that has failed; systemd may be about to try again (Restart=).
_NOT_STARTED = frozenset({"failed", "activating"})
_STATUS = f"see `systemctl status {SERVICE}`"
_JOURNAL = f"see `journalctl --unit={SERVICE}`"
_FAILS = (
    "find the cause with `dockertls-vault daemon doctor`; `renew` does not restart dockerd again "
    "until its files change, but `dockertls-vault daemon restart` does"
)
_CLOSED = (
    f"find in `systemctl cat {SERVICE}` what starts dockerd without the TLS settings of its "
    "set-up; then open the port again with `sudo dockertls-vault daemon configure`"
)
_STOP = f"stop Docker now: `sudo systemctl stop {SERVICE} docker.socket {SOCKET}`"


@dataclass(frozen=True)
class Restarted:
    """Whether dockerd was restarted, and what the check then found.

    ``proofs`` has each address; it is empty if dockerd does not run.
    """

    restarted: bool
    proofs: tuple[Proof, ...] = ()


def restart(
    state: Path,
    clients: Path,
    clock: Callable[[], datetime],
    limit: timedelta,
    *,
    if_needed: bool = False,
) -> Restarted:
    """Restart docker.service if it is running, and check it; one that was stopped stays so.

    ``state`` is the directory of the set-up, ``clients`` one that may have a client credential to
    connect with. With ``if_needed``, as a hook, a dockerd that this has restarted since its files
    changed is only checked, and ``limit`` is how long a hook may run; without it, what dockerd has
    logged of clients counts anew from here on (clients.py). A set-up that had not been proven, as
    while dockerd was stopped, is recorded as proven after the check.

    The port of a dockerd that lets anyone in is closed, also if it is not to be restarted.

    Raises ConfigurationError if this host was not set up; before anything is touched,
    VerificationError, ConflictingState or ConfigurationError for files with which dockerd would not
    start, and ConflictingState for a set-up that is not complete, or no longer; DockerUnavailable
    if it does not start, or not in time; CheckFailed if it fails its check; and Locked while the
    set-up is changed.
    """
    allowed = AllowedTime.of_hook(limit) if if_needed else AllowedTime.by_hand()
    records = Records(state)
    _read(records)  # first, since the lock creates its directory
    with records.locked():
        record = _read(records)
        if not _is_running(allowed, _STOPPING):
            return Restarted(restarted=False)
        # What dockerd is about to read: a renewal may have replaced it while this waited.
        credential = served.load(record.certificates, clock())
        try:
            restart_obstacles.refuse_unprotected(record, credential)
        except ConfigurationError:
            _close_port_if_open(record, credential, allowed, clock())
            raise
        is_due = _is_due(records, record, credential, allowed, if_needed=if_needed)
        if is_due:
            containers.warn_of_removed(_BRIEF)
            _begin_restart(allowed)
        with _interrupted(is_due=is_due):
            if is_due:
                _wait_for_restart(allowed)
            if not _is_running(allowed, _PASSING):  # a connection to its socket would start it
                return Restarted(restarted=False)
            client = find_client(clients, credential, clock())
            proofs = _checked(record, credential, client, allowed, clock)
        if not record.proven:
            records.write(replace(record, proven=True))
        return Restarted(is_due, proofs)


def _read(records: Records) -> Record:
    record = records.read()
    if record is None:
        raise ConfigurationError(
            "dockertls-vault has not set up dockerd on this host",
            hint="run `dockertls-vault daemon configure`, or `systemctl restart docker.service`",
        )
    return record


def _is_due(
    records: Records, record: Record, credential: Served, allowed: AllowedTime, *, if_needed: bool
) -> bool:
    """Tell whether dockerd is to be restarted; if so, record that it will be."""
    with allowed.before("systemd has not answered") as seconds:
        now = attempt.of_now(credential.paths, record.daemon_json, seconds)
    # A restart by hand forgets more than that: what dockerd logged of clients counts from it on.
    before = records.attempt() if if_needed else None
    if before is not None and before.has_led_to(now):
        logger.info("%s was already restarted with these files", SERVICE)
        return False
    if not record.proven and record.added.get(LIVE_RESTORE) is True:
        restart_obstacles.refuse_to_stop_containers(_TIMEOUT)
    records.note(now.following(before))
    return True


def _begin_restart(allowed: AllowedTime) -> None:
    """Have systemd restart dockerd; raises DockerUnavailable if it does not accept that in time."""
    logger.info("restarting %s", SERVICE)
    try:
        with allowed.before("systemd has not answered") as seconds:
            systemd.try_restart(SERVICE, seconds)
    except ConflictingState as error:
        message = f"systemd does not restart dockerd: {error.message}"
        raise DockerUnavailable(message, hint=error.hint or _STATUS) from error


def _wait_for_restart(allowed: AllowedTime) -> None:
    """Wait until systemd has restarted dockerd; raises DockerUnavailable if it does not start."""
    while _has_job(allowed):
        stop.wait(_POLL)
    with allowed.before("systemd has not answered") as seconds:
        active = _state(seconds)
    if active in _NOT_STARTED:
        raise DockerUnavailable(f"dockerd is not back: {SERVICE} is {active}", hint=_JOURNAL)


def _has_job(allowed: AllowedTime) -> bool:
    with allowed.before("the restart is not done") as seconds:
        return systemd.has_job(SERVICE, seconds)


@contextmanager
def _interrupted(*, is_due: bool) -> Iterator[None]:
    """Say what is left to do if the block, a restart that ``is_due`` and the check, is stopped."""
    try:
        yield
    except stop.Stopped:
        what = "systemd completes the restart, and dockerd was" if is_due else "dockerd was"
        logger.warning("interrupted: %s not checked; %s", what, CHECK_BY_HAND)
        raise


def _checked(
    record: Record,
    credential: Served,
    client: CredentialFiles | None,
    allowed: AllowedTime,
    clock: Callable[[], datetime],
) -> tuple[Proof, ...]:
    """Check the daemon, and close its port if it lets anyone in; raises as ``_prove`` does.

    If the credential was renewed meanwhile, dockerd may have read the new one: it is checked again.
    """
    try:
        return _prove(record, credential, client, allowed, clock())
    except CheckFailed as error:
        if error.admits_anyone:
            raise _close_port(record, error, allowed) from error
        renewed = served.load(record.certificates, clock())
        if renewed == credential:
            raise
    return _checked(record, renewed, client, allowed, clock)


def _prove(
    record: Record,
    credential: Served,
    client: CredentialFiles | None,
    allowed: AllowedTime,
    now: datetime,
) -> tuple[Proof, ...]:
    """Check the daemon; raises CheckFailed if it fails, DockerUnavailable if time is over."""
    with allowed.before("the check of dockerd is not done") as seconds, stop.limited(seconds):
        return prove(record.listen, credential, client, timeout=_TIMEOUT, now=now, hint=_FAILS)


def _close_port_if_open(
    record: Record, credential: Served, allowed: AllowedTime, now: datetime
) -> None:
    """Close the port of a dockerd that is not to be restarted, if it lets anyone in.

    As after a run that was killed, or had no time left, before it was closed. Raises CheckFailed
    then; that it fails its check otherwise is no news of a set-up that is not complete.
    """
    try:
        _prove(record, credential, None, allowed, now)
    except CheckFailed as error:
        if error.admits_anyone:
            raise _close_port(record, error, allowed) from error


def _close_port(record: Record, failure: CheckFailed, allowed: AllowedTime) -> CheckFailed:
    """Close the port of a dockerd that lets anyone in; return the error that says so."""
    message = f"{failure.message}, and lets anyone in"
    logger.warning("%s: closing %s", message, SOCKET)
    try:
        with stop.to_the_end():
            close_port.close(record.listen, _TIMEOUT, max(allowed.left, _LEAST))
    except DockerUnavailable as error:
        message += f"; {SOCKET} is closed, and dockerd is not back without it: {error.message}"
        return CheckFailed(message, failure.problems, hint=_JOURNAL)
    except DockerTLSError as error:
        message += f"; its port is not closed: {error.message}"
        return CheckFailed(message, failure.problems, hint=_STOP)
    message += f"; {SOCKET} is closed, and dockerd restarted without it"
    return CheckFailed(message, failure.problems, hint=_CLOSED)


def _is_running(allowed: AllowedTime, passing: Collection[str]) -> bool:
    """Tell whether dockerd runs, once its ActiveState= is none of those that are ``passing``.

    Raises DockerUnavailable if it has failed, or if they do not pass in time.
    """
    with allowed.before("systemd has not answered") as seconds:
        active = _state(seconds)
    while active in passing:
        with allowed.before(f"{SERVICE} is still {active}") as seconds:
            stop.wait(_POLL)
            active = _state(seconds)
    if active == "failed":
        raise DockerUnavailable(f"{SERVICE} has failed", hint=f"{_JOURNAL}, and start it again")
    return active in systemd.RUNNING


def _state(limit: float) -> str:
    """Return the ActiveState= of dockerd; raises MissingDependency if it cannot be started."""
    loaded, active = systemd.properties(SERVICE, "Unit", "LoadState", "ActiveState", limit=limit)
    if active == "inactive" and loaded not in _STARTABLE:  # our drop-in alone is a bad setting
        raise MissingDependency(
            f"{SERVICE} cannot be started: {loaded}",
            hint="if Docker was removed, run `dockertls-vault daemon configure --remove`",
        )
    return str(active)
