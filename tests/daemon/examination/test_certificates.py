"""A certificate in memory that is not the one on disk, and CAs near their end."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from dockertls_vault.certificate.also_trusted import AlsoTrusted
from dockertls_vault.daemon.examination import certificates
from dockertls_vault.docker.handshake.outcome import Greeting
from dockertls_vault.duration import format_time
from tests.certificates import Authority

if TYPE_CHECKING:
    from dockertls_vault.docker.diagnosis.report import CheckResult

OURS, NEXT = Authority.create("ours"), Authority.create("next")
NAMES = [OURS.certificate.subject]
OLD, NEW = OURS.server().certificate, OURS.server().certificate
ASKING = Greeting(b"", asks=True, authorities=(OURS.certificate.subject,))
BOTH = [OURS.certificate.subject, NEXT.certificate.subject]


def stale(*, greeting: Greeting = ASKING, **changes: object) -> CheckResult:
    """Judge a daemon that serves what is on disk, except for these changes."""
    usual: dict[str, object] = {"served": NEW, "on_disk": NEW, "trusted": NAMES, "by_systemd": True}
    return certificates.judge_stale(greeting, **{**usual, **changes})  # type: ignore[arg-type]  # each is what its name says


@pytest.mark.parametrize(
    ("judged", "result", "words"),
    [
        (stale(), "ok", "as in tlscert"),
        (stale(served=OLD), "warning", "tlscert holds"),
        (stale(served=None), "skipped", "no certificate was received"),
        (stale(on_disk="needs root: /c"), "skipped", "needs root: /c"),
        (stale(trusted="needs root: /ca"), "skipped", "needs root: /ca"),
        (stale(served=OLD, trusted="needs root: /ca"), "warning", "tlscert holds"),
        (stale(trusted=BOTH), "warning", "it does not accept yet CN=next"),
        (
            stale(greeting=replace(ASKING, authorities=tuple(BOTH))),
            "warning",
            "it still accepts CN=next",
        ),
        (stale(greeting=replace(ASKING, authorities=(BOTH[1],))), "warning", "yet CN=ours; it st"),
        (stale(greeting=replace(ASKING, authorities=())), "ok", "as in tlscert"),
        (stale(greeting=replace(ASKING, unreadable=1), trusted=BOTH), "ok", "as in tlscert"),
        (stale(greeting=replace(ASKING, asks=False), trusted=BOTH), "ok", "as in tlscert"),
    ],
)
def test_files_replaced_since_the_start_are_a_warning(
    judged: CheckResult, result: str, words: str
) -> None:
    """Both the certificate and the CAs are compared, if the handshake shows them."""
    assert judged.result == result
    assert words in judged.summary
    assert ("restart dockerd" in (judged.remedy or "")) == (result == "warning")


NOW = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def ca(validity: timedelta, left: timedelta, name: str = "ca") -> Authority:
    """Return a CA with a validity, of which this is left."""
    return Authority.create(name, not_before=NOW + left - validity, lifetime=validity)


def under(root: Authority, left: timedelta) -> Authority:
    """Return an intermediate of a hundred days, of which this is left."""
    return root.intermediate(not_before=NOW + left - 100 * DAY, lifetime=100 * DAY)


YEARS = ca(3650 * DAY, 91 * DAY, "years")


@pytest.mark.parametrize(
    ("roots", "chain", "result"),
    [
        ([YEARS], [], "ok"),
        ([ca(3650 * DAY, 89 * DAY)], [], "warning"),
        ([ca(30 * DAY, 11 * DAY)], [], "ok"),
        ([ca(30 * DAY, 9 * DAY)], [], "warning"),
        ([ca(30 * DAY, timedelta(0))], [], "error"),
        ([ca(30 * DAY, -DAY), YEARS], [], "ok"),
        ([YEARS], [under(YEARS, 34 * DAY)], "ok"),
        ([YEARS], [under(YEARS, 33 * DAY)], "warning"),
        ([YEARS], [under(YEARS, -DAY)], "error"),
        ([YEARS], [ca(30 * DAY, DAY)], "ok"),
    ],
)
def test_ca_near_its_end_is_a_warning(
    roots: list[Authority], chain: list[Authority], result: str
) -> None:
    """Within 90 days or a third of its validity; of several roots, the last one counts."""
    judged = certificates.judge_cas(
        [root.certificate for root in roots], [each.certificate for each in chain], (), NOW
    )
    assert judged.result == result
    assert bool(judged.remedy) == (result != "ok")


def test_unreadable_cas_are_left_out() -> None:
    """Without any, there is nothing to judge."""
    assert (
        certificates.judge_cas("needs root: /ca.pem", [], (), NOW).summary == "needs root: /ca.pem"
    )
    assert certificates.judge_cas([], [], (), NOW).result == "ok"
    expired = certificates.judge_cas([ca(DAY, -DAY, "a\nb").certificate], [], (), NOW)
    assert r"a\nb: expired at 2025-12-31" in expired.summary


def test_ca_that_should_have_been_removed_is_a_warning() -> None:
    """Nothing enforces an end date unless `renew` runs; one that has left is no problem."""
    old, root = YEARS.certificate, ca(3650 * DAY, 3000 * DAY).certificate
    also = [AlsoTrusted(old, NOW)]
    judged = certificates.judge_cas([root, old], [], also, NOW)
    assert judged.result == "warning"
    assert "dockertls-vault renew" in (judged.remedy or "")
    assert f"CN=years: should have been removed at {format_time(NOW)}" in judged.summary
    assert certificates.judge_cas([root], [], also, NOW).result == "ok"
    assert certificates.judge_cas([root, old], [], also, NOW - DAY).result == "ok"
