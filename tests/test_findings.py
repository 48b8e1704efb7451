"""What is found about a credential, and how bad each finding is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dockertls_vault.certificate.also_trusted import AlsoTrusted
from dockertls_vault.certificate.certificate import describe
from dockertls_vault.certificate.schedule import Schedule
from dockertls_vault.certificate.threshold import parse_threshold
from dockertls_vault.credential.contents import Certificates
from dockertls_vault.credential.hooks import Failure
from dockertls_vault.credential.settle import Pending
from dockertls_vault.docker.diagnosis.wire import NOT_ASKED, Presented, Wire
from dockertls_vault.findings import (
    Finding,
    Limits,
    Severity,
    of_also_trusted,
    of_hooks,
    of_validity,
    of_wire,
    worst,
)

from .certificates import Authority

START = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
END = START + 100 * HOUR
ROOT = Authority.create(not_before=START - HOUR)
LEAF = ROOT.issue("a.example", not_before=START, lifetime=END - START).certificate
SCHEDULE = Schedule(START, START + 66 * HOUR, END)
DEFAULTS = ("20%", "10%")
WAITING = Pending(END, None)


def severities(found: list[Finding]) -> list[str]:
    """Return the severity of each finding."""
    return [each.severity.value for each in found]


@pytest.mark.parametrize(
    ("left", "limits", "expected"),
    [
        (101, DEFAULTS, ["critical"]),
        (90, DEFAULTS, []),
        (35, DEFAULTS, []),
        (34, DEFAULTS, ["ok"]),
        (20, DEFAULTS, ["ok"]),
        (19, DEFAULTS, ["warning"]),
        (10, DEFAULTS, ["warning"]),
        (9, DEFAULTS, ["critical"]),
        (0, DEFAULTS, ["critical"]),
        (-1, DEFAULTS, ["critical"]),
        (90, ("4d", "3d"), ["warning"]),
        (70, ("4d", "3d"), ["critical"]),
        (9, ("1h", "30m"), ["ok"]),
        (9, ("1%", "50%"), ["critical"]),
    ],
)
def test_remaining_validity_decides_the_severity(
    left: int, limits: tuple[str, str], expected: list[str]
) -> None:
    """It is 100 hours; a renewal that is due with 34 left is no problem."""
    certificates = Certificates(LEAF, (), (ROOT.certificate,))
    wanted = Limits(*map(parse_threshold, limits))
    found = of_validity(certificates, SCHEDULE, wanted, END - left * HOUR)
    assert severities(list(found)) == expected


def test_expiry_is_found_without_a_schedule() -> None:
    """The time of issue may be unknown."""
    certificates = Certificates(LEAF, (), (ROOT.certificate,))
    limits = Limits(*map(parse_threshold, DEFAULTS))
    assert severities(list(of_validity(certificates, None, limits, END))) == ["critical"]
    assert severities(list(of_validity(certificates, None, limits, END - HOUR))) == []


def test_certificate_expires_with_its_ca() -> None:
    """It is no longer accepted, whatever its own validity is."""
    short = Authority.create(not_before=START, lifetime=50 * HOUR)
    certificates = Certificates(LEAF, (), (short.certificate,))
    limits = Limits(*map(parse_threshold, DEFAULTS))
    found = list(of_validity(certificates, SCHEDULE, limits, START + 50 * HOUR))
    assert severities(found) == ["critical"]


@pytest.mark.parametrize(
    ("pending", "severity", "words"),
    [
        (WAITING, "ok", "2026-03-05 04:00:00 UTC"),
        (Pending(None, None), "warning", "have not run"),
        (
            Pending(None, Failure("1", ("sh", "-c", "exit 3"), "exit status 3", START)),
            "warning",
            "the hook sh -c 'exit 3' failed at 2026-03-01 00:00:00 UTC: exit status 3",
        ),
        (
            Pending(END, Failure("1", ("true",), "timed out", START)),
            "warning",
            "timed out",
        ),
    ],
)
def test_hooks_that_have_not_run_are_a_warning_unless_they_wait(
    pending: Pending, severity: str, words: str
) -> None:
    """A failure is reported with command, reason and time, even while the next run waits."""
    (found,) = of_hooks(pending)
    assert found.severity.value == severity
    assert words in found.detail


@pytest.mark.parametrize(("left", "severity"), [(1, "ok"), (0, "warning"), (-1, "warning")])
def test_ca_that_is_trusted_after_its_end_date_is_a_warning(left: int, severity: str) -> None:
    """A renewal should have removed it by then."""
    (found,) = of_also_trusted([AlsoTrusted(ROOT.certificate, END).described()], END - left * HOUR)
    assert found.severity.value == severity
    assert ("`renew` removes it" in found.detail) is (severity == "warning")


def test_nothing_pending_is_no_finding() -> None:
    """Nor is a daemon that presents the certificate on disk."""
    same = Wire(Presented.SAME, "tcp://h:2376", describe(LEAF))
    assert [*of_hooks(None), *of_wire(same, None, START)] == []


@pytest.mark.parametrize(
    ("presented", "pending", "now", "severity"),
    [
        (Presented.REPLACED, None, START, "warning"),
        (Presented.REPLACED, Pending(None, None), START, "warning"),
        (Presented.REPLACED, WAITING, START, "ok"),
        (Presented.OTHER, None, START, "warning"),
        (Presented.OTHER, WAITING, START, "warning"),
        (Presented.REPLACED, WAITING, END, "critical"),
        (Presented.OTHER, None, END, "critical"),
    ],
)
def test_another_certificate_on_the_wire_is_a_warning_unless_it_waits(
    presented: Presented, pending: Pending | None, now: datetime, severity: str
) -> None:
    """An expired one is always critical; serial and end are reported."""
    shown = Wire(presented, "tcp://h:2376", describe(LEAF))
    (found,) = of_wire(shown, pending, now)
    assert found.severity.value == severity
    for words in ("tcp://h:2376", describe(LEAF).serial, "2026-03-05 04:00:00 UTC"):
        assert words in found.detail
    restart = presented is Presented.REPLACED and pending is not WAITING
    assert ("restart it" in found.detail) is restart


@pytest.mark.parametrize(
    "wire", [NOT_ASKED, replace(NOT_ASKED, presented=Presented.UNREACHABLE, reason="refused")]
)
def test_unreachable_daemon_is_no_warning(wire: Wire) -> None:
    """The finding has the reason."""
    (found,) = of_wire(wire, None, END)
    assert found.severity is Severity.OK
    assert str(wire.reason) in found.detail


def test_worst_severity_wins() -> None:
    """Unknown is worse than a warning, since it could be critical."""
    order = [Severity.OK, Severity.WARNING, Severity.UNKNOWN, Severity.CRITICAL]
    for number, severity in enumerate(order, 1):
        assert worst(order[:number]) is severity
    assert worst([]) is Severity.OK
    assert [each.exit_status for each in order] == [0, 1, 3, 2]
