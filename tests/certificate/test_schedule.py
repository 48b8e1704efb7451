"""When a certificate is due for renewal."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockertls_vault.certificate.schedule import (
    Schedule,
    from_json,
    plan,
    to_json,
)

ISSUED = datetime(2026, 3, 1, 12, tzinfo=UTC)
WEEK = timedelta(days=7)
LENGTHS = st.timedeltas(timedelta(seconds=1), timedelta(days=3650))


@given(LENGTHS, st.text())
def test_certificate_is_due_at_two_thirds_give_or_take_a_tenth(
    length: timedelta, seed: str
) -> None:
    """This holds for any seed."""
    due = plan(ISSUED, ISSUED + length, seed).due
    assert 2 / 3 - 1 / 10 - 1e-6 <= (due - ISSUED) / length <= 2 / 3 + 1 / 10 + 1e-6


def test_due_time_is_a_function_of_the_seed() -> None:
    """It depends neither on the process nor on its hash seed."""
    due = plan(ISSUED, ISSUED + WEEK, "docker1.example.internal:/etc/docker/tls").due
    assert due.replace(microsecond=0) == datetime(2026, 3, 5, 21, 31, 54, tzinfo=UTC)


def test_fleet_is_spread_over_a_fifth_of_the_validity() -> None:
    """Each tenth of the spread gets its share of a thousand hosts."""
    shares = [0] * 10
    for number in range(1000):
        due = plan(ISSUED, ISSUED + WEEK, f"host{number}:/etc/docker/tls").due
        part = (due - ISSUED) / WEEK
        shares[int((part - (2 / 3 - 1 / 10)) * 50)] += 1
    assert min(shares) > 60


@pytest.mark.parametrize("hours", [(0, 0, 1), (0, 1, 1), (1, 0, 2), (0, 2, 1)])
def test_times_out_of_order_are_no_schedule(hours: tuple[int, int, int]) -> None:
    """A certificate would otherwise be due always, or never."""
    with pytest.raises(ValueError, match="issued"):
        Schedule(*(ISSUED + timedelta(hours=hour) for hour in hours))
    with pytest.raises(ValueError, match="issued"):
        plan(ISSUED, ISSUED, "")


def test_schedule_survives_a_round_trip_through_json() -> None:
    """Times keep their microseconds."""
    schedule = plan(ISSUED, ISSUED + WEEK, "a")
    assert from_json(json.loads(json.dumps(to_json(schedule)))) == schedule


@pytest.mark.parametrize(
    "kept",
    [
        {},
        [],
        None,
        {"issued": 1, "due": 2, "end": 3},
        {"issued": "2026-01-01", "due": "2026-01-02", "end": "2026-01-03"},
        {"issued": "2026-01-03T00:00Z", "due": "2026-01-02T00:00Z", "end": "2026-01-01T00:00Z"},
        {"issued": "x", "due": "x", "end": "x"},
    ],
)
def test_invalid_json_is_no_schedule(kept: object) -> None:
    """Nor are times without a zone, or out of order."""
    with pytest.raises((ValueError, TypeError, KeyError)):
        from_json(kept)


def test_fleet_does_not_renew_at_once() -> None:
    """60 hosts with certificates of the same minute renew over at least a tenth of the validity."""
    minute = timedelta(minutes=1)
    seeds = (f"host{number}:/etc/docker/tls" for number in range(60))
    dues = [plan(ISSUED, ISSUED + minute, seed).due for seed in seeds]
    assert max(dues) - min(dues) >= minute / 10
    assert min(dues) >= ISSUED + minute * (2 / 3 - 1 / 10)
    assert max(dues) <= ISSUED + minute * (2 / 3 + 1 / 10)
