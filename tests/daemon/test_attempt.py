"""The attempt to restart dockerd, as it is recorded."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from dockertls_vault.daemon import attempt
from dockertls_vault.daemon.attempt import Attempt
from dockertls_vault.files import fsuid
from dockertls_vault.host import systemd
from tests.harness.missing import as_root

if TYPE_CHECKING:
    from pathlib import Path

NOBODY = 65534

BEFORE = Attempt("a", "1")


@pytest.mark.parametrize("noted", [BEFORE, Attempt("a", None), Attempt("a", "2", "t", "1")])
def test_attempt_is_read_as_it_was_written(noted: Attempt) -> None:
    """As JSON."""
    assert Attempt.from_bytes(noted.to_bytes()) == noted


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


@as_root
def test_trust_is_not_known_to_who_may_not_look(
    shared_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A restart goes on, and what was logged before does not count."""
    monkeypatch.setattr(
        systemd, "properties", lambda *names, **_: ("", []) if "Unit" in names else ([],)
    )
    monkeypatch.setattr(systemd, "invocation", lambda *_: "1")
    private = shared_directory / ".dockertls"
    private.mkdir()
    (private / "narrowed").touch()
    ca, cert, key = (shared_directory / name for name in ("ca.pem", "cert.pem", "key.pem"))

    def now() -> Attempt:
        return attempt.of_now((ca, cert, key), shared_directory / "daemon.json", 1)

    assert now().trust is not None
    private.chmod(0o700)
    assert fsuid.as_user(NOBODY, now).trust is None


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
