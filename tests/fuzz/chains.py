"""Randomly changed chains: OpenSSL must accept each one that is accepted here.

test_chains.py compares some of them with Go's verdict.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from dockertls_vault.certificate import verify
from dockertls_vault.certificate.certificate import certificates_pem, describe, load_certificates
from dockertls_vault.certificate.clocks import Clocks
from dockertls_vault.certificate.names import Names
from dockertls_vault.certificate.request import KeyType, Purpose, Request
from tests.certificates import CLIENT_AUTH, SERVER_AUTH, Issued, key_usage
from tests.verdicts import openssl_refuses

from .border import Border
from .certificates import mutated, signed

if TYPE_CHECKING:
    from random import Random

    from dockertls_vault.certificate.keys import Hash, PrivateKey

HOST, ADDRESS, USER = "a.example", "10.0.0.1", "alice"
_DAY = timedelta(days=1)
_NOW = datetime.now(UTC).replace(microsecond=0)
_KEYS = 12
# See "Where Go and OpenSSL differ" in docs/explanation/verification.md.
OF_OPENSSL_ALONE = {
    "Missing Authority Key Identifier",
    "Missing Subject Key Identifier",
    "Basic Constraints of CA cert not marked critical",
    "CA cert does not include key usage extension",
    "Path length given without key usage keyCertSign",
    "unsuitable certificate purpose",  # an intermediate for anyExtendedKeyUsage alone
    # The authority key identifier of another CA.
    "unable to get local issuer certificate",
    "unable to get issuer certificate",
}
_ALL_NAMES = ("root", "root", "upper", "lower", "lower", "other", HOST, USER, "")


@dataclass
class Draft:
    """A certificate before it is signed; keys are numbers. ``twist`` changes its DER."""

    subject: str
    key: int
    issuer: str
    signer: int
    extensions: list[tuple[x509.ExtensionType, bool]]
    start: timedelta = -timedelta(minutes=4)
    end: timedelta = 300 * _DAY
    algorithm: Hash = field(default_factory=hashes.SHA256)
    twist: Random | None = None


@dataclass(frozen=True)
class Drawn:
    """What Vault would return, and the trust bundle."""

    purpose: Purpose
    leaf: Draft
    offered: list[Draft]
    roots: list[Draft]


@cache
def key_of(number: int) -> PrivateKey:
    """Return a key by its number: P-256, except for three of them."""
    if number == 9:
        return rsa.generate_private_key(65537, 2048)
    if number == 10:
        return ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32))
    if number == 11:
        return ec.derive_private_key(7, ec.SECP384R1())
    return ec.derive_private_key(number + 20, ec.SECP256R1())


def _identifier(number: int) -> x509.SubjectKeyIdentifier:
    return x509.SubjectKeyIdentifier.from_public_key(key_of(number).public_key())


def _authority_identifier(number: int) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key_of(number).public_key())


def _ca(subject: str, key: int, issuer: str, signer: int) -> Draft:
    return Draft(
        subject,
        key,
        issuer,
        signer,
        [
            (x509.BasicConstraints(ca=True, path_length=None), True),
            (key_usage(key_cert_sign=True, crl_sign=True), True),
            (_identifier(key), False),
            (_authority_identifier(signer), False),
        ],
    )


def _names(purpose: Purpose) -> tuple[list[str], list[str]]:
    return ([HOST], [ADDRESS]) if purpose is Purpose.SERVER else ([], [])


def _leaf(purpose: Purpose, issuer: str, signer: int) -> Draft:
    usage = SERVER_AUTH if purpose is Purpose.SERVER else CLIENT_AUTH
    dns, addresses = _names(purpose)
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.ExtendedKeyUsage([usage]), False),
        (key_usage(digital_signature=True), True),
        (_identifier(8), False),
        (_authority_identifier(signer), False),
    ]
    if dns:
        names = [*map(x509.DNSName, dns), *(x509.IPAddress(ip_address(a)) for a in addresses)]
        extensions.append((x509.SubjectAlternativeName(names), False))
    common_name = HOST if purpose is Purpose.SERVER else USER
    return Draft(common_name, 8, issuer, signer, extensions, end=6 * _DAY)


def _general_name(random: Random) -> x509.GeneralName:
    return random.choice(
        (
            x509.DNSName("example"),
            x509.DNSName("a.example"),
            x509.DNSName("xample"),
            x509.DNSName("b.example"),
            x509.DNSName("EXAMPLE"),
            x509.DNSName("com"),
            x509.IPAddress(ip_network("10.0.0.0/8")),
            x509.IPAddress(ip_network("0.0.0.0/0")),
            x509.IPAddress(ip_network("::/0")),
            x509.IPAddress(ip_network("11.0.0.0/8")),
            x509.RFC822Name("example"),
            x509.RFC822Name("a@example"),
            x509.UniformResourceIdentifier("example"),
            x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "alice")])),
        )
    )


def _extension(random: Random) -> tuple[x509.ExtensionType, bool]:
    drawers = (_basic, _usage, _usages, _constraints, _constraints, _identifiers, _san, _rare)
    return random.choice(drawers)(random), random.random() < 0.4


def _basic(random: Random) -> x509.ExtensionType:
    ca = random.random() < 0.7
    return x509.BasicConstraints(ca, random.choice((None, 0, 1, 2)) if ca else None)


def _usage(random: Random) -> x509.ExtensionType:
    flags = ("digital_signature", "key_cert_sign", "crl_sign", "key_encipherment")
    return key_usage(**dict.fromkeys(random.sample(flags, random.randint(1, 3)), True))


def _usages(random: Random) -> x509.ExtensionType:
    usages = (
        SERVER_AUTH,
        CLIENT_AUTH,
        ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
        ExtendedKeyUsageOID.CODE_SIGNING,
    )
    return x509.ExtendedKeyUsage(random.sample(usages, random.randint(1, 3)))


def _constraints(random: Random) -> x509.ExtensionType:
    names = [_general_name(random) for _ in range(random.randint(1, 3))]
    return random.choice(
        (
            x509.NameConstraints(names, None),
            x509.NameConstraints(None, names),
            x509.NameConstraints(names, names[:1]),
        )
    )


def _identifiers(random: Random) -> x509.ExtensionType:
    return random.choice((_identifier, _authority_identifier))(random.randrange(_KEYS))


def _san(random: Random) -> x509.ExtensionType:
    return x509.SubjectAlternativeName([_general_name_of_a_leaf(random)])


def _rare(random: Random) -> x509.ExtensionType:
    uri = x509.UniformResourceIdentifier("http://ca.example/")
    oid = x509.ObjectIdentifier("1.2.3")
    return random.choice(
        (
            x509.UnrecognizedExtension(oid, b"\5\0"),
            x509.InhibitAnyPolicy(0),
            x509.PolicyConstraints(random.choice((None, 0, 1)), 0),
            x509.CertificatePolicies([x509.PolicyInformation(oid, None)]),
            x509.TLSFeature([x509.TLSFeatureType.status_request]),
            x509.OCSPNoCheck(),
            x509.SubjectInformationAccess([x509.AccessDescription(oid, uri)]),
            x509.IssuerAlternativeName([x509.DNSName("b.example")]),
            x509.CRLDistributionPoints([x509.DistributionPoint([uri], None, None, None)]),
        )
    )


def _general_name_of_a_leaf(random: Random) -> x509.GeneralName:
    return random.choice(
        (
            x509.DNSName("b.com"),
            x509.DNSName("*.example"),
            x509.RFC822Name("a@b.com"),
            x509.UniformResourceIdentifier("http://b.com/"),
            x509.IPAddress(ip_address("192.0.2.1")),
            x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bob")])),
        )
    )


def _change(random: Random, draft: Draft) -> Draft:
    extensions = list(draft.extensions)
    match random.randrange(12):
        case 0 | 1 if extensions:
            del extensions[random.randrange(len(extensions))]
        case 2 if extensions:
            at = random.randrange(len(extensions))
            extensions[at] = (extensions[at][0], not extensions[at][1])
        case 3 | 4 | 5 | 6:
            added = _extension(random)
            extensions = [one for one in extensions if one[0].oid != added[0].oid] + [added]
        case 7:
            return replace(
                draft,
                start=random.choice((-9 * _DAY, -timedelta(minutes=1), timedelta(hours=1))),
                end=random.choice((-timedelta(hours=1), timedelta(hours=2), 9000 * _DAY)),
            )
        case 8:
            return replace(draft, algorithm=random.choice((hashes.SHA384(), hashes.SHA512())))
        case 9:
            return replace(draft, signer=random.randrange(_KEYS))
        case 10:
            name = random.choice(_ALL_NAMES)
            of_issuer = random.random() < 0.5
            return replace(draft, issuer=name) if of_issuer else replace(draft, subject=name)
        case _:
            return replace(draft, twist=random)
    return replace(draft, extensions=extensions)


def draw(random: Random) -> Drawn:
    """Generate a chain, valid except for a few changes."""
    purpose = random.choice(list(Purpose))
    signer = random.choices((0, 9, 10, 11), (15, 5, 1, 5))[0]
    above = "root"
    roots = [_ca(above, signer, above, signer)]
    offered: list[Draft] = []
    for key, name in enumerate(random.choice(((), ("upper",), ("upper", "lower"))), 1):
        subject = above if random.random() < 0.1 else name  # self-issued
        offered.insert(0, _ca(subject, key, above, signer))
        above, signer = subject, key
    drawn = [_leaf(purpose, above, signer)]
    for _ in range(random.choice((0, 1, 1, 1, 2, 2, 3))):
        cas = random.choice((drawn, offered, offered, roots))
        if random.random() < 0.75 and cas:
            at = random.randrange(len(cas))
            cas[at] = _change(random, cas[at])
        else:
            _send_besides(random, offered, roots)
    return Drawn(purpose, drawn[0], offered, roots)


def _send_besides(random: Random, offered: list[Draft], roots: list[Draft]) -> None:
    """Add a CA: an existing one unchanged, renewed or cross-signed; in any order."""
    again = random.choice([*offered, *roots])
    match random.randrange(4):
        case 0:
            roots.append(_ca("other", 5, "other", 5))
            offered.append(replace(again, issuer="other", signer=5))
        case 1:
            offered.append(replace(again, end=random.choice((timedelta(hours=1), 99 * _DAY))))
        case 2:
            (roots if again.subject == "root" else offered).append(_change(random, again))
        case _:
            offered.append(again)
    random.shuffle(offered)
    random.shuffle(roots)


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)] if name else [])


def sign(draft: Draft, number: int, suffix: str) -> x509.Certificate:
    """Sign a draft."""
    subject = draft.subject + (suffix if draft.subject not in (HOST, USER) else "")
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(draft.issuer + suffix))
        .public_key(key_of(draft.key).public_key())
        .serial_number(number)
        .not_valid_before(_NOW + draft.start)
        .not_valid_after(max(_NOW + draft.end, _NOW + draft.start))
    )
    for extension, is_critical in draft.extensions:
        builder = builder.add_extension(extension, is_critical)
    key = key_of(draft.signer)
    plain = isinstance(key, ed25519.Ed25519PrivateKey)
    certificate = builder.sign(key, None if plain else draft.algorithm)
    return certificate if draft.twist is None else _twisted(certificate, draft)


def _twisted(certificate: x509.Certificate, draft: Draft) -> x509.Certificate:
    """Change values of a signed certificate and sign it again; unchanged if unreadable."""
    assert draft.twist is not None
    key = key_of(draft.signer)
    tbs = mutated(draft.twist, certificate.tbs_certificate_bytes)
    if isinstance(key, rsa.RSAPrivateKey):
        signature = key.sign(tbs, padding.PKCS1v15(), draft.algorithm)
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        signature = key.sign(tbs, ec.ECDSA(draft.algorithm))
    else:
        signature = key.sign(tbs)
    try:
        return x509.load_der_x509_certificate(signed(certificate, tbs, signature))
    except (ValueError, x509.InvalidVersion):
        return certificate


def request(purpose: Purpose) -> Request:
    """Return the request for it."""
    dns, addresses = _names(purpose)
    return Request(
        purpose=purpose,
        mount="dockertls",
        role="role",
        names=Names(tuple(dns), tuple(addresses)),
        common_name=HOST if purpose is Purpose.SERVER else USER,
        ttl=7 * _DAY,
        key_type=KeyType.EC_P256,
    )


def build(drawn: Drawn, suffix: str = "") -> tuple[Issued, list[x509.Certificate]]:
    """Create the certificates; the name of each CA gets the suffix."""
    drafts = (drawn.leaf, *drawn.offered, *drawn.roots)
    leaf, *others = (sign(draft, number, suffix) for number, draft in enumerate(drafts, 1))
    split = len(drawn.offered)
    return Issued(leaf, key_of(drawn.leaf.key), tuple(others[:split])), others[split:]


def accept(
    drawn: Drawn, issued: Issued, roots: list[x509.Certificate]
) -> tuple[Issued, tuple[x509.Certificate, ...]]:
    """Return what would be installed, and the trust bundle; raises VerificationError."""
    now = datetime.now(UTC)
    bundle = verify.current_roots(load_certificates(certificates_pem(roots)), now)
    verified = verify.verify(
        certificates_pem([issued.certificate]).decode(),
        [certificates_pem([found]).decode() for found in issued.chain],
        roots=bundle,
        request=request(drawn.purpose),
        public_key=issued.key.public_key(),
        clocks=Clocks(now),
    )
    return Issued(verified.leaf, issued.key, verified.intermediates), bundle


def _cross(drawn: Drawn) -> object:
    installed, roots = accept(drawn, *build(drawn))
    with tempfile.TemporaryDirectory() as directory:
        names = request(drawn.purpose).names
        refused = openssl_refuses(Path(directory), installed, roots, drawn.purpose, names)
    assert refused is None or refused in OF_OPENSSL_ALONE or _alike(installed, roots), refused
    return describe(installed.certificate)


def _alike(issued: Issued, roots: tuple[x509.Certificate, ...]) -> bool:
    """Tell whether two CAs share a name: OpenSSL takes one of them, and tries no other."""
    subjects = [ca.subject for ca in (*issued.chain, *roots)]
    return len(set(subjects)) < len(subjects)


BORDER = Border("chains", draw, _cross)
