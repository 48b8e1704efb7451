"""Renew in a long-running process: each credential when it is due, after failures with backoff.

Between renewals only files are read. Vault is asked when something is due and, for what only it
knows (another issuer, another root, a revocation), every hour.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from .credential import causes, condition, contents, settle
from .credential.reader import locate
from .credential.state import LOOK
from .credential.worker import by_worker
from .errors import DockerTLSError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from .certificate.schedule import Schedule
    from .credential.condition import Condition
    from .credential.layout import Placement
    from .credential.settle import Running
    from .renew import Renewal

logger = logging.getLogger(__name__)

# How often files are read at least, to notice a clock that was set and a host that was suspended.
TICK = timedelta(minutes=1)
_SHORTEST = timedelta(seconds=1)
_FIRST_PAUSE = timedelta(seconds=5)
_LONGEST_PAUSE = timedelta(minutes=5)
# Of the time between due and expiry, so that it suffices for a few more attempts.
_SHARE = 1 / 4
# Keeps 2**n within the range of a float.
_MOST_DOUBLINGS = 10


@dataclass(frozen=True)
class Work:
    """The functions that a watch calls.

    ``known`` returns the directories of the credentials; ``due_at`` when the one in a directory is
    due, by its files; ``renew`` renews what is due of those given, in a new session.
    """

    known: Callable[[], Sequence[Path]]
    due_at: Callable[[Path, datetime], datetime]
    renew: Callable[[Sequence[Path]], Iterable[Renewal]]


@dataclass(frozen=True)
class Round:
    """What was done ``at`` a time, and when the next renewal is due, None if that is unknown.

    ``failing_since`` is when the first of the current series of failures occurred, None if nothing
    fails; ``count`` is the number of credentials. Times are in UTC.
    """

    at: datetime
    done: tuple[Renewal, ...]
    count: int
    next_due: datetime | None
    failing_since: datetime | None


def watch(
    work: Work,
    *,
    clock: Callable[[], datetime],
    sleep: Callable[[float], bool],
    random: Callable[[], float],
    tick: timedelta = TICK,
) -> Iterator[Round]:
    """Renew in rounds, without end; yield the result of each.

    ``sleep`` waits for some seconds, and returns whether to check everything at once;
    ``random`` returns a number from 0 to 1; ``tick`` is the longest pause between two rounds.
    Failures are logged and tried again later, except that the first round raises an error that
    affects all credentials, such as an invalid setting.
    """
    watching = _Watch(work, clock, random)
    while True:
        found = watching.round()
        yield found
        if sleep(watching.pause(tick, found.next_due).total_seconds()):
            watching.look_at_once()


def due_at(directory: Path, now: datetime, *, running: Running, admins: str | None) -> datetime:
    """Return when the credential in ``directory`` is due, by its files alone.

    That is ``now`` if it is due already, or if its files do not show it.
    """
    try:
        found, schedule = by_worker(locate(directory, admins=admins), _read)
    except (DockerTLSError, OSError):
        return now  # the renewal fails with the reason
    if schedule is None or found.damage or causes.of_schedule(schedule, now):
        return now
    due = schedule.due if found.due is None else max(found.due.next, now)
    pending = settle.pending(found, running, now)
    return due if pending is None else min(due, pending.waiting_until or now)


def _read(place: Placement) -> tuple[Condition, Schedule | None]:
    """Return the condition of a credential and its schedule, None if it has none."""
    found = condition.read(place)
    if found.due is not None:  # without parsing a certificate
        return found, found.due.schedule
    in_use, _ = contents.read(found)
    return found, contents.schedule_of(found, in_use)


class _Watch:
    """The state between rounds."""

    def __init__(
        self, work: Work, clock: Callable[[], datetime], random: Callable[[], float]
    ) -> None:
        self._work = work
        self._clock = clock
        self._random = random
        self._looked: _Interval | None = None
        self._backoff: _Interval | None = None
        self._failures = 0
        self._failed: frozenset[Path] = frozenset()
        self._failing_since: datetime | None = None

    def round(self) -> Round:
        """Renew what is due, without the credentials that wait after a failure."""
        now = self._clock()
        starts = self._looked is None
        try:
            known = tuple(self._work.known())
            self._failed &= frozenset(known)
            chosen = self._due(known, now)
            done = tuple(self._work.renew(chosen)) if chosen else ()
        except DockerTLSError as error:
            if starts:
                raise
            logger.error("%s", error.message)  # noqa: TRY400 - without a traceback
            known, chosen, done = (), (), ()
            self._note_failure(frozenset(), now, ())
        else:
            self._note(chosen, done, now)
        # By the clock of now: what was just issued was issued in the future of this round's start.
        later = self._clock()
        upcoming = [self._due_at(each, later) for each in known if each not in self._failed]
        return Round(now, done, len(known), min(upcoming, default=None), self._failing_since)

    def look_at_once(self) -> None:
        """Check everything in the next round, including what has failed."""
        self._looked = _Interval(self._clock(), timedelta())
        self._backoff = None

    def pause(self, tick: timedelta, next_due: datetime | None) -> timedelta:
        """Return the time until the next round, at most ``tick``."""
        now = self._clock()
        waits = [tick, *(each.left(now) for each in (self._looked, self._backoff) if each)]
        if next_due is not None:
            waits.append(next_due - now)
        return max(min(waits), _SHORTEST)

    def _due_at(self, directory: Path, now: datetime) -> datetime:
        try:
            return self._work.due_at(directory, now)
        except DockerTLSError:
            return now  # as in the function due_at

    def _due(self, known: Sequence[Path], now: datetime) -> tuple[Path, ...]:
        look = self._looked is None or self._looked.is_over(now)
        if look:
            self._looked = _Interval(now, LOOK)
        held = self._failed if self._backoff and not self._backoff.is_over(now) else frozenset()
        return tuple(
            directory
            for directory in known
            if directory not in held and (look or self._due_at(directory, now) <= now)
        )

    def _note(self, chosen: Sequence[Path], done: Sequence[Renewal], now: datetime) -> None:
        if not all(each.vault_asked or each.error for each in done):
            self._looked = _Interval(now, _LONGEST_PAUSE)  # ask again before the hour is over
        failed = frozenset(each.directory for each in done if each.error is not None)
        # Treated as a failure: it would be renewed again at once, without end.
        later = self._clock()
        stuck = frozenset(each for each in chosen if self._due_at(each, later) <= later)
        self._failed -= frozenset(chosen)
        if failed or stuck:
            self._note_failure(failed | stuck, now, done)
        elif not self._failed:
            self._failures, self._backoff, self._failing_since = 0, None, None

    def _note_failure(
        self, failed: frozenset[Path], now: datetime, done: Sequence[Renewal]
    ) -> None:
        self._failed |= failed
        self._failing_since = self._failing_since or now
        pause = min(
            _FIRST_PAUSE * 2 ** min(self._failures, _MOST_DOUBLINGS),
            _LONGEST_PAUSE,
            *(
                (each.valid_until - each.renewal_due) * _SHARE
                for each in done
                if each.directory in failed and each.valid_until and each.renewal_due
            ),
        )
        self._failures += 1
        self._backoff = _Interval(self._clock(), max(pause * (0.5 + self._random() / 2), _SHORTEST))


@dataclass(frozen=True)
class _Interval:
    """A span by a clock that may be set: before its start, it counts as over, too."""

    start: datetime
    length: timedelta

    def is_over(self, now: datetime) -> bool:
        return not self.start <= now < self.start + self.length

    def left(self, now: datetime) -> timedelta:
        return timedelta() if self.is_over(now) else self.start + self.length - now
