"""Checks of a server's certificate, whoever serves it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from dockertls_vault.certificate.certificate import serial_text
from dockertls_vault.docker.diagnosis import server_certificate
from dockertls_vault.docker.diagnosis.report import Result
from dockertls_vault.docker.endpoint import parse_endpoint
from dockertls_vault.docker.handshake.outcome import Greeting, Objection
from tests.certificates import CLIENT_AUTH, SERVER_AUTH, Authority

if TYPE_CHECKING:
    from cryptography.x509 import ObjectIdentifier

ROOT = Authority.create("wire root")
NOW = datetime(2026, 7, 1, tzinfo=UTC)
WEEK = timedelta(days=7)
YEARS = timedelta(days=825)
ANY = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE
EMAIL = ExtendedKeyUsageOID.EMAIL_PROTECTION


@pytest.mark.parametrize(
    ("host", "there"),
    [
        ("docker.example.com", True),
        ("DOCKER.example.com", True),
        ("a.wild.example.com", True),
        ("192.0.2.1", True),
        ("[2001:db8:0:0::1]", True),
        ("example.com", False),
        ("wild.example.com", False),
        ("a.b.wild.example.com", False),
        ("192.0.2.2", False),
        ("common.example.com", False),
    ],
)
def test_names_are_matched_as_in_go(host: str, there: bool) -> None:
    """A wildcard covers one label, addresses only match iPAddress, and the CN is ignored."""
    issued = ROOT.issue(
        "common.example.com",
        dns=["Docker.example.com", "*.wild.example.com"],
        addresses=["192.0.2.1", "2001:db8::1"],
    )
    judged = server_certificate.judge_name(parse_endpoint(host), issued.certificate)
    assert judged.result is (Result.OK if there else Result.ERROR)
    assert there or "--host" in str(judged.remedy)
    assert "connect to *" not in str(judged.remedy)


def test_certificate_without_a_san_is_an_error() -> None:
    """Its common name does not count."""
    judged = server_certificate.judge_name(
        parse_endpoint("localhost"), ROOT.issue("localhost").certificate
    )
    assert (judged.result, judged.summary) == (Result.ERROR, "it has no SANs")
    assert "common name" in str(judged.reason)


@pytest.mark.parametrize(
    ("validity", "age", "result", "words"),
    [
        (WEEK, timedelta(days=4), Result.OK, "expires in 3d, at "),
        (WEEK, timedelta(days=5), Result.WARNING, "expires in 2d, at "),
        (YEARS, timedelta(days=790), Result.OK, "expires in 35d, at "),
        (YEARS, timedelta(days=800), Result.WARNING, "expires in 25d, at "),
        (WEEK, WEEK, Result.ERROR, "expired 0s ago"),
        (WEEK, timedelta(days=8), Result.ERROR, "expired 1d ago"),
        (WEEK, timedelta(hours=-2), Result.ERROR, "not valid for another 2h"),
    ],
)
def test_validity_is_checked(
    validity: timedelta, age: timedelta, result: Result, words: str
) -> None:
    """A warning with less than a third left, or less than 30 days if a third is more."""
    certificate = ROOT.issue("h", not_before=NOW - age, lifetime=validity).certificate
    judged = server_certificate.judge_validity(certificate, NOW)
    assert judged.result is result
    assert words in judged.summary
    assert result is Result.ERROR or judged.summary.endswith(f" (validity {validity.days}d)")


@pytest.mark.parametrize(
    ("age", "result"), [(1, Result.WARNING), (5, Result.WARNING), (8, Result.ERROR)]
)
def test_newer_certificate_on_this_host_is_named(age: int, result: Result) -> None:
    """It proves that the certificate was renewed and dockerd not restarted."""
    certificate = ROOT.issue("h", not_before=NOW - timedelta(days=age)).certificate
    successor = ROOT.issue("h", not_before=NOW).certificate
    judged = server_certificate.judge_validity(certificate, NOW, successor)
    assert judged.result is result
    assert f"a newer one is installed on this host (serial {serial_text(successor)})" in str(
        judged.reason
    )
    assert str(judged.remedy).startswith("restart dockerd on this host")


@pytest.mark.parametrize(
    ("usages", "result"),
    [
        ([SERVER_AUTH], Result.OK),
        ([SERVER_AUTH, EMAIL], Result.OK),
        ([], Result.WARNING),
        ([SERVER_AUTH, CLIENT_AUTH], Result.WARNING),
        ([SERVER_AUTH, ANY], Result.WARNING),
        ([ANY], Result.WARNING),
        ([CLIENT_AUTH], Result.ERROR),
        ([EMAIL], Result.ERROR),
    ],
)
def test_extended_key_usage_is_checked(usages: list[ObjectIdentifier], result: Result) -> None:
    """One that also passes as a client is a root credential; one not for servers fails."""
    judged = server_certificate.judge_usage(ROOT.issue("h", usages=usages).certificate)
    assert judged.result is result
    assert (result is Result.WARNING) == ("Docker root credential" in str(judged.reason))
    alone = "issue it with extendedKeyUsage=serverAuth alone (with Vault: set client_flag=false"
    assert (result is Result.WARNING) == str(judged.remedy).startswith(alone)


def greeting(*objections: tuple[int, int, str]) -> Greeting:
    """Return a greeting with a verified certificate and these objections."""
    return Greeting(b"seen", asks=True, objections=tuple(Objection(*found) for found in objections))


@pytest.mark.parametrize(
    ("shown", "usages", "age", "result"),
    [
        (greeting(), [SERVER_AUTH], timedelta(0), Result.OK),
        (Greeting(), [SERVER_AUTH], timedelta(0), Result.UNKNOWN),
        (Greeting(b"seen", asks=True), [SERVER_AUTH], timedelta(0), Result.SKIPPED),
        (greeting((0, 20, "no issuer")), [SERVER_AUTH], timedelta(0), Result.ERROR),
        (greeting((0, 26, "purpose")), [CLIENT_AUTH], timedelta(0), Result.OK),
        (greeting((0, 26, "purpose")), [SERVER_AUTH], timedelta(0), Result.ERROR),
        (greeting((1, 26, "purpose")), [CLIENT_AUTH], timedelta(0), Result.ERROR),
        (greeting((0, 26, "p"), (0, 20, "no")), [CLIENT_AUTH], timedelta(0), Result.ERROR),
        (greeting((0, 10, "expired")), [SERVER_AUTH], timedelta(days=8), Result.OK),
        (greeting((0, 10, "expired")), [SERVER_AUTH], timedelta(0), Result.ERROR),
        (greeting((1, 10, "expired")), [SERVER_AUTH], timedelta(days=8), Result.ERROR),
    ],
)
def test_chain_is_checked(
    shown: Greeting, usages: list[ObjectIdentifier], age: timedelta, result: Result
) -> None:
    """The leaf's validity and usage have their own checks; a CA's count here."""
    issued = ROOT.issue("h", usages=usages, not_before=NOW - age, lifetime=WEEK)
    judged = server_certificate.judge_chain(shown, issued.certificate, [ROOT.certificate], NOW)
    assert judged.result is result


@pytest.mark.parametrize(
    ("shown", "result"),
    [(greeting(), Result.UNKNOWN), (greeting((0, 20, "no issuer")), Result.ERROR)],
)
def test_unreadable_certificate_is_never_ok(shown: Greeting, result: Result) -> None:
    """Whatever OpenSSL says: its names cannot be compared."""
    assert server_certificate.judge_chain(shown, None, [ROOT.certificate], NOW).result is result


def test_address_present_only_as_a_dns_name_is_an_error() -> None:
    """It looks right in text, but no client matches it."""
    certificate = ROOT.issue("h", dns=["192.0.2.1"]).certificate
    judged = server_certificate.judge_name(parse_endpoint("192.0.2.1"), certificate)
    assert judged.result is Result.ERROR
    assert "as a DNS name only" in judged.summary
    assert "allow_ip_sans" in str(judged.remedy)


def test_summary_names_the_root_of_the_chain() -> None:
    """Of two in ca.pem the signer; above an intermediate, both candidates."""
    other = Authority.create("other root")
    roots = [other.certificate, ROOT.certificate]
    for issued, is_named in ((ROOT.server(), False), (ROOT.intermediate().server(), True)):
        judged = server_certificate.judge_chain(greeting(), issued.certificate, roots, NOW)
        assert "CN=wire root" in judged.summary
        assert ("CN=other root" in judged.summary) == is_named


@pytest.mark.parametrize(
    ("name", "age", "reason", "remedy"),
    [
        ("other root", YEARS, "not among our roots: it belongs", "if this is the right daemon"),
        (
            "other root",
            WEEK,
            "not among our roots, which are newer",
            "if the CA was rotated, restart",
        ),
        ("wire root", YEARS, "it was recreated", "if this is the right daemon"),
        ("wire root", WEEK, "recreated after this certificate was issued", "restart dockerd"),
        (None, YEARS, "unable to get local issuer certificate", "if this is the right daemon"),
    ],
)
def test_untrusted_chain_has_a_cause_and_a_remedy(
    name: str | None, age: timedelta, reason: str, remedy: str
) -> None:
    """Another CA, a recreated one or a missing issuer; if older than our root, restart first.

    The certificate is 30 days old, our root is as old as ``age``.
    """
    refused = greeting((0, 20, "unable to get local issuer certificate"))
    certificate = ROOT.issue("h", not_before=NOW - timedelta(days=30)).certificate
    root = Authority.create(name, not_before=NOW - age) if name else ROOT
    judged = server_certificate.judge_chain(refused, certificate, [root.certificate], NOW)
    assert reason in str(judged.reason)
    assert str(judged.remedy).startswith(remedy)


def test_newline_in_a_ca_name_is_escaped() -> None:
    """The name came from Vault, and must not look like a line of our output."""
    odd = Authority.create("odd\nerror: x")
    certificate = odd.issue("h").certificate
    for shown in (greeting(), greeting((0, 20, "unable to get local issuer certificate"))):
        judged = server_certificate.judge_chain(shown, certificate, [odd.certificate], NOW)
        assert r"CN=odd\nerror: x" in judged.summary
        assert "\nerror" not in judged.summary
