"""Durations: parsing, formatting, and what is refused."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockertls_vault.duration import format_duration, parse_duration, parse_ttl, to_seconds
from dockertls_vault.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("15m", 900),
        ("1h30m", 5400),
        ("7d", 604800),
        ("2w", 1209600),
        ("1.5m", 90),
        ("1h1.5s", 3601.5),
        (".5s", 0.5),
        ("500ms", 0.5),
        ("20us", 0.00002),
        ("1ns", 0.000001),
        ("90", 90),
        (" 1H ", 3600),
    ],
)
def test_duration_is_parsed_as_in_go_and_vault(text: str, seconds: float) -> None:
    """Each unit, several in a row, fractions, and seconds without a unit."""
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "0s",
        "-5m",
        "0ms",
        "1.5.5h",
        ".h",
        "5 m",
        "m",
        "5y",
        "h5",
        "\N{ARABIC-INDIC DIGIT FIVE}m",
        "300000d",
        "9" * 12 + "d",
    ],
)
def test_invalid_duration_is_refused(text: str) -> None:
    """Empty, zero, another unit, or longer than Vault can represent."""
    with pytest.raises(InvalidInput) as refusal:
        parse_duration(text)
    assert refusal.value.hint


@pytest.mark.parametrize(
    ("text", "words", "hint"),
    [
        ("7", "without a unit: '7'", "7d for days, 7s for seconds"),
        ("0", "out of range", "longer than zero"),
        ("500ms", "a fraction of a second", "seconds"),
        ("soon", "invalid duration", "7d"),
    ],
)
def test_invalid_ttl_is_refused(text: str, words: str, hint: str) -> None:
    """In particular a number without a unit, which is ambiguous."""
    with pytest.raises(InvalidInput, match=words) as refusal:
        parse_ttl(text)
    assert hint in refusal.value.hint


def test_ttl_is_parsed() -> None:
    """With a unit, in whole seconds; a week is seven days."""
    assert parse_ttl("1w") == parse_ttl("7d") == timedelta(days=7)
    assert parse_ttl("1.5h") == timedelta(minutes=90)


@given(st.integers(min_value=1, max_value=10**9))
def test_formatted_duration_is_parsed_back(seconds: int) -> None:
    """This holds for both formats."""
    duration = timedelta(seconds=seconds)
    assert parse_duration(format_duration(duration)) == duration
    assert parse_duration(to_seconds(duration)) == duration


@given(st.text(max_size=20))
def test_any_text_is_a_positive_duration_or_refused(text: str) -> None:
    """No other exception is raised."""
    try:
        duration = parse_duration(text)
    except InvalidInput:
        return
    assert duration > timedelta(0)


def test_negative_duration_has_a_minus_sign() -> None:
    """An expired certificate has a negative time left."""
    assert format_duration(timedelta(seconds=-90)) == "-1m30s"


@pytest.mark.parametrize("parse", [parse_duration, parse_ttl])
@pytest.mark.parametrize("text", ["1M", "2h1M", " 3M "])
def test_month_is_not_taken_for_a_minute(parse: Callable[[str], timedelta], text: str) -> None:
    """Go has no unit M; the hint mentions both."""
    with pytest.raises(InvalidInput, match="invalid duration") as refused:
        parse(text)
    assert refused.value.hint == "write a month as 30d; m is a minute"
