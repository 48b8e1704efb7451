"""Verification: everything that a signer can get wrong is found, and all of it at once."""

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

# However long after this a test runs, its certificates and its clocks go by it.
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
    """Issue what SERVER asks for, but for the changes."""
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
    """Verify what was issued as Vault would return it."""
    return verify(
        certificates_pem([issued.certificate]).decode(),
        [certificates_pem([found]).decode() for found in issued.chain],
        roots=[ROOT.certificate],
        request=request,
        public_key=KEY.public_key(),
        clocks=clocks,
    )


def problems(issued: Issued, request: Request = SERVER, clocks: Clocks = CLOCKS) -> tuple[str, ...]:
    """Return what verification finds, nothing if it accepts the certificate."""
    try:
        verified(issued, request, clocks)
    except VerificationError as error:
        return error.problems
    return ()


def test_what_was_asked_for_is_accepted() -> None:
    """The server's and the client's certificate as the roles make them."""
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
def test_each_thing_that_is_wrong_is_named(changes: dict[str, Any], words: str) -> None:
    """One change to a good certificate gives one problem, in words that say which."""
    found = problems(issue(**changes))
    assert words in " | ".join(found)
    assert not [
        problem for problem in found if words not in problem and "is valid for" not in problem
    ]


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
def test_a_usage_is_mended_in_the_role(usages: Any, request_: Request, hint: str) -> None:
    """Most often it has Vault's default flags, or is a role for the other end."""
    alice: dict[str, Any] = {"common_name": "alice", "dns": [], "addresses": []}
    names = {} if request_ is SERVER else alice
    with pytest.raises(VerificationError) as caught:
        verified(issue(usages=usages, **names), request_)
    assert caught.value.hint == f"nothing was installed; {hint}"


def test_all_that_is_wrong_is_named_at_once() -> None:
    """A certificate that is wrong in five ways is refused with five reasons."""
    other = Authority.create("another root")
    found = problems(
        issue(other, usages=[CLIENT_AUTH], dns=["b.example"], lifetime=timedelta(days=30))
    )
    assert len(found) == 5
    assert "does not chain to a root in the trust bundle" in found[-1]


def test_a_name_of_another_kind_is_named() -> None:
    """A URI or an e-mail address in the SAN was not asked for either."""
    uri = x509.SubjectAlternativeName(
        [
            x509.DNSName("a.example"),
            x509.IPAddress(ip_address("10.0.0.1")),
            x509.UniformResourceIdentifier("spiffe://a"),
        ]
    )
    found = problems(issue(dns=[], addresses=[], extra=[uri]))
    assert found == ("it has a name that was not requested: spiffe://a",)


def test_an_address_is_no_dns_name() -> None:
    """In either place it reads the same, and clients look for it in one alone."""
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


def test_a_chain_is_valid_until_its_first_certificate_ends() -> None:
    """A leaf may outlive its issuers, as leaf_not_after_behavior=permit lets it."""
    hour, day = timedelta(hours=1), timedelta(days=1)
    alone = verified(issue())
    assert (alone.valid_until, alone.first_to_end) == (
        alone.leaf.not_valid_after_utc,
        alone.leaf,
    )
    below = ROOT.intermediate(not_before=NOW - hour, lifetime=hour + day)
    under_it = verified(issue(below))
    assert under_it.valid_until == NOW + day
    assert under_it.first_to_end == below.certificate


def test_an_intermediate_leads_to_the_root() -> None:
    """It is installed along with the leaf, whether Vault sends it beside the leaf or with it."""
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


def test_a_client_gets_no_names() -> None:
    """A SAN in a client's certificate was not asked for."""
    alice = issue(common_name="alice", addresses=[], usages=[CLIENT_AUTH])
    found = problems(alice, CLIENT)
    assert found == ("it has a name that was not requested: a.example",)


def by_vaults_clock(ahead: timedelta, *, backdated: timedelta = BACKDATED) -> Issued:
    """Issue what a Vault issues whose clock is ``ahead`` of this machine's."""
    return issue(not_before=NOW + ahead - backdated, lifetime=backdated + TTL)


@pytest.mark.parametrize(
    "ahead", [timedelta(seconds=seconds) for seconds in (-3600, -300, -61, 0, 61, 120, 299, 300)]
)
def test_what_vault_issued_by_its_own_clock_is_accepted(ahead: timedelta) -> None:
    """A host that is up to five minutes behind, or ahead, gets its certificate."""
    clocks = Clocks(NOW, NOW + ahead)
    assert problems(by_vaults_clock(ahead), clocks=clocks) == ()


def test_vaults_time_decides_whether_a_certificate_is_valid_yet() -> None:
    """A role that dates back by Vault's default of 30 seconds serves a host that is behind."""
    issued = by_vaults_clock(timedelta(minutes=2), backdated=timedelta(seconds=30))
    assert problems(issued, clocks=Clocks(NOW, NOW + timedelta(minutes=2))) == ()
    early, long = problems(issued, clocks=Clocks(NOW, NOW))
    assert "1m30s from now by this machine's clock, in sync with Vault's" in early
    assert "it is valid for 7d2m from now" in long


def test_vaults_time_decides_whether_a_certificate_has_expired() -> None:
    """A short TTL serves a host that is ahead by more than that."""
    issued = issue(not_before=NOW - timedelta(minutes=9), lifetime=timedelta(minutes=8))
    assert problems(issued, clocks=Clocks(NOW, NOW - timedelta(minutes=2))) == ()
    assert "it expired at" in problems(issued, clocks=Clocks(NOW, NOW))[0]


def test_vaults_time_decides_whether_an_issuer_is_valid() -> None:
    """A CA that was made a minute ago signs for a host that is behind by two."""
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
def test_a_clock_that_is_far_off_is_named(ahead: timedelta, words: str) -> None:
    """By how much, and the hint is to set it."""
    with pytest.raises(VerificationError) as raised:
        verified(by_vaults_clock(ahead), clocks=Clocks(NOW, NOW + ahead))
    assert words in " | ".join(raised.value.problems)
    assert "check this machine's clock" in raised.value.hint


def test_a_clock_by_which_an_issuer_is_not_valid_yet_is_to_be_set() -> None:
    """The leaf is dated back for longer than its CA is old."""
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
def test_the_clock_is_not_blamed_for_what_is_not_its_fault(
    issued: Issued, ahead: timedelta
) -> None:
    """Where only something else is wrong, nobody is sent to set one, however far they differ."""
    with pytest.raises(VerificationError) as raised:
        verified(issued, clocks=Clocks(NOW, NOW + ahead))
    assert "clock" not in raised.value.hint


@pytest.mark.parametrize("claimed", [timedelta(0), timedelta(minutes=5), timedelta(days=365)])
def test_a_vault_that_lies_about_the_time_gains_the_tolerance_alone(claimed: timedelta) -> None:
    """Whatever its Date header says, no certificate ends five minutes later than asked for."""
    clocks = Clocks(NOW, NOW + claimed)
    too_long = TTL + CLOCK_TOLERANCE + timedelta(seconds=1)
    (problem,) = problems(issue(not_before=NOW, lifetime=too_long), clocks=clocks)
    assert "it is valid for 7d5m" in problem


def test_a_certificate_that_is_not_valid_is_still_followed_to_its_root() -> None:
    """An expired one of a root that we trust has one problem, one of another root two."""
    long_ago = NOW - timedelta(days=9)
    assert len(problems(issue(not_before=long_ago))) == 1
    other = Authority.create("another root", not_before=NOW - timedelta(days=90))
    assert len(problems(issue(other, not_before=long_ago))) == 2


def test_a_certificate_is_valid_to_its_last_second() -> None:
    """Both ends of the validity belong to it, and nothing beyond them (RFC 5280, 4.1.2.5)."""
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
    ids=["nothing", "words", "a page", "cut short", "an empty one", "no end", "not base64"],
)
def test_what_is_no_certificate_is_refused(pem: str) -> None:
    """Nothing that is cut short, garbled or something else gets as far as a comparison."""
    with pytest.raises(VerificationError, match="cannot be read"):
        verify(
            pem,
            [],
            roots=[ROOT.certificate],
            request=SERVER,
            public_key=KEY.public_key(),
            clocks=CLOCKS,
        )


def test_the_trust_bundle_holds_current_roots_once() -> None:
    """Expired ones, intermediates, leaves and what is no CA stay out; a pending root is in."""
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
