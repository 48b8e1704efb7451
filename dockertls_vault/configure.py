"""Set up dockerd on this host to serve TLS with a credential, prove it, or take it back.

It inspects the host, plans, and applies the plan, which is empty if nothing needs to change. If a
step or the proof fails, what was there before is put back.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from .daemon import (
    distrusted,
    docker_service,
    obstacles,
    plan,
    served,
    sources,
    take_over,
    transaction,
    trial,
    units,
)
from .daemon.inspection import Host, look
from .daemon.records import Records
from .docker.engine import Engine
from .errors import ConflictingState
from .host.steps import discard_staged, refuse_read_only
from .proof import prove

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from .certificate.certificate import Description
    from .credential.reader import CredentialFiles
    from .daemon.desired import Wanted
    from .daemon.docker_service import Service
    from .daemon.plan import Plan
    from .daemon.served import Served
    from .proof import Proof

logger = logging.getLogger(__name__)

_ENGINE_TIMEOUT = timedelta(seconds=10)


@dataclass(frozen=True)
class Outcome:
    """A set-up, or that it was taken back: the steps that were planned, and whether ``applied``.

    ``directory`` is that of the credential, and ``listen`` each address at which dockerd serves it;
    None and empty without a set-up. ``diffs`` are the changes to files as unified diffs,
    ``stopped`` the containers that the restart stops, ``removed_cas`` the CAs whose clients dockerd
    accepted before, and rejects from then on, ``proofs`` what the check found, none if dockerd does
    not run.
    """

    directory: Path | None
    listen: tuple[str, ...]
    steps: tuple[str, ...]
    diffs: tuple[str, ...]
    stopped: tuple[str, ...]
    removed_cas: tuple[Description, ...]
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
    ConfigurationError if a file cannot be read, or dockerd rejects the configuration; CannotWrite
    if one is mounted read-only; and DockerUnavailable if dockerd runs and does not answer at its
    Unix socket.
    """
    credential = served.load(wanted.certificates, now)
    served.refuse_others(credential)
    service = docker_service.read()
    host = _host(state, service)
    docker_service.refuse_confined()
    served.refuse_writers((*host.paths, *sources.paths(), Path(service.program)))

    def make() -> Plan:
        before = look(host, docker_service.read())
        obstacles.refuse_stale(before)
        obstacles.refuse_script(before)
        obstacles.refuse_other_file(before)
        if before.files.drop_in == units.drop_in() and not before.is_stale:
            obstacles.refuse_unguarded()
        before = replace(before, can_reload=can_reload and before.can_reload)
        edited = before.record.edited if before.record else ()
        ours = {each.path: (each.written, each.original) for each in edited}
        made = plan.configure(host, before, credential, wanted, sources.read(ours))
        lost = distrusted.find(before.service.arguments, credential, now)
        return replace(made, distrusted=lost)

    made = make()
    refuse_read_only(made.steps)
    if made.steps:
        obstacles.refuse_taken_addresses(made)
        trial.judge(_remaining(made.current.service), made.target.daemon_json or b"")
    return Change(made, make, credential)


def take_back(state: Path) -> Change:
    """Plan to remove the set-up, even if Docker was removed since.

    Raises ConfigurationError if a file cannot be read, and CannotWrite if one is mounted read-only;
    ConflictingState without a record of the set-up, and if dockerd would not start with what was
    there before; and DockerUnavailable if dockerd runs and does not answer at its Unix socket.
    """
    host = _host(state, docker_service.read(required=False))

    def make() -> Plan:
        return plan.remove(host, look(host, docker_service.read(required=False)))

    made = make()
    obstacles.refuse_unrecorded(made)
    refuse_read_only(made.steps)
    obstacles.refuse_lost(made)
    obstacles.refuse_plaintext(made)
    obstacles.warn_of_plaintext(made)
    obstacles.warn_of_upgrade(made)
    return Change(made, make)


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
        discard_staged((*host.paths, *made.current.edited, *(edit.path for edit in made.edits)))
        if change.served is None:
            transaction.apply_or_warn(made)
            return replace(preview(made), applied=True)
        with transaction.putting_back(made):
            proofs = _apply_and_prove(made, client, timeout, now)
        if made.record is not None:
            host.records.write(replace(made.record, proven=bool(proofs)))
    return replace(preview(made), applied=True, proofs=proofs)


def _made_again(change: Change) -> Plan:
    """Make the plan again: containers that have started or stopped since do not matter.

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
        removed_cas=made.distrusted.cas,
        applied=False,
    )


def _host(state: Path, service: Service) -> Host:
    """Return where a set-up is; ``state`` is the directory of its record."""
    records = Records(state)
    record = records.read()
    daemon_json = record.daemon_json if record else service.daemon_json
    engine = Engine(docker_service.engine_socket(service), _ENGINE_TIMEOUT)
    return Host(engine, daemon_json, records)


def _remaining(service: Service) -> Service:
    """Return the service without the flags that are taken over."""
    return replace(service, command=(service.program, *take_over.remaining(service.arguments)))


def _apply_and_prove(
    made: Plan, client: CredentialFiles | None, timeout: timedelta, now: Callable[[], datetime]
) -> tuple[Proof, ...]:
    """Apply the plan and check the daemon; empty if dockerd does not run.

    Raises CheckFailed if it does not pass.
    """
    record = made.record
    if record is None or not made.restarts:
        transaction.apply(made.steps)
        if record is not None:
            obstacles.refuse_unguarded()
        return ()
    *steps, restart = made.steps
    transaction.apply(steps)
    # What dockerd is about to read: a renewal may have replaced what the plan was made with.
    credential = served.load(record.certificates, now())
    obstacles.refuse_unguarded()
    latest = look(made.host, docker_service.read())
    _refuse_new(latest.fleeting if latest.live_restore else latest.running, made.stops)
    transaction.apply([restart])
    logger.info("checking the daemon at %s", ", ".join(map(str, record.listen)))
    return prove(record.listen, credential, client, timeout=timeout, now=now())
