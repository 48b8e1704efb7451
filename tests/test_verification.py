"""Verification: everything that a signer can get wrong is found, and all of it at once."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from dockertls_vault.errors import VerificationError
from dockertls_vault.names import Names
from dockertls_vault.request import KeyType, Layout, Purpose, Request
from dockertls_vault.verification import CLOCK_TOLERANCE, current_roots, verify
from dockertls_vault.x509 import certificates_pem, generate_key

from .certificates import CLIENT_AUTH, SERVER_AUTH, Authority, Issued

NOW = datetime.now(UTC)
KEY = generate_key(KeyType.EC_P256)
ROOT = Authority.create()
TTL = timedelta(days=7)
SERVER = Request(
    purpose=Purpose.SERVER,
    mount="dockertls",
    role="server",
    names=Names(("a.example",), ("10.0.0.1",)),
    common_name="a.example",
    ttl=TTL,
    key_type=KeyType.EC_P256,
    layout=Layout.DOCKER,
)
CLIENT = dataclasses.replace(
    SERVER, purpose=Purpose.CLIENT, role="client", names=Names(), common_name="alice"
)
USAGE = {
    "digital_signature": True,
    "content_commitment": False,
    "key_encipherment": False,
    "data_encipherment": False,
    "key_agreement": False,
    "key_cert_sign": False,
    "crl_sign": False,
    "encipher_only": False,
    "decipher_only": False,
}


def issue(authority: Authority = ROOT, **changes: Any) -> Issued:
    """Issue what SERVER asks for, but for the changes."""
    arguments: dict[str, Any] = {
        "common_name": "a.example",
        "dns": ["a.example"],
        "addresses": ["10.0.0.1"],
        "usages": [SERVER_AUTH],
        "key": KEY,
        "lifetime": TTL,
    }
    return authority.issue(**{**arguments, **changes})


def problems(issued: Issued, request: Request = SERVER, now: datetime = NOW) -> tuple[str, ...]:
    """Return what verification finds, nothing if it accepts the certificate."""
    try:
        verify(
            certificates_pem([issued.certificate]).decode(),
            [certificates_pem([found]).decode() for found in issued.chain],
            roots=[ROOT.certificate],
            request=request,
            public_key=KEY.public_key(),
            now=now,
        )
    except VerificationError as error:
        return error.problems
    return ()


def test_what_was_asked_for_is_accepted() -> None:
    """The server's and the client's certificate as the roles make them."""
    assert problems(issue()) == ()
    assert problems(ROOT.issue("alice", usages=[CLIENT_AUTH], key=KEY), CLIENT) == ()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"key": generate_key(KeyType.EC_P256)}, "public key is not the one that was sent"),
        ({"usages": [SERVER_AUTH, CLIENT_AUTH]}, "clientAuth, serverAuth; serverAuth alone"),
        ({"usages": [CLIENT_AUTH]}, "is clientAuth; serverAuth alone"),
        ({"usages": None}, "no extended key usage"),
        ({"usages": [ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]}, "anyExtendedKeyUsage"),
        ({"dns": []}, "lacks a name that was asked for: a.example"),
        ({"addresses": []}, "lacks a name that was asked for: 10.0.0.1"),
        ({"dns": ["a.example", "b.example"]}, "not asked for: b.example"),
        ({"addresses": ["10.0.0.1", "10.0.0.2"]}, "not asked for: 10.0.0.2"),
        ({"dns": ["a.example", "*.example"]}, "not asked for: *.example"),
        ({"common_name": "b.example"}, "its common name is 'b.example', not 'a.example'"),
        ({"common_name": None}, "its common name is empty"),
        ({"not_before": NOW + timedelta(hours=1)}, "it is not valid until"),
        ({"not_before": NOW - timedelta(days=9)}, "it expired at"),
        ({"lifetime": timedelta(days=8)}, "and 7d was asked for"),
        ({"extra": [x509.BasicConstraints(ca=True, path_length=None)]}, "it is a CA certificate"),
        ({"extra": [x509.KeyUsage(**{**USAGE, "key_cert_sign": True})]}, "sign certificates"),
        (
            {"extra": [x509.KeyUsage(**{**USAGE, "digital_signature": False})]},
            "lacks digitalSignature",
        ),
    ],
)
def test_each_thing_that_is_wrong_is_named(changes: dict[str, Any], words: str) -> None:
    """One change to a good certificate gives one problem, in words that say which."""
    found = problems(issue(**changes))
    assert words in " | ".join(found)
    assert not [problem for problem in found if words not in problem and "lives for" not in problem]


def test_all_that_is_wrong_is_named_at_once() -> None:
    """A certificate that is wrong in five ways is refused with five reasons."""
    other = Authority.create("another root")
    found = problems(
        issue(other, usages=[CLIENT_AUTH], dns=["b.example"], lifetime=timedelta(days=30))
    )
    assert len(found) == 5
    assert "does not lead to a root of the trust bundle" in found[-1]


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
    assert found == ("it has a name that was not asked for: spiffe://a",)


def test_a_root_of_the_same_name_with_another_key_is_no_issuer() -> None:
    """The signature decides, not the name."""
    found = problems(issue(Authority.create("test root")))
    assert len(found) == 1
    assert "does not lead to a root" in found[0]


def test_an_intermediate_leads_to_the_root() -> None:
    """With the intermediate offered the chain is found; without it there is none."""
    issued = issue(ROOT.intermediate())
    assert problems(issued) == ()
    assert "does not lead" in problems(dataclasses.replace(issued, chain=()))[0]


def test_a_leaf_is_no_intermediate() -> None:
    """A certificate that is no CA cannot stand between a leaf and the root."""
    false = issue()
    authority = Authority(false.certificate, false.key, (false.certificate,))
    assert "does not lead" in problems(issue(authority))[0]


def test_a_client_gets_no_names() -> None:
    """A SAN in a client's certificate was not asked for."""
    found = problems(ROOT.issue("alice", dns=["a.example"], usages=[CLIENT_AUTH], key=KEY), CLIENT)
    assert found == ("it has a name that was not asked for: a.example",)


@pytest.mark.parametrize("key_type", list(KeyType))
def test_every_kind_of_key_signs_and_is_signed(key_type: KeyType) -> None:
    """Roots of every kind verify; cryptography's own verifier would refuse Ed25519."""
    root = Authority.create(key_type=key_type)
    issued = issue(root.intermediate(key_type=key_type))
    verified = verify(
        certificates_pem([issued.certificate]).decode(),
        [certificates_pem(issued.chain).decode()],
        roots=[root.certificate],
        request=SERVER,
        public_key=KEY.public_key(),
        now=NOW,
    )
    assert verified.intermediates == issued.chain


def test_vaults_clock_may_run_a_little_ahead() -> None:
    """A life within the tolerance is not too long; one beyond it is."""
    start = NOW - timedelta(minutes=5)
    lifetime = TTL + timedelta(minutes=5)
    assert problems(issue(not_before=start, lifetime=lifetime + CLOCK_TOLERANCE / 2)) == ()
    assert problems(issue(not_before=start, lifetime=lifetime + CLOCK_TOLERANCE * 2))


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
            now=NOW,
        )


def test_the_trust_bundle_holds_current_roots_once() -> None:
    """Expired ones, intermediates and leaves stay out; a pending root is in."""
    pending = Authority.create("next", not_before=NOW + timedelta(days=1))
    expired = Authority.create("old", not_before=NOW - timedelta(days=9), lifetime=TTL)
    offered = [
        ROOT.certificate,
        ROOT.certificate,
        pending.certificate,
        expired.certificate,
        ROOT.intermediate().certificate,
        issue().certificate,
    ]
    assert current_roots(offered, NOW) == (ROOT.certificate, pending.certificate)
