"""When a user wants a certificate to be renewed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from dockertls_vault.certificate.schedule import plan
from dockertls_vault.certificate.threshold import Threshold, parse_threshold
from dockertls_vault.errors import InvalidInput

ISSUED = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("8h", timedelta(hours=8)),
        ("30%", 0.3),
        (" 0.5% ", 0.005),
        ("100%", 1.0),
    ],
)
def test_threshold_is_a_duration_or_a_percentage(text: str, left: timedelta | float) -> None:
    """Both as openssl's ``-checkend`` and cert-manager's ``renewBeforePercentage`` know them."""
    assert parse_threshold(text) == Threshold(left)


@pytest.mark.parametrize("text", ["0%", "101%", "%", "-1%", "1e1%", "x%", "", "8", "30 %", "0h"])
def test_invalid_threshold_is_rejected(text: str) -> None:
    """A percentage has limits, and a duration needs a unit."""
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
def test_threshold_is_reached_once_less_is_left(
    threshold: str, hours_left: int, *, reached: bool
) -> None:
    """The validity is a day; an expired certificate is below any threshold."""
    day = plan(ISSUED, ISSUED + timedelta(days=1), "")
    now = day.end - timedelta(hours=hours_left)
    assert parse_threshold(threshold).reached(day, now) is reached
