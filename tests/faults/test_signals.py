"""The short form of `make test-faults`: a signal at each request of a run, and at its answer."""

from __future__ import annotations

import itertools
import signal
from typing import TYPE_CHECKING

import pytest

from tests.vault.operator import Operator

from . import signals

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness.openbao import DevVault

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("answered", [False, True], ids=["request", "answer"])
def test_token_left_by_a_signal_is_always_reported(
    openbao: DevVault, tmp_path: Path, answered: bool
) -> None:
    """At the login, between requests, at signing and at revocation; files are complete."""
    role = signals.Role.make(Operator.of(openbao))
    before = role.accessors()
    whole = signals.at_request(role, tmp_path / "whole", signal.SIGTERM, None, answered=answered)
    assert (whole.status, role.accessors()) == (0, before)
    assert whole.requests > 3
    for nth, number in zip(range(whole.requests), itertools.cycle(signals.SIGNALS)):
        home = tmp_path / str(nth)
        outcome = signals.at_request(role, home, number, nth, answered=answered)
        assert list(signals.judge(role, before, outcome, home, number)) == []
        # During the revocation, the files are installed: afterwards the signal comes too late.
        installed = nth == whole.requests - 1 and (home / ".docker" / "cert.pem").exists()
        assert outcome.status == (0 if installed else 128 + number)


def test_token_is_reported_at_random_instants(openbao: DevVault, tmp_path: Path) -> None:
    """The long form, `make test-faults`, tries many more."""
    role = signals.Role.make(Operator.of(openbao))
    statuses, wrong = signals.at_random(role, tmp_path, 5, seed=1)
    assert sum(statuses.values()) == 5
    assert wrong == []
