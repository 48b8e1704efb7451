"""Set up dockerd on this host to serve TLS with a credential, prove it, or take it back.

It inspects the host, plans, and applies the plan, which is empty if nothing needs to change. If a
step or the proof fails, what was there before is put back.
"""

from __future__ import annotations

import errno
import logging
import os
import socket
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from . import stop
from .daemon import clashes, found, passed_on, plan, restored, served, sources, trial, units
from .daemon.inspection import Host, look, look_at_files
from .daemon.records import Records
from .docker.engine import Engine
from .errors import (
    ConfigurationError,
    ConflictingState,
    DockerTLSError,
    DockerUnavailable,
    LiveRestoreOff,
    SetUpFailed,
)
from .host.steps import discard_staged
from .proof import prove

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from .credential.reader import CredentialFiles
    from .daemon.desired import Listen, Wanted
    from .daemon.found import Service
    from .daemon.inspection import Now
    from .daemon.plan import Plan
    from .daemon.served import Served
    from .host.steps import Step
    from .proof import Proof

logger = logging.getLogger(__name__)

_ENGINE_TIMEOUT = timedelta(seconds=10)


@dataclass(frozen=True)
class Outcome:
    """A set-up, or that it was taken back: the steps that were planned, and whether ``applied``.

    ``directory`` is that of the credential, and ``listen`` each address at which dockerd serves it;
    None and empty without a set-up. ``diffs`` are the changes to files as unified diffs,
    ``stopped`` the containers that the restart stops, ``proofs`` what the check found, none if
    dockerd does not run.
    """

    directory: Path | None
    listen: tuple[str, ...]
    steps: tuple[str, ...]
    diffs: tuple[str, ...]
    stopped: tuple[str, ...]
    applied: bool
    proofs: tuple[Proof, ...] = ()


@dataclass(frozen=True)
class Change:
    """A plan for this host, and how to ``make`` it again: the host may have changed since.

    ``served`` is the credential that dockerd is to serve then, None if that is not to be proven.
    """

    plan: Plan
    make: Callable[[], Plan]
    served: Served | None = None


def set_up(state: Path, wanted: Wanted, now: datetime, *, can_reload: bool = True) -> Change:
    """Plan the set-up; ``state`` is the directory of the record.

    ``can_reload`` is whether dockerd is to be reloaded, so that its restart stops no container.

    Raises before anything is touched: ConflictingState without a usable credential, for files that
    others can change, for settings that clash, unless they are to be taken over, for a port that
    is in use, or if dockerd has no Unix socket; MissingDependency without docker.service;
    ConfigurationError if a file cannot be read, or dockerd rejects the configuration; and
    DockerUnavailable if dockerd runs and does not answer at its Unix socket.
    """
    credential = served.load(wanted.certificates, now)
    served.refuse_others(credential)
    service = found.service()
    host = _host(state, service)
    found.refuse_confined()
    served.refuse_writers((*host.paths, *sources.paths(), Path(service.program)))

    def make() -> Plan:
        before = look(host, found.service())
        _refuse_stale(before)
        _refuse_script(before)
        refuse_other_file(before)
        if before.files.drop_in == units.drop_in() and not before.is_stale:
            _refuse_unguarded()
        before = replace(before, can_reload=can_reload and before.can_reload)
        edited = before.record.edited if before.record else ()
        ours = {each.path: (each.written, each.original) for each in edited}
        return plan.configure(host, before, credential, wanted, sources.read(ours))

    made = make()
    if made.steps and made.record is not None:
        _refuse_unusable(made.record.listen, made)
        trial.judge(_remaining(made.now.service), made.target.daemon_json or b"")
    return Change(made, make, credential)


def _refuse_stale(before: Now) -> None:
    """Raise ConfigurationError if others have edited unit files, which the set-up would apply.

    Those of the set-up itself are stale after a run that was killed.
    """
    if before.record is None and before.is_stale:
        raise ConfigurationError(
            f"unit files of {units.SERVICE} were edited, and systemd has not read them since",
            hint="run `sudo systemctl daemon-reload`, then try again",
        )


def _refuse_script(before: Now) -> None:
    """Raise ConflictingState if a script has started dockerd with other settings than systemd's."""
    started = passed_on.read() if before.service.is_running and not before.is_stale else None
    if started is not None:
        passed_on.refuse_changed(started, before.service.arguments)


def refuse_other_file(before: Now) -> None:
    """Raise ConflictingState if dockerd no longer reads the file of the set-up (--config-file)."""
    record, service = before.record, before.service
    if record is not None and service.command and record.daemon_json != service.daemon_json:
        raise ConflictingState(
            f"dockerd is configured by {service.daemon_json} now, and was set up in "
            f"{record.daemon_json}",
            hint="run `sudo dockertls-vault daemon configure --remove`, then try again",
        )


def _refuse_unguarded() -> None:
    """Raise ConflictingState if systemd does not run the command of our drop-in, which is there."""
    if not found.is_guarded():
        raise ConflictingState(
            f"a drop-in for {units.SERVICE} resets ExecStartPre=, and with it the check that "
            "dockerd has TLS before its port is open",
            hint=f"find it with `systemctl cat {units.SERVICE}`; remove `ExecStartPre=` from it, "
            f"or have its name sort before {Path(units.DROP_IN).name}; then run "
            "`sudo systemctl daemon-reload`, and try again",
        )


def take_back(state: Path) -> Change:
    """Plan to remove the set-up, even if Docker was removed since.

    Raises ConfigurationError if a file cannot be read; ConflictingState without a record of the
    set-up, and if dockerd would not start with what was there before; and DockerUnavailable if
    dockerd runs and does not answer at its Unix socket.
    """
    host = _host(state, found.service(required=False))

    def make() -> Plan:
        return plan.remove(host, look(host, found.service(required=False)))

    made = make()
    drop_in = made.now.files.drop_in
    if made.now.record is None and drop_in and units.is_ours(drop_in):
        raise ConflictingState(
            f"{host.records.directory} does not say what was set up",
            hint="run `sudo dockertls-vault daemon configure`, which records it, then try again; "
            f"or run `sudo systemctl stop {units.SOCKET}`, remove {host.drop_in}, {host.socket} "
            f"and the TLS settings in {host.daemon_json}, then run `sudo systemctl daemon-reload "
            f"&& sudo systemctl restart {units.SERVICE}`",
        )
    if made.now.service.command:
        restored.refuse_lost(made.edits, _edit(made))
    refuse_plaintext(made)
    return Change(made, make)


def refuse_plaintext(removal: Plan) -> None:
    """Raise ConflictingState if a port that others added to the set-up would lose its TLS.

    Warns of each port without TLS that was there before, which the removal opens again.
    """
    record, given = removal.now.record, removal.now.service.arguments
    if record is not None:
        restored.refuse_plaintext(record, given, removal.edits, _edit(removal))
        for host in restored.plaintext(given, removal.edits, _edit(removal)):
            logger.warning(
                "%s will be open without TLS again: anyone who can reach it is root on this host",
                host,
            )


def _edit(made: Plan) -> clashes.Edit:
    """Return what a plan does to daemon.json."""
    before, after = made.now.files.daemon_json or b"", made.target.daemon_json or b""
    return clashes.Edit(made.host.daemon_json, before, after, is_unit=False)


def apply(
    change: Change,
    *,
    client: CredentialFiles | None,
    timeout: timedelta,
    now: Callable[[], datetime],
) -> Outcome:
    """Apply the plan and prove it; raises SetUpFailed after putting back what was there before.

    ``client`` is a credential to connect with, ``timeout`` the limit for each response of the
    check. Raises ConflictingState if this host has changed since the plan was made, or if the
    restart would stop other containers, too, Locked if another process is changing it, and
    LiveRestoreOff, after putting back what was there before, if a restart would stop containers
    although the plan does not say so.
    """
    host = change.plan.host
    if not change.plan.steps:
        return preview(change.plan)
    with host.records.locked():
        made = _made_again(change)
        discard_staged((*host.paths, *made.now.edited, *(edit.path for edit in made.edits)))
        if change.served is None:
            with _warning(made):
                _apply(made.steps)
            return replace(preview(made), applied=True)
        with _putting_back(made):
            proofs = _apply_and_prove(made, client, timeout, now)
        if made.record is not None:
            host.records.write(replace(made.record, proven=bool(proofs)))
    return replace(preview(made), applied=True, proofs=proofs)


def _made_again(change: Change) -> Plan:
    """Return the plan as of now: containers that have started or stopped since do not matter.

    Raises ConflictingState if it has other steps, or stops a container that it did not stop before.
    """
    made = change.make()
    if made.steps != change.plan.steps:
        raise ConflictingState("this host has changed since the plan was made", hint="try again")
    _refuse_new(made.stops, change.plan.stops)
    return made


def _refuse_new(stops: Iterable[str], known: Iterable[str]) -> None:
    """Raise ConflictingState if a restart stops containers that are not in ``known``."""
    if new := tuple(each for each in stops if each not in known):
        raise ConflictingState(
            "the restart would stop containers that were started since the plan was made",
            problems=new,
            hint="try again",
        )


def preview(made: Plan) -> Outcome:
    """Return the outcome of a plan that is not applied."""
    record = made.record
    return Outcome(
        directory=None if record is None else record.certificates,
        listen=() if record is None else tuple(map(str, record.listen)),
        steps=tuple(step.summary for step in made.steps),
        diffs=made.diffs,
        stopped=made.stops,
        applied=False,
    )


def _host(state: Path, service: Service) -> Host:
    """Return where a set-up is; ``state`` is the directory of its record."""
    records = Records(state)
    record = records.read()
    daemon_json = record.daemon_json if record else service.daemon_json
    return Host(Engine(found.engine_socket(service), _ENGINE_TIMEOUT), daemon_json, records)


def _remaining(service: Service) -> Service:
    """Return the service without the flags that are taken over."""
    return replace(service, command=(service.program, *clashes.remaining(service.arguments)))


def _refuse_unusable(listen: Iterable[Listen], made: Plan) -> None:
    """Raise ConflictingState unless this host can listen at each of these."""
    before = made.now
    held = before.is_listening or before.is_held
    known = before.record.listen if before.record else before.by_hand
    ours = (*(known if held else ()), *made.freed)
    if before.record is not None and not before.record.proven:
        # A run that was killed may have edited what dockerd was started with.
        ours = (*ours, *found.listens())
    others = (each for each in listen if not any(map(each.overlaps, ours)))
    obstacles = tuple(why for each in others if (why := _obstacle(each)))
    if obstacles:
        raise ConflictingState(
            f"{units.SOCKET} cannot listen",
            problems=obstacles,
            hint="choose another address or port with --listen",
        )


def _obstacle(listen: Listen) -> str | None:
    """Return why this host cannot listen there, None if it can."""
    family = socket.AF_INET6 if ":" in listen.address else socket.AF_INET
    try:
        with socket.create_server(
            (listen.address, listen.port), family=family, dualstack_ipv6=listen.is_every
        ):
            return None
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return f"{listen} is in use; `ss -ltnp sport = :{listen.port}` says by what"
        return f"{listen}: {os.strerror(error.errno or 0).lower()}"


def _apply(steps: Iterable[Step]) -> None:
    for step in steps:
        stop.check()
        logger.info("%s", step.summary)
        step.apply()


def _apply_and_prove(
    made: Plan, client: CredentialFiles | None, timeout: timedelta, now: Callable[[], datetime]
) -> tuple[Proof, ...]:
    """Apply the plan and check the daemon; empty if dockerd does not run.

    Raises CheckFailed if it does not pass.
    """
    record = made.record
    if record is None or not made.restarts:
        _apply(made.steps)
        if record is not None:
            _refuse_unguarded()
        return ()
    *steps, restart = made.steps
    _apply(steps)
    # What dockerd is about to read: a renewal may have replaced what the plan was made with.
    credential = served.load(record.certificates, now())
    _refuse_unguarded()
    latest = look(made.host, found.service())
    _refuse_new(latest.fleeting if latest.live_restore else latest.running, made.stops)
    _apply([restart])
    logger.info("checking the daemon at %s", ", ".join(map(str, record.listen)))
    return prove(record.listen, credential, client, timeout=timeout, now=now())


@contextmanager
def _warning(made: Plan) -> Iterator[None]:
    """Say what to do if the block, which applies the plan, fails or is stopped."""
    try:
        yield
    except (Exception, stop.Stopped):
        what = "removal" if made.record is None else "set-up"
        logger.warning("the %s is not complete; run it again", what)
        raise


@contextmanager
def _putting_back(made: Plan) -> Iterator[None]:
    """Put back what was there before if the block fails or is stopped; raises SetUpFailed."""
    try:
        yield
    except (Exception, stop.Stopped) as error:
        # What is unexpected is no reason to leave a host halfway, either.
        failure = error if isinstance(error, DockerTLSError) else None
        try:
            with stop.to_the_end():
                _put_back(made)
        except DockerTLSError as another:
            message = failure.message if failure else "the set-up was interrupted"
            raise SetUpFailed(
                f"{message}, and what was there before is not back: {another.message}",
                problems=failure.problems if failure else (),
                hint="run `sudo dockertls-vault daemon configure --remove`; if dockerd does not "
                f"run then, run `{units.START}`",
            ) from error
        if isinstance(error, stop.Stopped):
            logger.warning("the set-up was interrupted; what was there before is back")
        if failure is None or isinstance(failure, LiveRestoreOff):
            raise
        raise SetUpFailed(
            f"{failure.message}; what was there before is back",
            problems=failure.problems,
            hint=failure.hint,
        ) from error


def _put_back(made: Plan) -> None:
    """Lead the host back to what was there before the plan, and dockerd to where it answers."""
    logger.info("putting back what was there before")
    host = made.host
    now = look_at_files(host, found.service())
    with suppress(DockerUnavailable):
        now = replace(now, live_restore=host.engine.info().get("LiveRestoreEnabled") is True)
    steps, last = plan.undo(host, made, now)
    _apply(steps)
    if made.now.service.is_running:
        host.engine.info()
    last.apply()
