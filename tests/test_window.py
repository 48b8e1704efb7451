"""The window in which a daemon may be restarted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockertls_vault.errors import InvalidInput
from dockertls_vault.window import parse_window

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)  # a Wednesday


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("Sat 02:00-04:00", "Sat 02:00-04:00"),
        ("saturday 2:00 - 4:00", "Sat 02:00-04:00"),
        ("Mon..Fri 22:00-06:00", "Mon,Tue,Wed,Thu,Fri 22:00-06:00"),
        ("Fri..Mon 22:00-06:00", "Mon,Fri,Sat,Sun 22:00-06:00"),
        ("Sat,Sun 03:00-05:30", "Sat,Sun 03:00-05:30"),
        ("Mon..Sun 02:00-04:00", "02:00-04:00"),
        ("02:00-04:00", "02:00-04:00"),
    ],
)
def test_window_is_parsed_in_systemds_notation(text: str, written: str) -> None:
    """Days are one, a list, or a range, also over the weekend; none means every day."""
    assert str(parse_window(text)) == written
    assert parse_window(written) == parse_window(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Sat",
        "Sat 02:00",
        "Sat 24:00-01:00",
        "Sat 02:60-03:00",
        "Sat 02:00-02:00",
        "Caturday 02:00-04:00",
        "Sat.. 02:00-04:00",
        ", 02:00-04:00",
        "Sat 02:00-04:00 UTC",
    ],
)
def test_invalid_window_is_rejected(text: str) -> None:
    """It has no end, is empty, or has an unknown day."""
    with pytest.raises(InvalidInput, match="window"):
        parse_window(text)


@pytest.mark.parametrize(
    ("window", "now", "start", "end"),
    [
        ("Sat 02:00-04:00", "2026-03-04 12:00", "2026-03-07 02:00", "2026-03-07 04:00"),
        ("Sat 02:00-04:00", "2026-03-07 02:00", "2026-03-07 02:00", "2026-03-07 04:00"),
        ("Sat 02:00-04:00", "2026-03-07 03:59", "2026-03-07 02:00", "2026-03-07 04:00"),
        ("Sat 02:00-04:00", "2026-03-07 04:00", "2026-03-14 02:00", "2026-03-14 04:00"),
        ("Sat 22:00-02:00", "2026-03-08 01:00", "2026-03-07 22:00", "2026-03-08 02:00"),
        ("22:00-02:00", "2026-03-04 01:00", "2026-03-03 22:00", "2026-03-04 02:00"),
        ("22:00-02:00", "2026-03-04 02:00", "2026-03-04 22:00", "2026-03-05 02:00"),
    ],
)
def test_window_is_open_or_opens_next(window: str, now: str, start: str, end: str) -> None:
    """Its end is exclusive; one over midnight belongs to the day on which it opens."""
    opening = parse_window(window).opening(datetime.fromisoformat(f"{now}+00:00"), UTC)
    assert f"{opening.start:%F %H:%M}" == start
    assert f"{opening.end:%F %H:%M}" == end


@pytest.mark.parametrize(
    ("window", "start", "length"),
    [
        # 2026-03-29 02:00 in Berlin is 03:00 at once; the window of that day has an hour less.
        ("Sun 01:00-04:00", "2026-03-29T00:00", 2),
        # Nothing is left of this one, so that the next is a week later.
        ("Sun 02:00-03:00", "2026-04-05T00:00", 1),
    ],
)
def test_daylight_saving_time_moves_no_window(window: str, start: str, length: int) -> None:
    """The wall clock counts."""
    now = datetime(2026, 3, 28, 12, tzinfo=UTC)
    opening = parse_window(window).opening(now, BERLIN)
    assert opening.start == datetime.fromisoformat(f"{start}+00:00")
    assert opening.end - opening.start == timedelta(hours=length)


def test_opening_includes_its_start_but_not_its_end() -> None:
    """It begins at its start."""
    opening = parse_window("Sat 02:00-04:00").opening(NOW, UTC)
    second = timedelta(seconds=1)
    assert not opening.contains(opening.start - second)
    assert opening.contains(opening.start)
    assert opening.contains(opening.end - second)
    assert not opening.contains(opening.end)


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)),  # noqa: DTZ001 - made UTC below
    st.sampled_from(["Sat 02:00-03:00", "Mon..Fri 22:00-06:00", "12:00-11:59", "Sun 02:30-02:31"]),
    st.sampled_from([None, UTC, BERLIN, ZoneInfo("Australia/Lord_Howe")]),
)
def test_every_window_opens_within_two_weeks(
    naive: datetime, text: str, zone: ZoneInfo | None
) -> None:
    """This holds at any time of a year, in any time zone."""
    now = naive.replace(tzinfo=UTC)
    opening = parse_window(text).opening(now, zone)
    assert now < opening.end <= now + timedelta(days=15)
    assert opening.contains(max(now, opening.start))
