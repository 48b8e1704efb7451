"""When a certificate is due for renewal."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockertls_vault.certificate.schedule import (
    Schedule,
    Threshold,
    from_json,
    parse_threshold,
    plan,
    to_json,
)
from dockertls_vault.errors import InvalidInput

ISSUED = datetime(2026, 3, 1, 12, tzinfo=UTC)
WEEK = timedelta(days=7)
LENGTHS = st.timedeltas(timedelta(seconds=1), timedelta(days=3650))


@given(LENGTHS, st.text())
def test_a_certificate_is_due_at_two_thirds_give_or_take_a_tenth(
    length: timedelta, seed: str
) -> None:
    """Whatever the seed, it is after the issue and well before the end."""
    due = plan(ISSUED, ISSUED + length, seed).due
    assert 2 / 3 - 1 / 10 - 1e-6 <= (due - ISSUED) / length <= 2 / 3 + 1 / 10 + 1e-6


def test_the_same_credential_is_always_due_at_the_same_time() -> None:
    """Neither the process nor its hash seed matters: the time is a constant of the seed."""
    due = plan(ISSUED, ISSUED + WEEK, "docker1.example.internal:/etc/docker/tls").due
    assert due.replace(microsecond=0) == datetime(2026, 3, 5, 21, 31, 54, tzinfo=UTC)


def test_a_fleet_is_spread_over_a_fifth_of_the_validity() -> None:
    """Of a thousand hosts, each tenth of the spread gets its share."""
    shares = [0] * 10
    for number in range(1000):
        due = plan(ISSUED, ISSUED + WEEK, f"host{number}:/etc/docker/tls").due
        part = (due - ISSUED) / WEEK
        shares[int((part - (2 / 3 - 1 / 10)) * 50)] += 1
    assert min(shares) > 60


@pytest.mark.parametrize("hours", [(0, 0, 1), (0, 1, 1), (1, 0, 2), (0, 2, 1)])
def test_what_would_never_be_renewed_has_no_schedule(hours: tuple[int, int, int]) -> None:
    """Nor has what would always be: the three times follow one another."""
    with pytest.raises(ValueError, match="issued"):
        Schedule(*(ISSUED + timedelta(hours=hour) for hour in hours))
    with pytest.raises(ValueError, match="issued"):
        plan(ISSUED, ISSUED, "")


def test_a_schedule_is_read_as_it_was_written() -> None:
    """To the microsecond."""
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
def test_anything_else_is_no_schedule(kept: object) -> None:
    """Neither without a time zone, nor in another order."""
    with pytest.raises((ValueError, TypeError, KeyError)):
        from_json(kept)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("8h", timedelta(hours=8)),
        ("30%", 0.3),
        (" 0.5% ", 0.005),
        ("100%", 1.0),
    ],
)
def test_a_threshold_is_a_duration_or_a_percentage(text: str, left: timedelta | float) -> None:
    """Both as openssl's ``-checkend`` and cert-manager's ``renewBeforePercentage`` know them."""
    assert parse_threshold(text) == Threshold(left)


@pytest.mark.parametrize("text", ["0%", "101%", "%", "-1%", "1e1%", "x%", "", "8", "30 %", "0h"])
def test_anything_else_is_no_threshold(text: str) -> None:
    """A percentage has its bounds, and a duration its units."""
    with pytest.raises(InvalidInput):
        parse_threshold(text)


@pytest.mark.parametrize(
    ("threshold", "hours_left", "reached"),
    [
        ("8h", 9, False),
        ("8h", 8, False),
        ("8h", 7, True),
        ("50%", 13, False),
        ("50%", 11, True),
        ("1s", -1, True),
    ],
)
def test_a_threshold_is_reached_once_less_is_left(
    threshold: str, hours_left: int, *, reached: bool
) -> None:
    """Of a day's validity; what has expired is due by any threshold."""
    day = plan(ISSUED, ISSUED + timedelta(days=1), "")
    now = day.end - timedelta(hours=hours_left)
    assert parse_threshold(threshold).reached(day, now) is reached
