"""Chains up to a root: the verdicts of our code, OpenSSL and Go on the same chains."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from dockertls_vault.certificate.chain import find_chain
from dockertls_vault.certificate.request import KeyType, Purpose
from dockertls_vault.errors import VerificationError
from tests.certificates import CLIENT_AUTH, SERVER_AUTH, Authority, Issued, key_usage
from tests.chains import (
    Row,
    beside_a_pending_root,
    by_openssl,
    critical,
    eku,
    excludes,
    issue,
    of_an_unknown_root,
    of_another_root,
    of_two_roots_with_one_name,
    path_length,
    permits,
    signed_with_sha1,
    subtree,
    uncritical,
    under,
    under_a_leaf,
    unknown,
    without_its_intermediate,
)
from tests.verdicts import go_refuses_client, go_refuses_server, openssl_refuses

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
ANY = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE
# What its errors have around the reason.
OF_THE_LIBRARY = re.compile(
    "validation failed|candidates|interior|AlgorithmIdentifier|Python|ValueError|encountered"
)
NOT_PERMITTED = "no permitted name constraints matched"
EXCLUDED = "excluded name constraint matched"
A_CA = x509.BasicConstraints(ca=True, path_length=None)
NO_BASIC_CA = x509.BasicConstraints(ca=False, path_length=None)
A_CLIENT = {"common_name": "alice", "dns": [], "usages": [CLIENT_AUTH]}
RSA_1024 = rsa.generate_private_key(65537, 1024)  # noqa: S505 - too short is the point
ORGANIZATION = x509.DirectoryName(
    x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "an organization")])
)
OTHER_AKI = x509.AuthorityKeyIdentifier(bytes(20), None, None)
OTHER_SAN = x509.SubjectAlternativeName([x509.DNSName("ca.other")])
SKI = x509.SubjectKeyIdentifier(bytes(20))
AIA = x509.AuthorityInformationAccess(
    [
        x509.AccessDescription(
            AuthorityInformationAccessOID.CA_ISSUERS,
            x509.UniformResourceIdentifier("http://ca.example/"),
        )
    ]
)
NEEDS_A_POLICY = x509.PolicyConstraints(require_explicit_policy=0, inhibit_policy_mapping=None)
POLICIES = x509.CertificatePolicies(
    [x509.PolicyInformation(x509.ObjectIdentifier("2.5.29.32.0"), None)]
)


def verdict(issued: Issued, roots: list[x509.Certificate], purpose: Purpose) -> str | None:
    """Return why our code rejects the chain, or None if it accepts it."""
    try:
        path = find_chain(
            issued.certificate, issued.chain, roots=roots, purpose=purpose, at=datetime.now(UTC)
        )
    except VerificationError as error:
        (problem,) = error.problems
        assert not OF_THE_LIBRARY.search(problem)
        return problem
    assert path.intermediates == issued.chain
    return None


STRICT = "RFC 5280 requires it, but only OpenSSL's strict mode insists"
WEB_PKI = "cryptography accepts only the key types of the Web PKI"
UNLIKELY = "cryptography's limit; unlikely for the CA of a Docker host"
NO_CA = "cannot sign this kind of certificate"
ROWS = {
    # Valid chains
    "a root": Row(under()),
    "a root with path length zero": Row(under(**path_length(0))),
    "an intermediate": Row(under(intermediates=[{}])),
    "two intermediates": Row(under(intermediates=[{}, {}])),
    "path lengths one and zero": Row(under(**path_length(1), intermediates=[path_length(0)])),
    "two roots of one name": Row(of_two_roots_with_one_name),
    "a root next to a pending one": Row(beside_a_pending_root),
    "an RSA root": Row(under(key_type=KeyType.RSA_2048)),
    "a P-384 root": Row(under(key=ec.generate_private_key(ec.SECP384R1()))),
    "a P-521 root": Row(under(key=ec.generate_private_key(ec.SECP521R1()))),
    "an Ed25519 leaf": Row(under(leaf={"key_type": KeyType.ED25519})),
    "a name with an underscore": Row(under(leaf={"dns": ["a.example", "ci__agent_dind"]})),
    "an unknown extension": Row(under(**unknown(critical=False))),
    # Certificates without an extension that RFC 5280 requires
    "a root of `openssl req -x509`": Row(
        by_openssl(
            "subjectKeyIdentifier=hash",
            "authorityKeyIdentifier=keyid:always,issuer",
            "basicConstraints=critical,CA:true",
        ),
        openssl="does not include key usage",
        why=STRICT,
    ),
    "a root of easy-rsa": Row(
        by_openssl(
            "subjectKeyIdentifier=hash",
            "authorityKeyIdentifier=keyid:always,issuer:always",
            "basicConstraints=CA:true",
            "keyUsage=cRLSign,keyCertSign",
        ),
        openssl="not marked critical",
        why=STRICT,
    ),
    "a root without identifiers": Row(
        under(without=[x509.AuthorityKeyIdentifier, x509.SubjectKeyIdentifier]),
        openssl="Missing Subject Key Identifier",
        why=STRICT,
    ),
    "a leaf without AKI": Row(
        under(leaf={"without": [x509.AuthorityKeyIdentifier]}),
        openssl="Missing Authority Key Identifier",
        why=STRICT,
    ),
    "non-critical basic constraints": Row(
        under(extra=[uncritical(A_CA)]), openssl="not marked critical", why=STRICT
    ),
    "a leaf with the AKI of another CA": Row(
        under(leaf={"extra": [OTHER_AKI]}),
        openssl="unable to get local issuer",
        why="an AKI helps to choose among issuers; the signature decides, but not for OpenSSL",
    ),
    # No path to a root
    "a root of the same name with another key": Row(
        of_another_root, "signature does not match", "unable to get local", "unknown authority"
    ),
    "a root that is sent but not trusted": Row(
        of_an_unknown_root, "'CN=another root'", "self-signed", "unknown authority"
    ),
    "an intermediate that is not sent": Row(
        without_its_intermediate, "'CN=test intermediate'", "unable to get local", "unknown auth"
    ),
    # Which certificates may sign
    "a leaf as issuer": Row(under_a_leaf, "no basicConstraints", "self-signed", NO_CA),
    "an intermediate that is no CA": Row(
        under(intermediates=[{"extra": [NO_BASIC_CA]}]), "cA must be", "invalid CA", NO_CA
    ),
    "an intermediate without basic constraints": Row(
        under(intermediates=[{"without": [x509.BasicConstraints]}]),
        "no basicConstraints",
        "invalid CA",
        NO_CA,
    ),
    "a root that is no CA": Row(under(extra=[NO_BASIC_CA]), "cA must be", "invalid CA", NO_CA),
    "an intermediate without keyCertSign": Row(
        under(intermediates=[{"extra": [key_usage(crl_sign=True)]}]),
        "intermediate 0 lacks keyCertSign",
        "invalid CA",
        NO_CA,
    ),
    "a root without keyCertSign": Row(
        under(extra=[key_usage(crl_sign=True)]), "root lacks keyCertSign", "invalid CA", NO_CA
    ),
    "a root's path length exceeded": Row(
        under(**path_length(0), intermediates=[{}]), "path length", "path length", "too many"
    ),
    "an intermediate's path length exceeded": Row(
        under(intermediates=[path_length(0), {}]), "path length", "path length", "too many"
    ),
    "eight intermediates": Row(under(intermediates=[{}] * 8)),
    "nine intermediates": Row(under(intermediates=[{}] * 9), "max depth", why=UNLIKELY),
    "three hundred intermediates": Row(
        under(intermediates=[{}] * 300), "max depth", "too long", "attempts limit reached"
    ),
    "an intermediate that ends before the leaf": Row(
        under(intermediates=[{"lifetime": timedelta(hours=1)}])
    ),
    "a root that ends before the leaf": Row(under(lifetime=timedelta(hours=1))),
    "an expired intermediate": Row(
        under(intermediates=[{"not_before": NOW - 9 * DAY, "lifetime": DAY}]),
        "not valid at",
        "has expired",
        "has expired",
    ),
    "an intermediate that is not yet valid": Row(
        under(intermediates=[{"not_before": NOW + DAY}]),
        "not valid at",
        "not yet valid",
        "not yet valid",
    ),
    "an expired root": Row(
        under(not_before=NOW - 9 * DAY, lifetime=DAY), "not valid at", "expired", "has expired"
    ),
    "a root that is not yet valid": Row(
        under(not_before=NOW + DAY), "not valid at", "not yet valid", "not yet valid"
    ),
    # EKUs nest
    "an intermediate for serverAuth": Row(under(intermediates=[eku(SERVER_AUTH)])),
    "an intermediate for both": Row(under(intermediates=[eku(CLIENT_AUTH, SERVER_AUTH)])),
    "an intermediate for clientAuth only": Row(
        under(intermediates=[eku(CLIENT_AUTH)]),
        "intermediate 0 may only issue certificates for clientAuth",
        "unsuitable certificate purpose",
        "incompatible key usage",
    ),
    "an upper intermediate for clientAuth only": Row(
        under(intermediates=[eku(CLIENT_AUTH), eku(SERVER_AUTH)]),
        "intermediate 0 may only issue certificates for clientAuth",
        "unsuitable certificate purpose",
        "incompatible key usage",
    ),
    "a root for clientAuth only": Row(
        under(**eku(CLIENT_AUTH)),
        "test root may only issue certificates for clientAuth",
        "unsuitable certificate purpose",
        "incompatible key usage",
    ),
    "an intermediate for anyExtendedKeyUsage": Row(
        under(intermediates=[eku(ANY)]),
        openssl="unsuitable certificate purpose",
        why="RFC 5280 accepts any purpose, but OpenSSL wants the purpose itself",
    ),
    "a client under an intermediate for clientAuth": Row(
        under(intermediates=[eku(CLIENT_AUTH)], leaf=A_CLIENT), purpose=Purpose.CLIENT
    ),
    "a client under an intermediate for serverAuth only": Row(
        under(intermediates=[eku(SERVER_AUTH)], leaf=A_CLIENT),
        "intermediate 0 may only issue certificates for serverAuth",
        "unsuitable certificate purpose",
        "incompatible key usage",
        purpose=Purpose.CLIENT,
    ),
    # Algorithms
    "a leaf signed with SHA-1": Row(
        signed_with_sha1(leaf=True),
        "RsaWithSha1",
        go="insecure algorithm",
        why="`openssl verify` sets no security level; TLS does, and rejects it",
    ),
    "an intermediate signed with SHA-1": Row(
        signed_with_sha1(leaf=False), "RsaWithSha1", go="insecure algorithm", why="likewise"
    ),
    "an Ed25519 root": Row(
        under(key_type=KeyType.ED25519), "not RSA, P-256, P-384 or P-521", why=WEB_PKI
    ),
    "an Ed25519 intermediate": Row(
        under(intermediates=[{"key_type": KeyType.ED25519}]), "intermediate 0 is not", why=WEB_PKI
    ),
    "a P-224 root": Row(
        under(key=ec.generate_private_key(ec.SECP224R1())), "test root is not", why=WEB_PKI
    ),
    "an RSA root of 1024 bits": Row(under(key=RSA_1024), "too weak", why=WEB_PKI),
    # Critical extensions
    "a leaf with an unknown critical extension": Row(
        under(leaf=unknown(critical=True)), "critical extensions", "unhandled", "unhandled"
    ),
    "an intermediate with an unknown critical extension": Row(
        under(intermediates=[unknown(critical=True)]), "critical extens", "unhandled", "unhandled"
    ),
    "a root with an unknown critical extension": Row(
        under(**unknown(critical=True)), "critical extensions", "unhandled", "unhandled"
    ),
    "a leaf with critical policies": Row(
        under(leaf={"extra": [critical(POLICIES)]}), "2.5.29.32", why=UNLIKELY
    ),
    "a leaf with policy constraints": Row(
        under(leaf={"extra": [uncritical(NEEDS_A_POLICY)]}),
        "CN=a.example has policy constraints",
        go="invalid policies",
        why="`openssl verify` checks policies only on request",
    ),
    "an intermediate with policy constraints": Row(
        under(intermediates=[{"extra": [uncritical(NEEDS_A_POLICY)]}]),
        "CN=intermediate 0 has policy constraints",
        go="invalid policies",
        why="likewise",
    ),
    "an intermediate with a critical directory name as SAN": Row(
        under(intermediates=[{"extra": [critical(x509.SubjectAlternativeName([ORGANIZATION]))]}]),
        "CN=intermediate 0 has a critical SAN",
        go="unhandled critical",
        why="OpenSSL supports directory names",
    ),
    "an intermediate with a directory name as SAN": Row(
        under(intermediates=[{"extra": [x509.SubjectAlternativeName([ORGANIZATION])]}])
    ),
    "an intermediate with a critical SAN": Row(
        under(intermediates=[{"extra": [critical(OTHER_SAN)]}])
    ),
    "a leaf with a critical AKI": Row(
        under(leaf={"extra": [critical(OTHER_AKI)]}),
        "2.5.29.35",
        "unable to get local issuer",
        "incorrectly marked critical",
    ),
    "a leaf with a critical SKI": Row(
        under(leaf={"extra": [critical(SKI)]}), "2.5.29.14", "critical", "marked critical"
    ),
    "an intermediate with a critical SKI": Row(
        under(intermediates=[{"extra": [critical(SKI)]}]),
        "2.5.29.14",
        "get local",
        "marked critical",
    ),
    "a leaf with a critical AIA": Row(
        under(leaf={"extra": [critical(AIA)]}), "1.3.6.1.5.5.7.1.1", "crit", "marked critical"
    ),
    # Name constraints: DNS
    "a permitted name": Row(under(intermediates=[permits("example")])),
    "exactly the permitted name": Row(under(**permits("a.example"))),
    "a name that is not permitted": Row(
        under(intermediates=[permits("b.example")]),
        f"{NOT_PERMITTED} SAN; CN=intermediate 0 permits b.example",
        "permitted subtree",
        "not permitted",
    ),
    "a name that the root does not permit": Row(
        under(**permits("b.example"), intermediates=[{}]),
        NOT_PERMITTED,
        "permitted subtree",
        "not permitted",
    ),
    "a name that the upper intermediate does not permit": Row(
        under(intermediates=[permits("b.example"), permits("example")]),
        NOT_PERMITTED,
        "permitted subtree",
        "not permitted",
    ),
    "a non-critical constraint": Row(
        under(**permits("b.example", critical=False)), NOT_PERMITTED, "permitted", "not permitted"
    ),
    "a constraint that matches the end of a label only": Row(
        under(**permits("xample")), NOT_PERMITTED, "permitted", "not permitted"
    ),
    "an excluded name": Row(
        under(intermediates=[excludes("example")]), EXCLUDED, "excluded", "excluded"
    ),
    "a name other than the excluded one": Row(under(intermediates=[excludes("b.example")])),
    "a name both permitted and excluded": Row(
        under(extra=[x509.NameConstraints([subtree("example")], [subtree("a.example")])]),
        EXCLUDED,
        "excluded",
        "excluded",
    ),
    "all names excluded": Row(under(**excludes("")), "malformed", "excluded", "excluded"),
    "all names permitted": Row(
        under(**permits("")),
        "malformed",
        why="cryptography accepts no empty constraint, even if it permits all names",
    ),
    "a constraint with a leading dot": Row(
        under(**permits(".example")),
        "malformed DNS name constraint: .example",
        why="RFC 5280 section 4.2.1.10 has no dot, and cryptography insists on that",
    ),
    "a wildcard that is permitted": Row(
        under(**permits("example"), leaf={"dns": ["a.example", "*.example"]})
    ),
    "a wildcard that covers the one permitted name": Row(
        under(**permits("a.example"), leaf={"dns": ["a.example", "*.example"]}),
        NOT_PERMITTED,
        "permitted subtree",
        "not permitted",
    ),
    "a wildcard that covers an excluded name": Row(
        under(**excludes("b.example"), leaf={"dns": ["a.example", "*.example"]}),
        EXCLUDED,
        go="excluded",
        why="OpenSSL compares the wildcard as a literal name",
    ),
    "a constrained name with an underscore": Row(
        under(**permits("example"), leaf={"dns": ["a.example", "a_b.example"]}),
        "malformed SAN a_b.example",
        why="not a host name in RFC 5280, and cryptography cannot match it to a constraint",
    ),
    "an intermediate's name that is not permitted": Row(
        under(**permits("example"), intermediates=[{"extra": [OTHER_SAN]}]),
        NOT_PERMITTED,
        "permitted subtree",
        "not permitted",
    ),
    "a client without a SAN under a constraint": Row(
        under(**permits("b.example"), leaf=A_CLIENT), purpose=Purpose.CLIENT
    ),
    "a client whose common name looks like a host": Row(
        under(**permits("b.example"), leaf={**A_CLIENT, "common_name": "a.example"}),
        openssl="permitted subtree",
        purpose=Purpose.CLIENT,
        why="neither RFC 5280 nor Go since 1.15 takes a common name as a host; OpenSSL does",
    ),
    # Name constraints: addresses
    "a permitted address": Row(
        under(**permits("10.0.0.0/8", "fd00::/8"), leaf={"addresses": ["10.0.0.1", "fd00::1"]})
    ),
    "an address that is not permitted": Row(
        under(intermediates=[permits("10.0.0.0/8")], leaf={"addresses": ["11.0.0.1"]}),
        NOT_PERMITTED,
        "permitted subtree",
        "not permitted",
    ),
    "an IPv6 address where IPv4 is permitted": Row(
        under(**permits("10.0.0.0/8"), leaf={"addresses": ["::1"]}),
        NOT_PERMITTED,
        "permitted subtree",
        "not permitted",
    ),
    "an excluded address": Row(
        under(**excludes("10.0.0.0/8"), leaf={"addresses": ["10.0.0.1"]}),
        f"{EXCLUDED} SAN; CN=test root excludes 10.0.0.0/8",
        "excluded",
        "excluded",
    ),
    "an address if only DNS names are constrained": Row(
        under(**permits("example"), leaf={"addresses": ["10.0.0.1"]})
    ),
    # Name constraints: other kinds
    "e-mail addresses and URIs constrained": Row(
        under(**permits(x509.RFC822Name("b.example"), x509.UniformResourceIdentifier("b.example")))
    ),
    "directory names constrained": Row(
        under(**permits(ORGANIZATION)), "DirectoryName", "permitted subtree", "unhandled critical"
    ),
    "directory names constrained, not critically": Row(
        under(**permits(ORGANIZATION, critical=False)),
        "DirectoryName",
        "permitted subtree",
        why="Go ignores it; a client that uses OpenSSL, such as Python, could not connect",
    ),
    "a directory name excluded": Row(
        under(**excludes(ORGANIZATION)),
        "DirectoryName",
        go="unhandled critical",
        why="OpenSSL compares directory names, and these differ",
    ),
    "registered IDs constrained": Row(
        under(**permits(x509.RegisteredID(x509.ObjectIdentifier("1.2.3")))),
        "RegisteredID",
        go="unhandled critical",
        why="OpenSSL checks it only if the leaf has such a name",
    ),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_verdicts_of_openssl_and_go_match_ours_or_have_a_reason(row: Row, tmp_path: Path) -> None:
    """Each of the three accepts the chain, or rejects it for the reason in its row."""
    issued, authorities = row.chain()
    roots = [authority.certificate for authority in authorities]
    go = tmp_path / "go"
    verdicts = [
        (row.ours, verdict(issued, roots, row.purpose)),
        (row.openssl, openssl_refuses(tmp_path / "openssl", issued, roots, row.purpose)),
        (
            row.go,
            go_refuses_server(go, issued, roots)
            if row.purpose is Purpose.SERVER
            else go_refuses_client(go, issued, *authorities),
        ),
    ]
    for expected, found in verdicts:
        assert (expected is None) == (found is None), found
        assert found is None or (expected or "") in found
    assert row.go is None or row.ours is not None  # dockerd and the docker CLI are Go
    differ = len({reason is None for reason in (row.ours, row.openssl, row.go)}) > 1
    assert differ == bool(row.why)


def renewed(authority: Authority, lifetime: timedelta) -> Authority:
    """Create a root with the same name and key and another validity."""
    return Authority.create(key=authority.key, lifetime=lifetime)


@pytest.mark.parametrize("order", [1, -1])
def test_path_with_the_longest_validity_is_chosen(order: int) -> None:
    """A root and an intermediate were renewed with their keys, and both of each are offered."""
    root = Authority.create(lifetime=timedelta(hours=2))
    later = renewed(root, 300 * DAY)
    below = root.intermediate(lifetime=timedelta(hours=1))
    again = Authority(renewed_below(later, below), below.key)
    issued = issue(below, lifetime=3 * DAY)
    found = find_chain(
        issued.certificate,
        [below.certificate, again.certificate][::order],
        roots=[root.certificate, later.certificate][::order],
        purpose=Purpose.SERVER,
        at=datetime.now(UTC),
    )
    assert found.intermediates == (again.certificate,)
    assert found.root == later.certificate
    assert found.valid_until == issued.certificate.not_valid_after_utc


def renewed_below(root: Authority, below: Authority) -> x509.Certificate:
    """Sign an intermediate again, with a longer validity."""
    old = below.certificate
    builder = (
        x509.CertificateBuilder()
        .subject_name(old.subject)
        .issuer_name(root.certificate.subject)
        .public_key(old.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(old.not_valid_before_utc)
        .not_valid_after(old.not_valid_before_utc + 200 * DAY)
    )
    for extension in old.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    return builder.sign(root.key, hashes.SHA256())


def test_unknown_issuer_is_the_only_reason_given() -> None:
    """An untrusted root that is sent along is not followed in a loop."""
    issued, authorities = of_an_unknown_root()
    reason = verdict(issued, [root.certificate for root in authorities], Purpose.SERVER)
    assert reason is not None
    assert reason.endswith("through its issuer 'CN=another root'")


def test_empty_trust_bundle_is_rejected() -> None:
    """The message says that the bundle is empty."""
    reason = verdict(issue(Authority.create()), [], Purpose.SERVER)
    assert reason is not None
    assert "trust bundle (which is empty)" in reason


@pytest.mark.parametrize(("days", "found"), [(-1, False), (1, True), (8, False)])
def test_path_is_validated_at_the_given_time(days: int, found: bool) -> None:
    """That is Vault's time, within the tolerance; here everything is ten years ahead."""
    begin = NOW + 3650 * DAY
    root = Authority.create(not_before=begin - DAY)
    issued = root.issue("a.example", dns=["a.example"], usages=[SERVER_AUTH], not_before=begin)

    def path() -> object:
        return find_chain(
            issued.certificate,
            issued.chain,
            roots=[root.certificate],
            purpose=Purpose.SERVER,
            at=begin + days * DAY,
        )

    if found:
        assert path()
    else:
        with pytest.raises(VerificationError):
            path()
