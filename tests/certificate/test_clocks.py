"""Clocks: whose time counts, and how far."""

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
def test_vaults_time_counts_within_the_tolerance(
    ahead: timedelta, agreed: timedelta, latest: timedelta
) -> None:
    """A Vault whose clock is far off, or that lies about it, moves nothing by more than that."""
    clocks = Clocks(NOW, NOW + ahead)
    assert clocks.agreed == NOW + agreed
    assert clocks.latest == NOW + latest
    assert clocks.earliest == min(NOW, NOW + ahead)


def test_without_a_date_this_machines_clock_counts() -> None:
    """A proxy may take the header away; then a cluster's tolerance is left."""
    clocks = Clocks(NOW)
    assert clocks.agreed == clocks.earliest == NOW
    assert clocks.latest == NOW + MINUTE


def test_the_tolerance_is_what_certificates_are_dated_back_for() -> None:
    """A host so far behind still finds its certificate valid."""
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
def test_words_say_how_far_the_clocks_are_apart(vaults: datetime | None, words: str) -> None:
    """Whoever reads that a certificate has expired learns whether the clock is to blame."""
    assert str(Clocks(NOW, vaults)) == words
