"""Apply the steps of a plan; if one fails, lead this host back to what was there before."""

from __future__ import annotations

import logging
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from dockertls_vault import stop
from dockertls_vault.errors import DockerTLSError, DockerUnavailable, LiveRestoreOff, SetUpFailed

from . import docker_service, undo, units
from .inspection import look_at_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dockertls_vault.host.steps import Step

    from .plan import Plan

logger = logging.getLogger(__name__)

_REMOVE = "sudo dockertls-vault daemon configure --remove"


def apply(steps: Iterable[Step]) -> None:
    """Apply each step; raises Stopped between two of them if this process is to end."""
    for step in steps:
        stop.check()
        logger.info("%s", step.summary)
        step.apply()


def apply_or_warn(made: Plan) -> None:
    """Apply a plan that is not put back; say what is left of it if it fails or is stopped."""
    left = list(made.steps)
    try:
        while left:
            apply(left[:1])
            del left[0]
    except (Exception, stop.Stopped):
        what = "removal" if made.record is None else "set-up"
        first = _start() if made.restarts else ""
        steps = "; ".join(step.summary for step in left)
        logger.warning(
            "the %s is not complete; %srun it again: it has yet to %s", what, first, steps
        )
        raise


def _start() -> str:
    """Return what to do first if dockerd does not run: then containers survive the rest, too."""
    state = _stopped()
    if not state:
        return ""
    return f"{units.SERVICE} is {state}: once the cause is gone, `{units.START}`, then "


def _finish(made: Plan) -> str:
    """Return what to do if what was there before is not back.

    What others have written to daemon.json since the plan was made is kept: dockerd may reject it.
    """
    if not _stopped():
        return f"run `{_REMOVE}`; if dockerd does not run then, run `{units.START}`"
    return (
        f"see in `journalctl -u {units.SERVICE}` whether dockerd rejects {made.host.daemon_json}, "
        f"correct it, and run `{units.START}`; then run `{_REMOVE}`"
    )


def _stopped() -> str:
    """Return the state of a dockerd that does not run, "" if it does, or if it is not known."""
    with suppress(DockerTLSError):
        service = docker_service.read(required=False)
        return "" if service.is_running else service.state
    return ""


@contextmanager
def putting_back(made: Plan) -> Iterator[None]:
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
                hint=_finish(made),
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
    current = look_at_files(host, docker_service.read())
    with suppress(DockerUnavailable):
        current = replace(
            current, live_restore=host.engine.info().get("LiveRestoreEnabled") is True
        )
    steps, last = undo.steps(made, current)
    apply(steps)
    if made.current.service.is_running:
        host.engine.info()
    last.apply()
