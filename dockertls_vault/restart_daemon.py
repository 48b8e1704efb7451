"""Restart dockerd on this host so that it picks up new files, and prove that it did.

The default hook of a server runs this after each swap (daemon/pickup.py). systemd holds the socket
meanwhile, so no connection is refused.
"""

from __future__ import annotations

import json
import logging
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Self

from . import stop
from .daemon import attempt, closing, docker_service, served, set_up_files
from .daemon.desired import LIVE_RESTORE, settings
from .daemon.records import Records
from .daemon.units import DROP_IN, SERVICE, SOCKET
from .docker import daemon_json
from .docker.engine import Engine
from .duration import format_duration
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
_SHARE = 0.9  # of the time that a hook has
_PATIENCE = timedelta(seconds=systemd.PATIENCE)
_POLL = 0.2  # seconds
# LoadState= of a unit that is there; somebody may have masked it on purpose.
_STARTABLE = {"loaded", "masked"}
# ActiveState= of a service that is about to have another one.
_STOPPING = frozenset({"deactivating"})
_PASSING = _STOPPING | {"activating"}
# Its states after a start that has failed; systemd may be about to try again (Restart=).
_NOT_STARTED = frozenset({"failed", "activating"})
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
_LATE = "see `systemctl list-jobs`: systemd goes on with what it has begun"
_LATE_HOOK = (
    f"{_LATE}, and the next `renew` waits for it and checks the daemon; if it always takes that "
    "long, raise DOCKERTLS_HOOK_TIMEOUT"
)
_CHECK_BY_HAND = "run `dockertls-vault daemon restart --if-needed`, which checks it"
_LATE_BY_HAND = f"{_LATE}; then {_CHECK_BY_HAND}"


@dataclass(frozen=True)
class Restarted:
    """Whether dockerd was restarted, and what the check then found.

    ``proofs`` has each address; it is empty if dockerd does not run.
    """

    restarted: bool
    proofs: tuple[Proof, ...] = ()


class _Time:
    """The time for all of it, and what to do once it is over."""

    def __init__(self, limit: timedelta, hint: str) -> None:
        self._limit = limit
        self._hint = hint
        self._end = time.monotonic() + self._limit.total_seconds()

    @classmethod
    def of_hook(cls, limit: timedelta) -> Self:
        """Return the time of a hook, which is killed after ``limit``: it ends before, and says why.

        The rest is for Python to start and to end.
        """
        return cls(limit * _SHARE, _LATE_HOOK)

    @contextmanager
    def before(self, what: str) -> Iterator[float]:
        """Yield the seconds that are left; raises DockerUnavailable if they do not suffice.

        It says that ``what`` is so then.
        """
        late = DockerUnavailable(f"after {format_duration(self._limit)}, {what}", hint=self._hint)
        seconds = self._end - time.monotonic()
        if seconds <= 0:
            raise late
        try:
            yield seconds
        except TimeoutError:
            raise late from None
        except ConflictingState:
            if time.monotonic() < self._end:
                raise
            raise late from None


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
    changed is only checked, and ``limit`` is how long a hook may run. A set-up that had not been
    proven, as while dockerd was stopped, is recorded as proven after the check.

    Raises ConfigurationError if this host was not set up; before anything is touched,
    VerificationError, ConflictingState or ConfigurationError for files with which dockerd would not
    start, and ConflictingState for a set-up that is not complete, or no longer; DockerUnavailable
    if it does not start, or not in time; CheckFailed if it fails its check; and Locked while the
    set-up is changed.
    """
    allowed = _Time.of_hook(limit) if if_needed else _Time(_PATIENCE, _LATE_BY_HAND)
    records = Records(state)
    _read(records)  # first, since the lock creates its directory
    with records.locked():
        record = _read(records)
        if not _is_running(allowed, _STOPPING):
            return Restarted(restarted=False)
        _refuse_unreadable(record.daemon_json)
        # What dockerd is about to read: a renewal may have replaced it while this waited.
        credential = served.load(record.certificates, clock())
        _refuse_unprotected(record, credential)
        is_due = _is_due(records, record, credential, allowed, if_needed=if_needed)
        if is_due:
            logger.info("restarting %s", SERVICE)
            with allowed.before("systemd has not answered") as seconds:
                systemd.try_restart(SERVICE, seconds)
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
    records: Records, record: Record, credential: Served, allowed: _Time, *, if_needed: bool
) -> bool:
    """Tell whether dockerd is to be restarted; if so, record that it will be."""
    with allowed.before("systemd has not answered") as seconds:
        now = attempt.of_now(credential.paths, record.daemon_json, seconds)
    before = records.attempt() if if_needed else None
    if before is not None and before.has_led_to(now):
        logger.info("%s was already restarted with these files", SERVICE)
        return False
    if not record.proven and record.added.get(LIVE_RESTORE) is True:
        _refuse_to_stop_containers()
    records.note(now.following(before))
    return True


def _wait_for_restart(allowed: _Time) -> None:
    """Wait until systemd has restarted dockerd; raises DockerUnavailable if it does not start."""
    while _has_job(allowed):
        stop.wait(_POLL)
    with allowed.before("systemd has not answered") as seconds:
        active = _state(seconds)
    if active in _NOT_STARTED:
        raise DockerUnavailable(f"dockerd is not back: {SERVICE} is {active}", hint=_JOURNAL)


def _has_job(allowed: _Time) -> bool:
    with allowed.before("the restart is not done") as seconds:
        return systemd.has_job(SERVICE, seconds)


@contextmanager
def _interrupted(*, is_due: bool) -> Iterator[None]:
    """Say what is left to do if the block, a restart that ``is_due`` and the check, is stopped."""
    try:
        yield
    except stop.Stopped:
        what = "systemd completes the restart, and dockerd was" if is_due else "dockerd was"
        logger.warning("interrupted: %s not checked; %s", what, _CHECK_BY_HAND)
        raise


def _checked(
    record: Record,
    credential: Served,
    client: CredentialFiles | None,
    allowed: _Time,
    clock: Callable[[], datetime],
) -> tuple[Proof, ...]:
    """Check the daemon, and close its port if it lets anyone in; raises as ``_proven`` does.

    If the credential was renewed meanwhile, dockerd may have read the new one: it is checked again.
    """
    try:
        return _proven(record, credential, client, allowed, clock())
    except CheckFailed as error:
        if error.is_open:
            raise _closed(record, error) from error
        renewed = served.load(record.certificates, clock())
        if renewed == credential:
            raise
    return _checked(record, renewed, client, allowed, clock)


def _proven(
    record: Record,
    credential: Served,
    client: CredentialFiles | None,
    allowed: _Time,
    now: datetime,
) -> tuple[Proof, ...]:
    """Check the daemon; raises CheckFailed if it fails, DockerUnavailable if time is over."""
    with allowed.before("the check of dockerd is not done") as seconds, stop.limited(seconds):
        return prove(record.listen, credential, client, timeout=_TIMEOUT, now=now, hint=_FAILS)


def _closed(record: Record, failure: CheckFailed) -> CheckFailed:
    """Close the port of a dockerd that lets anyone in; return the error that says so."""
    message = f"{failure.message}, and lets anyone in"
    logger.warning("%s: closing %s", message, SOCKET)
    try:
        with stop.to_the_end():
            closing.close(record.listen, _TIMEOUT)
    except DockerUnavailable as error:
        message += f"; {SOCKET} is closed, and dockerd does not start without it: {error.message}"
        return CheckFailed(message, failure.problems, hint=_JOURNAL)
    except DockerTLSError as error:
        message += f"; its port is not closed: {error.message}"
        return CheckFailed(message, failure.problems, hint=_STOP)
    message += f"; {SOCKET} is closed, and dockerd restarted without it"
    return CheckFailed(message, failure.problems, hint=_CLOSED)


def _refuse_unreadable(file: Path) -> None:
    """Raise ConfigurationError if dockerd cannot read its configuration, and would not come back.

    The old certificate stays in use.
    """
    content = set_up_files.contents([file])[file]
    daemon_json.parse(content or b"", str(file))


def _refuse_unprotected(record: Record, credential: Served) -> None:
    """Raise ConflictingState if a restart would lose TLS, or what closes the port without it.

    The dockerd that runs goes on serving as it was set up.
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
    content = set_up_files.contents([record.daemon_json])[record.daemon_json]
    values = daemon_json.parse(content or b"").values
    for key, value in settings(credential.paths, live_restore=False).items():
        if values.get(key) != value:
            now = json.dumps(values[key]) if key in values else "missing"
            yield f"{key} in {record.daemon_json} is {now}, and was {json.dumps(value)}"
    if not docker_service.is_guarded():
        yield f"{SERVICE} is started without the check for TLS that {DROP_IN} has"


def _refuse_to_stop_containers() -> None:
    """Raise ConflictingState if a set-up was killed before live-restore was in effect."""
    engine = Engine(docker_service.engine_socket(docker_service.read()), _TIMEOUT)
    if engine.info().get("LiveRestoreEnabled") is not True:
        raise ConflictingState(
            f"the set-up is not complete: {LIVE_RESTORE} is not in effect, so a restart would stop "
            "the containers",
            hint="complete it with `dockertls-vault daemon configure`, or take it back with "
            "--remove",
        )


def _is_running(allowed: _Time, passing: Collection[str]) -> bool:
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
