"""Verification of what Vault returns: every fault is found, and all are reported together."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from dockertls_vault.certificate.certificate import certificates_pem
from dockertls_vault.certificate.clocks import CLOCK_TOLERANCE, Clocks
from dockertls_vault.certificate.keys import generate_key
from dockertls_vault.certificate.names import Names
from dockertls_vault.certificate.request import KeyType, Purpose, Request
from dockertls_vault.certificate.verify import current_roots, verify
from dockertls_vault.errors import VerificationError
from dockertls_vault.vault.roles import BACKDATED
from tests.certificates import CLIENT_AUTH, SERVER_AUTH, Authority, Issued, key_usage

if TYPE_CHECKING:
    from dockertls_vault.certificate.chain import Chain

# Certificates and clocks all use this time, however much later a test runs.
NOW = datetime.now(UTC).replace(microsecond=0)
CLOCKS = Clocks(NOW, NOW)
KEY = generate_key(KeyType.EC_P256)
ROOT = Authority.create(not_before=NOW - timedelta(days=90))
TTL = timedelta(days=7)
SERVER = Request(
    purpose=Purpose.SERVER,
    mount="dockertls",
    role="server",
    names=Names(("a.example",), ("10.0.0.1",)),
    common_name="a.example",
    ttl=TTL,
    key_type=KeyType.EC_P256,
)
CLIENT = dataclasses.replace(
    SERVER, purpose=Purpose.CLIENT, role="client", names=Names(), common_name="alice"
)


def issue(authority: Authority = ROOT, **changes: Any) -> Issued:
    """Issue what SERVER requests, with the given changes."""
    arguments: dict[str, Any] = {
        "common_name": "a.example",
        "dns": ["a.example"],
        "addresses": ["10.0.0.1"],
        "usages": [SERVER_AUTH],
        "key": KEY,
        "not_before": NOW - BACKDATED,
        "lifetime": TTL,
    }
    return authority.issue(**{**arguments, **changes})


def verified(issued: Issued, request: Request = SERVER, clocks: Clocks = CLOCKS) -> Chain:
    """Verify an issued certificate in the form in which Vault returns it."""
    return verify(
        certificates_pem([issued.certificate]).decode(),
        [certificates_pem([found]).decode() for found in issued.chain],
        roots=[ROOT.certificate],
        request=request,
        public_key=KEY.public_key(),
        clocks=clocks,
    )


def problems(issued: Issued, request: Request = SERVER, clocks: Clocks = CLOCKS) -> tuple[str, ...]:
    """Return the problems that verification finds; empty if it accepts the certificate."""
    try:
        verified(issued, request, clocks)
    except VerificationError as error:
        return error.problems
    return ()


def test_requested_certificate_is_accepted() -> None:
    """A server and a client certificate, as our roles produce them."""
    assert problems(issue()) == ()
    alice = issue(common_name="alice", dns=[], addresses=[], usages=[CLIENT_AUTH])
    assert problems(alice, CLIENT) == ()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"key": generate_key(KeyType.EC_P256)}, "public key does not match the CSR"),
        ({"usages": [SERVER_AUTH, CLIENT_AUTH]}, "clientAuth, serverAuth; only serverAuth"),
        ({"usages": [CLIENT_AUTH]}, "is clientAuth; only serverAuth"),
        ({"usages": None}, "no extended key usage"),
        ({"usages": [ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]}, "anyExtendedKeyUsage"),
        ({"dns": []}, "lacks a requested name: a.example"),
        ({"addresses": []}, "lacks a requested name: 10.0.0.1"),
        ({"dns": ["a.example", "b.example"]}, "not requested: b.example"),
        ({"addresses": ["10.0.0.1", "10.0.0.2"]}, "not requested: 10.0.0.2"),
        ({"dns": ["a.example", "*.example"]}, "not requested: *.example"),
        ({"common_name": "b.example"}, "its common name is 'b.example', not 'a.example'"),
        ({"common_name": None}, "its common name is empty"),
        ({"not_before": NOW + timedelta(hours=1)}, "it is not valid until"),
        ({"not_before": NOW - timedelta(days=9)}, "it expired at"),
        ({"lifetime": timedelta(days=8)}, "but 7d was requested"),
        ({"extra": [x509.BasicConstraints(ca=True, path_length=None)]}, "it is a CA certificate"),
        (
            {"extra": [key_usage(digital_signature=True, key_cert_sign=True)]},
            "signing certificates",
        ),
        ({"extra": [key_usage(digital_signature=True, crl_sign=True)]}, "or CRLs"),
        ({"extra": [key_usage(key_encipherment=True)]}, "lacks digitalSignature"),
    ],
)
def test_each_fault_is_reported(changes: dict[str, Any], words: str) -> None:
    """One change to a valid certificate gives one problem, which names the change."""
    found = problems(issue(**changes))
    assert words in " | ".join(found)
    assert not [
        problem for problem in found if words not in problem and "is valid for" not in problem
    ]


def test_common_name_that_was_not_requested_is_reported() -> None:
    """A request without one gets a certificate without one."""
    without = dataclasses.replace(SERVER, common_name=None)
    assert problems(issue(common_name=None), without) == ()
    (problem,) = problems(issue(), without)
    assert problem == "it has a common name that was not requested: 'a.example'"


@pytest.mark.parametrize(
    ("usages", "request_", "hint"),
    [
        ([SERVER_AUTH, CLIENT_AUTH], SERVER, "set client_flag=false in the role 'server'"),
        ([SERVER_AUTH, CLIENT_AUTH], CLIENT, "set server_flag=false in the role 'client'"),
        ([CLIENT_AUTH], SERVER, "check that 'server' is a server role (--role)"),
        ([SERVER_AUTH], CLIENT, "check that 'client' is a client role (--role)"),
        (None, SERVER, "set server_flag=true in the role 'server'"),
        (
            [SERVER_AUTH, ExtendedKeyUsageOID.CODE_SIGNING],
            SERVER,
            "set server_flag=true, and no other extended key usage, in the role 'server'",
        ),
    ],
)
def test_hint_for_a_wrong_key_usage_names_the_role_parameter(
    usages: Any, request_: Request, hint: str
) -> None:
    """Usually the role has Vault's default flags, or is for the other purpose."""
    alice: dict[str, Any] = {"common_name": "alice", "dns": [], "addresses": []}
    names = {} if request_ is SERVER else alice
    with pytest.raises(VerificationError) as caught:
        verified(issue(usages=usages, **names), request_)
    assert caught.value.hint == f"nothing was installed; {hint}"


def test_all_faults_are_reported_together() -> None:
    """A certificate with five faults is rejected with five problems."""
    other = Authority.create("another root")
    found = problems(
        issue(other, usages=[CLIENT_AUTH], dns=["b.example"], lifetime=timedelta(days=30))
    )
    assert len(found) == 5
    assert "does not chain to a root in the trust bundle" in found[-1]


def test_uri_in_the_san_is_rejected() -> None:
    """A URI or an e-mail address was not requested either."""
    uri = x509.SubjectAlternativeName(
        [
            x509.DNSName("a.example"),
            x509.IPAddress(ip_address("10.0.0.1")),
            x509.UniformResourceIdentifier("spiffe://a"),
        ]
    )
    found = problems(issue(dns=[], addresses=[], extra=[uri]))
    assert found == ("it has a name that was not requested: spiffe://a",)


def test_address_as_a_dns_name_is_rejected() -> None:
    """They look the same in text, but clients check addresses only as iPAddress."""
    assert problems(issue(dns=["a.example", "10.0.0.1"], addresses=[])) == (
        "it lacks a requested name: 10.0.0.1",
        "it has a name that was not requested as a DNS name: 10.0.0.1",
    )
    assert problems(issue(dns=["a.example", "10.0.0.1"])) == (
        "it has a name that was not requested as a DNS name: 10.0.0.1",
    )
    unchecked = dataclasses.replace(SERVER, names=Names(("a.example", "10.0.0.1")))
    assert problems(issue(), unchecked) == (
        "it lacks a requested name: 10.0.0.1",
        "it has a name that was not requested as an address: 10.0.0.1",
    )


def test_chain_is_valid_until_its_first_certificate_expires() -> None:
    """leaf_not_after_behavior=permit lets a leaf outlive its issuers."""
    hour, day = timedelta(hours=1), timedelta(days=1)
    alone = verified(issue())
    assert (alone.valid_until, alone.first_to_expire) == (
        alone.leaf.not_valid_after_utc,
        alone.leaf,
    )
    below = ROOT.intermediate(not_before=NOW - hour, lifetime=hour + day)
    under_it = verified(issue(below))
    assert under_it.valid_until == NOW + day
    assert under_it.first_to_expire == below.certificate


def test_intermediate_is_part_of_the_verified_chain() -> None:
    """Whether Vault returns it in ca_chain or together with the leaf."""
    issued = issue(ROOT.intermediate(not_before=NOW - BACKDATED))
    assert verified(issued).intermediates == issued.chain
    together = verify(
        issued.certificate_pem.decode(),
        [],
        roots=[ROOT.certificate],
        request=SERVER,
        public_key=KEY.public_key(),
        clocks=CLOCKS,
    )
    assert together.intermediates == issued.chain


def test_client_certificate_with_a_san_is_rejected() -> None:
    """A client requests no SAN."""
    alice = issue(common_name="alice", addresses=[], usages=[CLIENT_AUTH])
    found = problems(alice, CLIENT)
    assert found == ("it has a name that was not requested: a.example",)


def by_vaults_clock(ahead: timedelta, *, backdated: timedelta = BACKDATED) -> Issued:
    """Issue a certificate from a Vault whose clock is ``ahead`` of this machine's."""
    return issue(not_before=NOW + ahead - backdated, lifetime=backdated + TTL)


@pytest.mark.parametrize(
    "ahead", [timedelta(seconds=seconds) for seconds in (-3600, -300, -61, 0, 61, 120, 299, 300)]
)
def test_certificate_dated_by_vaults_clock_is_accepted(ahead: timedelta) -> None:
    """If this host is up to five minutes behind or ahead."""
    clocks = Clocks(NOW, NOW + ahead)
    assert problems(by_vaults_clock(ahead), clocks=clocks) == ()


def test_vaults_time_decides_whether_a_certificate_is_valid_yet() -> None:
    """A host that is 2 min behind accepts it although the role backdates by only 30 s."""
    issued = by_vaults_clock(timedelta(minutes=2), backdated=timedelta(seconds=30))
    assert problems(issued, clocks=Clocks(NOW, NOW + timedelta(minutes=2))) == ()
    early, long = problems(issued, clocks=Clocks(NOW, NOW))
    assert "1m30s from now by this machine's clock, in sync with Vault's" in early
    assert "it is valid for 7d2m from now" in long


def test_vaults_time_decides_whether_a_certificate_has_expired() -> None:
    """A host whose clock is ahead can still use a short TTL."""
    issued = issue(not_before=NOW - timedelta(minutes=9), lifetime=timedelta(minutes=8))
    assert problems(issued, clocks=Clocks(NOW, NOW - timedelta(minutes=2))) == ()
    assert "it expired at" in problems(issued, clocks=Clocks(NOW, NOW))[0]


def test_vaults_time_decides_whether_an_issuer_is_valid() -> None:
    """A host that is two minutes behind accepts a CA created one minute ago."""
    young = ROOT.intermediate(not_before=NOW + timedelta(minutes=1))
    assert problems(issue(young), clocks=Clocks(NOW, NOW + timedelta(minutes=2))) == ()
    assert "not valid at" in problems(issue(young), clocks=Clocks(NOW, NOW))[0]


@pytest.mark.parametrize(
    ("ahead", "words"),
    [
        (
            timedelta(minutes=6),
            "it is valid for 7d6m from now by this machine's clock, which is 6m behind Vault's",
        ),
        (
            timedelta(days=-8),
            "by this machine's clock, which is 8d ahead of Vault's (its Date header)",
        ),
    ],
)
def test_clock_beyond_the_tolerance_is_reported(ahead: timedelta, words: str) -> None:
    """The problem has the difference, and the hint says to check the clock."""
    with pytest.raises(VerificationError) as raised:
        verified(by_vaults_clock(ahead), clocks=Clocks(NOW, NOW + ahead))
    assert words in " | ".join(raised.value.problems)
    assert "check this machine's clock" in raised.value.hint


def test_issuer_not_valid_yet_gives_a_hint_to_check_the_clock() -> None:
    """The leaf is backdated to before its CA existed."""
    ahead = timedelta(minutes=2)
    young = ROOT.intermediate(not_before=NOW + ahead + timedelta(seconds=1))
    with pytest.raises(VerificationError) as raised:
        verified(issue(young), clocks=Clocks(NOW, NOW + ahead))
    assert "check this machine's clock" in raised.value.hint


@pytest.mark.parametrize("ahead", [timedelta(0), timedelta(minutes=2)])
@pytest.mark.parametrize(
    "issued",
    [
        issue(usages=[CLIENT_AUTH]),
        issue(dns=["b.example"]),
        issue(Authority.create("another root").intermediate()),
    ],
    ids=["usage", "names", "path"],
)
def test_clock_is_not_blamed_for_other_faults(issued: Issued, ahead: timedelta) -> None:
    """No hint about clocks, however far they differ, if the fault is something else."""
    with pytest.raises(VerificationError) as raised:
        verified(issued, clocks=Clocks(NOW, NOW + ahead))
    assert "clock" not in raised.value.hint


@pytest.mark.parametrize("claimed", [timedelta(0), timedelta(minutes=5), timedelta(days=365)])
def test_false_date_header_gains_no_more_than_the_tolerance(claimed: timedelta) -> None:
    """No certificate ends over five minutes later than requested, whatever the header says."""
    clocks = Clocks(NOW, NOW + claimed)
    too_long = TTL + CLOCK_TOLERANCE + timedelta(seconds=1)
    (problem,) = problems(issue(not_before=NOW, lifetime=too_long), clocks=clocks)
    assert "it is valid for 7d5m" in problem


def test_chain_of_an_expired_certificate_is_still_checked() -> None:
    """Expired gives one problem; expired and of an untrusted root gives two."""
    long_ago = NOW - timedelta(days=9)
    assert len(problems(issue(not_before=long_ago))) == 1
    other = Authority.create("another root", not_before=NOW - timedelta(days=90))
    assert len(problems(issue(other, not_before=long_ago))) == 2


def test_validity_includes_its_first_and_last_second() -> None:
    """Both ends belong to it, and nothing beyond them (RFC 5280 section 4.1.2.5)."""
    issued = issue(not_before=NOW, lifetime=TTL)
    for moment, good in [
        (NOW - timedelta(seconds=1), False),
        (NOW, True),
        (NOW + TTL, True),
        (NOW + TTL + timedelta(seconds=1), False),
    ]:
        assert (problems(issued, clocks=Clocks(moment)) == ()) == good


@pytest.mark.parametrize(
    "pem",
    [
        "",
        "not a certificate",
        "<html><body>It works!</body></html>",
        ROOT.pem.decode()[:200],
        ROOT.pem.decode() + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        ROOT.pem.decode() + "-----BEGIN CERTIFICATE-----\nAAAA",
        ROOT.pem.decode().replace("M", "-", 3),
    ],
    ids=["empty", "text", "HTML", "truncated", "empty block", "no end line", "not base64"],
)
def test_unreadable_pem_is_rejected(pem: str) -> None:
    """Truncated or garbled PEM is an error before anything is compared."""
    with pytest.raises(VerificationError, match="cannot be read"):
        verify(
            pem,
            [],
            roots=[ROOT.certificate],
            request=SERVER,
            public_key=KEY.public_key(),
            clocks=CLOCKS,
        )


def test_trust_bundle_holds_each_unexpired_root_once() -> None:
    """No expired roots, intermediates, leaves or non-CAs; a pending root is included."""
    pending = Authority.create("next", not_before=NOW + timedelta(days=1))
    ending = Authority.create("ending", not_before=NOW - TTL, lifetime=TTL)
    expired = Authority.create("old", not_before=NOW - TTL - timedelta(seconds=1), lifetime=TTL)
    no_ca = Authority.create("no CA", extra=[x509.BasicConstraints(ca=False, path_length=None)])
    silent = Authority.create("silent", without=[x509.BasicConstraints])
    offered = [
        ROOT.certificate,
        ROOT.certificate,
        pending.certificate,
        ending.certificate,
        expired.certificate,
        no_ca.certificate,
        silent.certificate,
        ROOT.intermediate().certificate,
        issue().certificate,
    ]
    current = (ROOT.certificate, pending.certificate, ending.certificate)
    assert current_roots(offered, NOW) == current
