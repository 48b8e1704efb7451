"""The attempt to restart dockerd, as it is recorded."""

from __future__ import annotations

import json

import pytest

from dockertls_vault.daemon.attempt import Attempt

BEFORE = Attempt("a", "1")


@pytest.mark.parametrize("attempt", [BEFORE, Attempt("a", None)])
def test_attempt_is_read_as_it_was_written(attempt: Attempt) -> None:
    """As JSON."""
    assert Attempt.from_bytes(attempt.to_bytes()) == attempt


@pytest.mark.parametrize(
    "data", [b"", b"\xff", b"[]", b"{}", b"[" * 100_000, json.dumps({"version": 2}).encode()]
)
def test_anything_else_counts_as_none(data: bytes) -> None:
    """Dockerd is restarted then."""
    assert Attempt.from_bytes(data) is None


@pytest.mark.parametrize(
    ("now", "is_read"),
    [
        (Attempt("a", "2"), True),
        (Attempt("a", "1"), False),
        (Attempt("b", "2"), False),
        (Attempt("b", "1"), False),
    ],
)
def test_only_a_later_run_has_read_the_files(now: Attempt, *, is_read: bool) -> None:
    """And only if they have not changed since."""
    assert BEFORE.has_led_to(now) is is_read
