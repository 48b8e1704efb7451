"""CAs that ca.pem contains besides Vault's: which are accepted, and until when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from dockertls_vault.certificate import also_trusted
from dockertls_vault.certificate.certificate import describe
from dockertls_vault.certificate.request import Purpose
from dockertls_vault.errors import InvalidInput
from tests.certificates import CLIENT_AUTH, SERVER_AUTH, Authority, Extension, key_usage

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)
OLD, OTHER, ROOT = (Authority.create(name) for name in ("old", "other", "root"))
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")


def parse(pem: bytes) -> tuple[also_trusted.AlsoTrusted, ...]:
    """Parse CAs that are to be trusted for 30 days."""
    return also_trusted.parse(pem, NOW + 30 * DAY, NOW)


def refused(pem: bytes) -> str:
    """Return why it is refused; a hint says what to give instead."""
    with pytest.raises(InvalidInput) as caught:
        parse(pem)
    assert caught.value.hint
    return caught.value.message


def test_each_ca_is_trusted_until_the_date_or_its_own_end() -> None:
    """One that a file repeats counts once; an intermediate may be an anchor, too."""
    short = Authority.create("short", lifetime=2 * DAY)
    below = OLD.intermediate()
    found = parse(OLD.pem + short.pem + OLD.pem + below.pem)
    end = NOW + 30 * DAY
    assert [(each.ca, each.until) for each in found] == [
        (OLD.certificate, end),
        (short.certificate, short.certificate.not_valid_after_utc),
        (below.certificate, end),
    ]


@pytest.mark.parametrize(
    ("pem", "reason"),
    [
        (OLD.pem + OLD.client().key_pem, "it contains a private key"),
        (
            b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n" + OLD.pem,
            "it contains a private key",
        ),
        (OLD.client().certificate_pem, "'CN=alice' is not a CA"),
        (OLD.pem + OLD.server("a").certificate_pem, "'CN=a' is not a CA"),
        (b"", "it holds no certificates in PEM"),
        (b"garbage", "it holds no certificates in PEM"),
        (OLD.certificate.public_bytes(Encoding.DER), "it holds no certificates in PEM"),
        (OLD.pem[:-40], "it holds no certificates in PEM"),
        (OLD.pem + b"x" * also_trusted.LARGEST, "it has more than 64 KiB"),
        (Authority.create(lifetime=DAY, not_before=NOW - 2 * DAY).pem, "expired at"),
        (
            Authority.create(without=[x509.BasicConstraints]).pem,
            "is not a CA",
        ),
    ],
    ids=[
        *("a key", "an encrypted key", "a leaf", "a leaf as well", "nothing", "garbage", "DER"),
        *("truncated", "too large", "expired", "no basic constraints"),
    ],
)
def test_what_is_not_the_certificate_of_a_valid_ca_is_refused(pem: bytes, reason: str) -> None:
    """A private key above all: request.json is readable for everybody."""
    assert reason in refused(pem)


def useless(*extra: Extension, not_before: datetime = NOW) -> str | None:
    """Return why a daemon has no use for a CA with these extensions, None if it has."""
    ca = Authority.create("x", not_before=not_before, extra=extra)
    try:
        also_trusted.refuse_useless(parse(ca.pem), Purpose.CLIENT)
    except InvalidInput as error:
        return error.message.partition("'CN=x': ")[2]
    return None


@pytest.mark.parametrize(
    ("extension", "reason"),
    [
        (key_usage(crl_sign=True), "its key usage lacks keyCertSign"),
        (key_usage(key_cert_sign=True), None),
        (x509.ExtendedKeyUsage([SERVER_AUTH]), "its extended key usage lacks clientAuth"),
        (x509.ExtendedKeyUsage([SERVER_AUTH, CLIENT_AUTH]), None),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]), None),
        (x509.Extension(UNKNOWN.oid, True, UNKNOWN), "its critical extension 1.2.3.4 is unknown"),
        (x509.Extension(UNKNOWN.oid, False, UNKNOWN), None),
    ],
)
def test_ca_whose_certificates_go_rejects_is_useless(
    extension: Extension, reason: str | None
) -> None:
    """As Docker 20.10 and 26.1 do."""
    assert useless(extension) == reason


def test_ca_that_is_not_valid_before_its_end_date_is_useless() -> None:
    """The next CA may be trusted ahead of its time."""
    assert (useless(not_before=NOW + 30 * DAY) or "").startswith("it is not valid before ")
    assert useless(not_before=NOW + 29 * DAY) is None


def test_bundle_has_each_ca_until_its_end_date() -> None:
    """Vault's roots come first, and a CA that is one of them is there once, and stays."""
    also = parse(OLD.pem + ROOT.pem)
    roots, end = (ROOT.certificate,), NOW + 30 * DAY
    assert also_trusted.bundle(roots, also, end - DAY) == (ROOT.certificate, OLD.certificate)
    assert also_trusted.bundle(roots, also, end) == roots


def test_namesake_has_the_name_and_another_key() -> None:
    """A root that was issued again with its key is the same CA."""
    vault, another, other = (Authority.create(name) for name in ("r", "r", "old"))
    again = Authority.create("r", key=vault.key)
    cas = [each.certificate for each in (vault, again, another, other)]
    assert also_trusted.namesakes([vault.certificate], cas) == (another.certificate,)


def test_first_end_is_that_of_a_ca_that_must_leave() -> None:
    """A CA that is also Vault's need not, and one that is not in ca.pem has left."""
    (old,), (other,), (root,) = map(parse, (OLD.pem, OTHER.pem, ROOT.pem))
    (sooner,) = also_trusted.ending([other], NOW + DAY)
    (soonest,) = also_trusted.ending([root], NOW + timedelta(hours=1))
    cas = (old, sooner, soonest)
    roots = (ROOT.certificate,)
    bundle = also_trusted.bundle(roots, cas, NOW)
    assert also_trusted.first_end(bundle, roots, cas) == NOW + DAY
    assert also_trusted.first_end(roots, roots, cas) is None


def test_shown_as_the_subject_and_the_date() -> None:
    """As in `status`."""
    (old,) = parse(OLD.pem)
    shown = old.described()
    assert shown.certificate == describe(OLD.certificate)
    assert str(shown) == f"CN=old until {NOW + 30 * DAY:%Y-%m-%d %H:%M:%S} UTC"
