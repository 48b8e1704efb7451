"""The attempt to restart dockerd, as it is recorded."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dockertls_vault.daemon.attempt import Attempt

BEFORE = Attempt("a", "1")


@pytest.mark.parametrize("attempt", [BEFORE, Attempt("a", None), Attempt("a", "2", "t", "1")])
def test_attempt_is_read_as_it_was_written(attempt: Attempt) -> None:
    """As JSON."""
    assert Attempt.from_bytes(attempt.to_bytes()) == attempt


KEPT: dict[str, Any] = json.loads(BEFORE.to_bytes())
OTHERS: list[object] = [
    {},
    KEPT | {"version": 2},
    KEPT | {"files": None},
    KEPT | {"invocation": 1},
    KEPT | {"trust": ["t"]},
    KEPT | {"after": {}},
    *({name: value for name, value in KEPT.items() if name != missing} for missing in KEPT),
]


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff", b"[]", b"[" * 100_000, *(json.dumps(each).encode() for each in OTHERS)],
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


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (Attempt("a", "1", "t", "0"), "0"),
        (Attempt("a", "1", "u", "0"), "2"),
        (Attempt("a", "1", None, "0"), "2"),
        (None, "2"),
    ],
)
def test_attempt_goes_on_with_one_of_the_same_trust(before: Attempt | None, after: str) -> None:
    """Otherwise the runs after the present one count."""
    assert Attempt("b", "2", "t").following(before) == Attempt("b", "2", "t", after)


def test_trust_that_is_not_known_is_not_the_same() -> None:
    """As for a credential of another tool."""
    assert Attempt("b", "2").following(Attempt("a", "1", None, "0")).after == "2"
