"""Pauses and shares grow, and stop growing."""

from __future__ import annotations

import pytest

from dockertls_vault.vault.http import retry


@pytest.mark.parametrize(
    ("attempt", "random", "seconds"),
    [(0, 1.0, 0.1), (0, 0.0, 0.05), (1, 1.0, 0.2), (3, 0.0, 0.4), (5, 1.0, 2.0), (10**6, 0.0, 1.0)],
)
def test_a_pause(attempt: int, random: float, seconds: float) -> None:
    """From a tenth of a second to two, half of it random; after weeks of tries, too."""
    assert retry.pause(attempt, lambda: random) == pytest.approx(seconds)


def test_a_share() -> None:
    """5 seconds, then 10, then 20; a number of tries that no float holds is one like any other."""
    assert [retry.share(attempt) for attempt in range(3)] == [5.0, 10.0, 20.0]
    assert retry.share(10**6) == retry.share(10**3) > 3600
