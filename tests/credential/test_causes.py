"""Why a credential is renewed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from dockertls_vault.certificate.also_trusted import AlsoTrusted
from dockertls_vault.certificate.names import Names
from dockertls_vault.certificate.schedule import Schedule
from dockertls_vault.certificate.threshold import parse_threshold
from dockertls_vault.credential import causes
from dockertls_vault.credential.causes import Cause, Reason
from dockertls_vault.duration import format_time
from tests.certificates import Authority

ISSUED = datetime(2026, 3, 1, tzinfo=UTC)
DAY = Schedule(ISSUED, ISSUED + timedelta(hours=16), ISSUED + timedelta(hours=24))


@pytest.mark.parametrize(
    ("hours", "threshold", "detail"),
    [
        (0, None, None),
        (15, None, None),
        (16, None, "due since 2026-03-01 16:00:00 UTC"),
        (23, None, "due since 2026-03-01 16:00:00 UTC"),
        (24, None, "expired at 2026-03-02 00:00:00 UTC"),
        (2400, None, "expired at 2026-03-02 00:00:00 UTC"),
        (-1, None, "issued at 2026-03-01 00:00:00 UTC, in the future"),
        (15, "8h", None),
        (16, "8h", None),
        (17, "8h", "expires in 7h"),
        (17, "10%", None),
        (22, "10%", "expires in 2h"),
        (24, "10%", "expired at 2026-03-02 00:00:00 UTC"),
        (-1, "10%", "issued at 2026-03-01 00:00:00 UTC, in the future"),
    ],
)
def test_credential_is_due_by_its_schedule_or_by_a_threshold(
    hours: int, threshold: str | None, detail: str | None
) -> None:
    """A threshold may be later; an expired or not yet valid certificate is always due."""
    limit = None if threshold is None else parse_threshold(threshold)
    found = causes.of_schedule(DAY, ISSUED + timedelta(hours=hours), limit)
    assert found == (() if detail is None else (Cause(Reason.DUE, detail),))


HOST = Names(("a.example", "localhost"), ("10.0.0.1",))


@pytest.mark.parametrize(
    ("before", "now", "added"),
    [
        (None, HOST, None),
        (HOST, HOST, None),
        (HOST, Names(("localhost", "a.example"), ("10.0.0.1",)), None),
        (HOST, Names(("localhost",)), None),
        (HOST, Names(("a.example", "localhost"), ("10.0.0.1", "10.0.0.2")), "10.0.0.2"),
        (HOST, Names(("b.example",), ("::1",)), "b.example, ::1"),
    ],
)
def test_new_name_of_the_machine_is_a_cause(
    before: Names | None, now: Names, added: str | None
) -> None:
    """Another order is not, nor is a name that is missing from DNS."""
    found = causes.of_names(before, now)
    expected = None if added is None else f"new on this machine: {added}"
    assert found == (() if expected is None else (Cause(Reason.NAMES_CHANGED, expected),))


def test_each_damage_is_a_separate_cause() -> None:
    """All are told at once."""
    assert causes.of_damage(("a", "b")) == (
        Cause(Reason.DAMAGED, "a"),
        Cause(Reason.DAMAGED, "b"),
    )


def test_root_that_was_added_or_removed_is_a_cause() -> None:
    """Each root is named, and the order does not matter."""
    first, second = (Authority.create(name).certificate for name in ("first", "second"))
    assert causes.of_trust((first, second), (second, first)) == ()
    assert causes.of_trust((first,), (first, second)) == (
        Cause(Reason.TRUST_CHANGED, "the mount has the root 'CN=second'"),
    )
    assert causes.of_trust((first, second), (second,)) == (
        Cause(Reason.TRUST_CHANGED, "the mount no longer has the root 'CN=first'"),
    )


def test_ca_of_the_request_is_a_cause_with_its_end_date() -> None:
    """If ca.pem lacks it, or still has it afterwards."""
    vault, old = (Authority.create(name).certificate for name in ("vault", "old"))
    also = (AlsoTrusted(old, ISSUED),)
    assert causes.of_trust((vault, old), (vault,), also) == (
        Cause(Reason.TRUST_CHANGED, f"'CN=old' was trusted until {format_time(ISSUED)}"),
    )
    assert causes.of_trust((vault,), (vault, old), also) == (
        Cause(
            Reason.TRUST_CHANGED,
            f"ca.pem lacks 'CN=old', which is to be trusted until {format_time(ISSUED)}",
        ),
    )
