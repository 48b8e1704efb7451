"""Clocks: whose time is used, and within which tolerance."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from dockertls_vault.certificate.clocks import CLOCK_TOLERANCE, Clocks
from dockertls_vault.vault.roles import BACKDATED

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("ahead", "agreed", "latest"),
    [
        (timedelta(0), timedelta(0), MINUTE),
        (2 * MINUTE, 2 * MINUTE, 3 * MINUTE),
        (-2 * MINUTE, -2 * MINUTE, MINUTE),
        (5 * MINUTE, 5 * MINUTE, 5 * MINUTE),
        (6 * MINUTE, 5 * MINUTE, 5 * MINUTE),
        (-6 * MINUTE, -5 * MINUTE, MINUTE),
        (datetime.max.replace(tzinfo=UTC) - NOW, 5 * MINUTE, 5 * MINUTE),
        (datetime.min.replace(tzinfo=UTC) - NOW, -5 * MINUTE, MINUTE),
    ],
)
def test_vaults_time_is_used_within_the_tolerance(
    ahead: timedelta, agreed: timedelta, latest: timedelta
) -> None:
    """A Vault with a wrong clock, or one that lies, shifts nothing by more than that."""
    clocks = Clocks(NOW, NOW + ahead)
    assert clocks.agreed == NOW + agreed
    assert clocks.latest == NOW + latest
    assert clocks.earliest == min(NOW, NOW + ahead)


def test_this_machines_clock_is_used_without_a_date_header() -> None:
    """A proxy may strip the header; then only the tolerance within a cluster remains."""
    clocks = Clocks(NOW)
    assert clocks.agreed == clocks.earliest == NOW
    assert clocks.latest == NOW + MINUTE


def test_tolerance_equals_the_backdating_of_certificates() -> None:
    """A host that is behind by the tolerance still finds its certificate valid."""
    assert CLOCK_TOLERANCE == BACKDATED


@pytest.mark.parametrize(
    ("vaults", "words"),
    [
        (None, "this machine's clock"),
        (NOW, "this machine's clock, in sync with Vault's"),
        (NOW + MINUTE, "this machine's clock, in sync with Vault's"),
        (NOW - MINUTE, "this machine's clock, in sync with Vault's"),
        (
            NOW + MINUTE + SECOND,
            "this machine's clock, which is 1m1s behind Vault's (its Date header)",
        ),
        (
            NOW - 90 * MINUTE,
            "this machine's clock, which is 1h30m ahead of Vault's (its Date header)",
        ),
    ],
)
def test_text_says_how_far_the_clocks_differ(vaults: datetime | None, words: str) -> None:
    """A user who reads that a certificate has expired learns whether the clock is to blame."""
    assert str(Clocks(NOW, vaults)) == words
