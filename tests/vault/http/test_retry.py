"""Pauses and time limits of attempts grow up to a maximum."""

from __future__ import annotations

import pytest

from dockertls_vault.vault.http import retry


@pytest.mark.parametrize(
    ("attempt", "random", "seconds"),
    [(0, 1.0, 0.1), (0, 0.0, 0.05), (1, 1.0, 0.2), (3, 0.0, 0.4), (5, 1.0, 2.0), (10**6, 0.0, 1.0)],
)
def test_pause_grows_from_100_ms_to_2_s(attempt: int, random: float, seconds: float) -> None:
    """Half of it is random; a huge number of attempts does not overflow."""
    assert retry.pause(attempt, lambda: random) == pytest.approx(seconds)


def test_time_per_attempt_doubles_from_5_s_to_20_s() -> None:
    """A number of attempts too large for a float does not overflow."""
    assert [retry.share(attempt) for attempt in range(3)] == [5.0, 10.0, 20.0]
    assert retry.share(10**6) == retry.share(10**3) > 3600
