"""``dockertls-vault renew --watch``: renew in one process until a signal ends it."""

from __future__ import annotations

import logging
import os
import random
import signal
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from dockertls_vault import stop
from dockertls_vault.duration import format_time
from dockertls_vault.errors import CannotWrite
from dockertls_vault.host.supervisor import Supervisor

from . import health, renewed, signals, speech
from .running import running
from .session import open_session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from dockertls_vault.renew import Renewal
    from dockertls_vault.renew_all import Selection
    from dockertls_vault.renewal.reasons import Policy
    from dockertls_vault.settings.schema import Settings
    from dockertls_vault.watch import Round, Work

    from .preferences import Preferences

logger = logging.getLogger(__name__)


def watch(
    settings: Settings,
    preferences: Preferences,
    selection: Selection,
    policy: Callable[[], Policy],
    health_file: Path | None,
) -> None:
    """Renew what is selected until a signal ends it; SIGHUP makes it check everything at once."""
    from dockertls_vault.watch import TICK
    from dockertls_vault.watch import watch as rounds

    supervisor = Supervisor(os.environ)
    work = _work(settings, preferences, selection, policy, supervisor)
    tick = min(TICK, supervisor.interval or TICK)
    chance = random.SystemRandom().random
    seen = _Seen(health_file)
    with suppress(stop.Stopped), signals.waking(signal.SIGHUP) as sleep:
        for done in rounds(work, clock=_now, sleep=sleep, random=chance, tick=tick):
            renewed.show_news(done.done, preferences)
            seen.note(done)
            _note_look(selection, done)
            supervisor.tell("READY=1", f"STATUS={_summary(done)}")
            supervisor.keep_alive()
    supervisor.tell("STOPPING=1")
    logger.info("stopped by a signal")


def _work(
    settings: Settings,
    preferences: Preferences,
    selection: Selection,
    policy: Callable[[], Policy],
    supervisor: Supervisor,
) -> Work:
    """Return the functions for a watch, with a new session for each round.

    The first session raises NoToken if there is no way to log in.
    """
    from dockertls_vault.renew_all import renew_all
    from dockertls_vault.watch import Work, due_at

    is_first, registry = True, selection.registry

    def renew(directories: Sequence[Path]) -> Iterator[Renewal]:
        nonlocal is_first
        hooks = running(settings, os.environ)
        with open_session(settings, preferences, needs_token=is_first) as session:
            is_first = False
            for renewal in renew_all(directories, policy(), hooks, session, registry, _now):
                supervisor.keep_alive()
                renewed.report_news(renewal)
                yield renewal

    def due(directory: Path, now: datetime) -> datetime:
        hooks = running(settings, os.environ)
        return due_at(directory, now, running=hooks, admins=settings.admin_group)

    return Work(selection.directories, due, renew)


def _note_look(selection: Selection, done: Round) -> None:
    """Record that a round checked everything, if it did, for `needs-renewal`."""
    from dockertls_vault.renew_all import Renewals

    if len(done.done) < done.count:
        return
    try:
        selection.note_look(Renewals(done.done), done.at)
    except CannotWrite as error:
        speech.say("warning", error.message)


class _Seen:
    """What others see of the rounds: the health file, and a message if the summary changes."""

    def __init__(self, health_file: Path | None) -> None:
        self._file = health_file
        self._written = False
        self._logged: str | None = None

    def note(self, done: Round) -> None:
        """Write the health file; a failure is an error only the first time."""
        summary = _summary(done)
        if summary != self._logged:
            self._logged = summary
            logger.info("%s", summary)
        if self._file is None:
            return
        try:
            health.write(self._file, done)
        except CannotWrite as error:
            if not self._written:
                raise
            speech.say("warning", error.message)
        self._written = True


def _summary(done: Round) -> str:
    """Return the state in one line."""
    watched = f"watching {done.count} credential{'' if done.count == 1 else 's'}"
    due = (
        ""
        if done.next_due is None
        else f"; the next renewal is due at {format_time(done.next_due)}"
    )
    if done.failing_since is None:
        return f"{watched}{due}"
    return f"{watched}{due}; renewals have failed since {format_time(done.failing_since)}"


def _now() -> datetime:
    return datetime.now(UTC)
