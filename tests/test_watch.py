"""Renewing in one process that stays: a day's worth with a clock of its own, and real renewals."""

from __future__ import annotations

import gc
import itertools
import tracemalloc
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dockertls_vault.certificate.schedule import plan
from dockertls_vault.credential import store
from dockertls_vault.credential.due import Due
from dockertls_vault.credential.hooks import State
from dockertls_vault.credential.settle import Running
from dockertls_vault.credential.state import LOOK
from dockertls_vault.errors import InvalidSetting, RenewalFailed, VaultUnreachable
from dockertls_vault.renew import Action, Renewal
from dockertls_vault.watch import TICK, Round, Work, due_at, watch
from dockertls_vault.window import parse_window

from .credentials import CLIENT, material

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

START = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
A, B = Path("/a"), Path("/b")


@dataclass
class Simulation:
    """A host whose credentials are valid for ``validity``, and whose clock only sleep moves."""

    validity: timedelta = 3 * HOUR
    now: datetime = START
    known: tuple[Path, ...] = (A,)
    due: dict[Path, datetime] = field(default_factory=dict)
    renewed: list[tuple[Path, datetime]] = field(default_factory=list)
    attempts: list[datetime] = field(default_factory=list)
    sleeps: list[float] = field(default_factory=list)
    error: Exception | None = None
    jumps: dict[int, timedelta] = field(default_factory=dict)
    failing: tuple[Path, ...] = ()
    is_away: bool = False
    wakes: bool = False

    def renew(self, directories: Sequence[Path]) -> Iterator[Renewal]:
        """Renew what is due, unless Vault is away; a look may find nothing."""
        self.attempts.append(self.now)
        if self.error is not None:
            raise self.error
        for each in directories:
            end = self.due.get(each, START) + self.validity / 3
            if each in self.failing:
                failure = RenewalFailed("no")
                yield Renewal(each, Action.FAILED, (), end, end - self.validity / 3, error=failure)
            elif self.due_at(each, self.now) <= self.now:
                self.renewed.append((each, self.now))
                self.due[each] = self.now + self.validity * 2 / 3
                yield Renewal(each, Action.RENEWED, vault_asked=True)
            else:
                yield Renewal(each, Action.NOTHING, vault_asked=not self.is_away)

    def due_at(self, directory: Path, now: datetime) -> datetime:
        return max(self.due.get(directory, now), now)

    def sleep(self, seconds: float) -> bool:
        self.sleeps.append(seconds)
        self.now += timedelta(seconds=seconds) + self.jumps.pop(len(self.sleeps), timedelta())
        return self.wakes

    def rounds(self, *, tick: timedelta = TICK, chance: float = 1.0) -> Iterator[Round]:
        """Watch without end; ``chance`` is what is random."""
        work = Work(lambda: self.known, self.due_at, self.renew)
        return watch(
            work, clock=lambda: self.now, sleep=self.sleep, random=lambda: chance, tick=tick
        )

    def watch(self, duration: timedelta) -> list[Round]:
        """Watch for some time by the host's clock."""
        found = []
        for done in self.rounds():
            found.append(done)
            if self.now >= START + duration:
                break
        return found


def test_day_has_a_renewal_whenever_one_is_due() -> None:
    """It is due at two thirds of the validity; Vault is also asked every hour."""
    host = Simulation(validity=3 * HOUR, known=(A, B))
    rounds = host.watch(DAY)
    assert [at for which, at in host.renewed if which == A] == [
        START + number * 2 * HOUR for number in range(13)
    ]
    assert host.attempts == [START + number * HOUR for number in range(25)]
    assert {done.failing_since for done in rounds} == {None}
    assert max(host.sleeps) == TICK.total_seconds()


def test_certificate_of_a_minute_is_renewed_in_time() -> None:
    """The pause ends at its due time, before the tick does."""
    host = Simulation(validity=MINUTE)
    host.watch(HOUR)
    times = [at for _, at in host.renewed]
    assert {after - before for before, after in itertools.pairwise(times)} == {
        timedelta(seconds=40)
    }


def test_vault_is_asked_only_every_hour() -> None:
    """A tick only reads files."""
    host = Simulation(validity=30 * DAY)
    host.watch(6 * HOUR)
    assert host.attempts == [START + number * LOOK for number in range(7)]


def test_vault_is_asked_again_soon_after_an_outage() -> None:
    """This is after five minutes; as nothing is due, it is no failure."""
    host = Simulation(validity=30 * DAY, due={A: START + 20 * DAY}, is_away=True)
    rounds = host.watch(10 * MINUTE)
    assert host.attempts == [START, START + 5 * MINUTE, START + 10 * MINUTE]
    assert rounds[-1].failing_since is None


def test_failures_are_tried_again_with_growing_pauses() -> None:
    """They grow up to five minutes, and start anew after a success."""
    host = Simulation(validity=30 * DAY, failing=(A,))
    rounds = host.rounds()
    while len(host.attempts) < 10:
        done = next(rounds)
    pauses = [
        (after - before).total_seconds()
        for before, after in zip(host.attempts, host.attempts[1:], strict=False)
    ]
    assert pauses == [5, 10, 20, 40, 80, 160, 300, 300, 300]
    since = done.failing_since
    assert since == START
    host.failing = ()
    while done.failing_since is not None:
        done = next(rounds)
    assert len(host.attempts) == 11
    host.failing, host.due[A] = (A,), host.now
    host.attempts.clear()
    while len(host.attempts) < 2:
        next(rounds)
    assert host.attempts[1] - host.attempts[0] == timedelta(seconds=5)


@pytest.mark.parametrize(("chance", "seconds"), [(0.0, 2.5), (1.0, 5.0)])
def test_pauses_are_jittered(chance: float, seconds: float) -> None:
    """A fleet does not return to Vault all at once."""
    host = Simulation(failing=(A,))
    rounds = host.rounds(chance=chance)
    while len(host.attempts) < 2:
        next(rounds)
    assert host.attempts[1] - host.attempts[0] == timedelta(seconds=seconds)


def test_short_validity_has_short_pauses() -> None:
    """They are at most a quarter of the time from due to expiry."""
    host = Simulation(validity=MINUTE, failing=(A,))
    host.due[A] = START
    rounds = host.rounds()
    while len(host.attempts) < 6:
        next(rounds)
    assert {
        (after - before).total_seconds()
        for before, after in zip(host.attempts, host.attempts[1:], strict=False)
    } == {5.0}


def test_failing_credential_delays_no_other() -> None:
    """It waits for its pause, and the others are renewed in time."""
    host = Simulation(validity=3 * HOUR, known=(A, B), failing=(A,))
    host.due = {A: START, B: START + 10 * MINUTE}
    host.watch(HOUR)
    assert (B, START + 10 * MINUTE) in host.renewed


def test_credential_that_is_still_due_after_its_renewal_is_a_failure() -> None:
    """Otherwise it would be renewed without end, for example with a wrong clock."""
    host = Simulation(validity=timedelta(0))
    rounds = host.watch(HOUR)
    assert len(host.renewed) < 25
    assert rounds[-1].failing_since == START


@pytest.mark.parametrize("jump", [5 * DAY, -5 * DAY])
def test_clock_that_jumps_is_noticed_at_the_next_tick(jump: timedelta) -> None:
    """So is a suspended host: what is due is renewed, and Vault is asked."""
    host = Simulation(validity=3 * DAY, jumps={3: jump})
    rounds = host.rounds()
    for _ in range(5):
        next(rounds)
    assert len(host.attempts) == 2
    assert host.attempts[1] == START + 3 * MINUTE + jump
    assert len(host.renewed) == (2 if jump > timedelta() else 1)


def test_error_of_the_first_round_is_raised() -> None:
    """A wrong setting is an error at the start, and a failure like others later."""
    host = Simulation(error=InvalidSetting("no"))
    with pytest.raises(InvalidSetting):
        next(host.rounds())
    host = Simulation(validity=MINUTE)
    rounds = host.rounds()
    next(rounds)
    host.error = VaultUnreachable("no")
    assert next(rounds).failing_since == host.now
    assert next(rounds).failing_since is not None
    host.error = None
    while (done := next(rounds)).failing_since is not None:
        pass
    assert done.done


def test_renewal_is_judged_by_the_clock_of_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the start of the round its certificate did not exist, so it seems to be of the future."""
    host, issued = Simulation(), START + timedelta(seconds=5)

    def renew(directories: Sequence[Path]) -> Iterator[Renewal]:
        host.now = issued
        yield from (Renewal(each, Action.RENEWED, vault_asked=True) for each in directories)

    def due_at(_: Path, now: datetime) -> datetime:
        return issued + HOUR if now >= issued else now

    monkeypatch.setattr(host, "renew", renew)
    monkeypatch.setattr(host, "due_at", due_at)
    assert next(host.rounds()).next_due == issued + HOUR


def test_error_of_a_later_round_ends_nothing() -> None:
    """Each attempt logs it, such as a hook that others can now write to, and then pauses."""
    host = Simulation(due={A: START})
    work = host.due_at

    def due_at(directory: Path, now: datetime) -> datetime:
        if host.renewed:
            host.error = InvalidSetting("another user can write the hook")
            raise host.error
        return work(directory, now)

    host.due_at = due_at  # type: ignore[method-assign]
    found = list(itertools.islice(host.rounds(), 3))
    assert [each.failing_since is not None for each in found] == [True, True, True]
    assert len(host.attempts) == 3
    assert min(host.sleeps) > 1


def test_request_to_check_everything_skips_all_pauses() -> None:
    """This includes the pause after a failure."""
    host = Simulation(failing=(A,), wakes=True)
    rounds = host.rounds()
    for _ in range(4):
        next(rounds)
    assert len(host.attempts) == 4


def test_credential_that_is_issued_later_is_watched() -> None:
    """One that is gone is forgotten."""
    host = Simulation(known=())
    rounds = host.rounds()
    assert next(rounds) == Round(START, (), 0, None, None)
    host.known = (A,)
    assert next(rounds).count == 1
    assert host.renewed == [(A, START + MINUTE)]
    host.failing, host.due[A] = (A,), START
    assert next(rounds).failing_since is not None
    host.known = ()
    assert next(rounds).failing_since is None


def test_memory_does_not_grow_with_rounds() -> None:
    """There are thousands of them, with failures."""
    host = Simulation(validity=MINUTE)
    rounds = host.rounds()

    def pass_by(count: int) -> int:
        for number in range(count):
            host.failing = (A,) if number % 7 == 0 else ()
            next(rounds)
        for kept in (host.renewed, host.attempts, host.sleeps):
            kept.clear()
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        before = pass_by(500)
        assert pass_by(5000) - before < 20_000
    finally:
        tracemalloc.stop()


RUNNING = Running({}, MINUTE)


def _put(out: Path, **changes: object) -> None:
    due = Due(plan(START, START + 3 * HOUR, "a"))
    record = replace(CLIENT, **changes)  # type: ignore[arg-type]  # of a test
    store.install(record.place(out), replace(material(1), due=due), record, replace=True, now=START)


def _due(out: Path, now: datetime) -> datetime:
    return due_at(out, now, running=RUNNING, admins=None)


def test_due_time_is_found_without_vault(tmp_path: Path) -> None:
    """It is that of the schedule, or now for damage or a wrong clock."""
    _put(tmp_path)
    due = plan(START, START + 3 * HOUR, "a").due
    assert _due(tmp_path, START + MINUTE) == due
    late = due + MINUTE
    assert _due(tmp_path, late) == late
    early = START - DAY
    assert _due(tmp_path, early) == early
    (tmp_path / "cert.pem").unlink()
    assert _due(tmp_path, START + MINUTE) == START + MINUTE
    assert _due(tmp_path / "none", START) == START


@pytest.mark.parametrize(
    ("window", "opens"),
    [(None, START + HOUR), ("02:00-04:00", START + 2 * HOUR)],
)
def test_pending_hooks_are_due_in_their_window(
    tmp_path: Path, window: str | None, opens: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a window, they are due at once."""
    monkeypatch.setenv("TZ", "UTC")
    _put(tmp_path, hooks=(("true",),), window=window and parse_window(window))
    state = State("another", START + DAY)
    with store.renewing(CLIENT.place(tmp_path)):
        store.remember(CLIENT.place(tmp_path), state)
    assert _due(tmp_path, START + HOUR) == min(opens, plan(START, START + 3 * HOUR, "a").due)
