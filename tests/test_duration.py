"""Durations: what is read, what is written, what is refused."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockertls_vault.duration import format_duration, parse_duration, to_seconds
from dockertls_vault.errors import InvalidInput


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("15m", 900), ("1h30m", 5400), ("7d", 604800), ("90", 90), (" 1H ", 3600)],
)
def test_durations_are_read_as_vault_writes_them(text: str, seconds: int) -> None:
    """Each unit, several in a row, and seconds without one."""
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "0s",
        "-5m",
        "1.5h",
        "5 m",
        "m",
        "5w",
        "h5",
        "\N{ARABIC-INDIC DIGIT FIVE}m",
        "300000d",
        "9" * 12 + "d",
    ],
)
def test_what_is_not_a_duration_is_refused(text: str) -> None:
    """Nothing, zero, fractions, other units and lives longer than Vault can count."""
    with pytest.raises(InvalidInput) as refusal:
        parse_duration(text)
    assert refusal.value.hint


@given(st.integers(min_value=1, max_value=10**9))
def test_what_is_written_is_read_back(seconds: int) -> None:
    """Formatting and parsing are each other's inverse, in both forms."""
    duration = timedelta(seconds=seconds)
    assert parse_duration(format_duration(duration)) == duration
    assert parse_duration(to_seconds(duration)) == duration


@given(st.text(max_size=20))
def test_any_text_is_a_duration_longer_than_zero_or_refused(text: str) -> None:
    """No text raises anything else."""
    try:
        duration = parse_duration(text)
    except InvalidInput:
        return
    assert duration > timedelta(0)


def test_negative_durations_are_written_with_a_minus() -> None:
    """An expired certificate has a negative time left; it must not look like a positive one."""
    assert format_duration(timedelta(seconds=-90)) == "-1m30s"
