"""A clock that jumps by days, either way, before a run and back after it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from dockertls_vault.errors import RenewalFailed, RenewalOverdue
from dockertls_vault.renew import Action

from .harness.dialect.servers import on_openbao
from .trees import tree

if TYPE_CHECKING:
    from .hosts import Host

pytestmark = on_openbao


@pytest.mark.parametrize("days", [-400, -10, -1])
def test_clock_set_back_replaces_nothing(host: Host, days: int) -> None:
    """Vault's certificate would not be valid yet; nothing is due once the clock is right."""
    host.issue()
    before = tree(host.out)
    host.ahead = timedelta(days=days)
    for _ in range(3):
        error = host.renew().error
        assert isinstance(error, RenewalFailed)
        assert "behind Vault's" in error.problems[0]
        assert "check this machine's clock" in error.hint
    host.ahead = timedelta()
    assert host.renew().action is Action.NOTHING
    assert tree(host.out) == before


@pytest.mark.parametrize("days", [7.1, 30, 400])
def test_clock_set_ahead_of_the_end_replaces_nothing(host: Host, days: float) -> None:
    """Vault's certificate has expired by that clock; nothing is due once it is right."""
    host.issue()
    before = tree(host.out)
    host.ahead = timedelta(days=days)
    for _ in range(3):
        error = host.renew().error
        assert isinstance(error, RenewalOverdue)
        assert "ahead of Vault's" in error.problems[0]
    host.ahead = timedelta()
    assert host.renew().action is Action.NOTHING
    assert tree(host.out) == before


@pytest.mark.parametrize("days", [5.5, 6.9, -0.002])
def test_clock_within_the_validity_renews_once_each_way(host: Host, days: float) -> None:
    """It renews when due by that clock, and when the certificate is from the future."""
    host.issue()
    host.ahead = timedelta(days=days)
    done = host.renew()
    assert done.action is Action.RENEWED
    assert "this machine's clock is" in done.warnings[0]
    assert [host.renew().action for _ in range(3)] == [Action.NOTHING] * 3
    host.ahead = timedelta()
    back = [host.renew().action for _ in range(3)]
    assert back == [Action.RENEWED if days > 0 else Action.NOTHING, *[Action.NOTHING] * 2]


def test_clock_that_jumps_during_a_run_is_an_error(host: Host) -> None:
    """It jumps between the decision and the signature."""
    host.issue()
    times = iter([host.clock() + timedelta(days=6)])
    right = host.clock
    host.clock = lambda: next(times, right())  # type: ignore[method-assign]
    assert host.renew().action is Action.RENEWED
    assert host.renew().action is Action.NOTHING
