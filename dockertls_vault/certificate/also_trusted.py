"""CAs of the user's that ca.pem contains besides Vault's roots, until an end date; pure.

While a host moves from a CA made by hand to Vault's, both ends must trust both. No certificate of
ours is accepted because it chains to one of these: ``verify`` is given Vault's roots only.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from dockertls_vault.duration import format_time
from dockertls_vault.errors import InvalidInput, VerificationError

from .certificate import Description, certificates_pem, describe, fingerprint, load_certificates
from .chain import EXTENDED_KEY_USAGE, USAGE_NAMES
from .keys import has_private_key, public_key_der
from .verify import extended_key_usages, is_ca

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from cryptography.x509 import Certificate

    from .request import Purpose

# Bytes; request.json keeps them, and a bundle of all public CAs does not belong there.
LARGEST = 1 << 16


@dataclass(frozen=True)
class AlsoTrusted:
    """A CA, and until when ca.pem contains it: no longer than it is valid.

    Once it is ``removed`` from ca.pem at its end date, a clock that is set back adds it no more.
    """

    ca: Certificate
    until: datetime
    removed: bool = False

    def described(self) -> TrustedUntil:
        """Return it as a result shows it."""
        return TrustedUntil(describe(self.ca), self.until)


@dataclass(frozen=True)
class TrustedUntil:
    """A CA that is trusted until a time, in UTC, when the next renewal removes it from ca.pem."""

    certificate: Description
    until: datetime

    def __str__(self) -> str:
        """Return the CA and its end date in words."""
        return f"{self.certificate.subject or '(empty)'} until {format_time(self.until)}"


def parse(pem: bytes, until: datetime, now: datetime) -> tuple[AlsoTrusted, ...]:
    """Return the CAs in ``pem``, to be trusted until a time.

    Raises InvalidInput if it holds anything but the certificates of CAs that are still valid.
    """
    if has_private_key(pem):
        raise InvalidInput(
            "it contains a private key, which must not be kept with a request",
            hint="name a file with the CA's certificate only",
        )
    if len(pem) > LARGEST:
        raise InvalidInput(
            f"it has more than {LARGEST >> 10} KiB", hint="name a file with the old CA only"
        )
    try:
        found = load_certificates(pem)
    except VerificationError as error:
        raise InvalidInput(
            f"it holds no certificates in PEM: {'; '.join(error.problems)}",
            hint="`openssl x509 -inform DER -in FILE` converts one in DER",
        ) from None
    for certificate in found:
        _require_valid_ca(certificate, now)
    return tuple(AlsoTrusted(ca, min(until, ca.not_valid_after_utc)) for ca in unique(found))


def _require_valid_ca(certificate: Certificate, now: datetime) -> None:
    subject = certificate.subject.rfc4514_string() or "(empty)"
    if not is_ca(certificate):
        raise InvalidInput(
            f"{subject!r} is not a CA (SHA-256 {fingerprint(certificate)})",
            hint="name the file with the CA's certificate, which is the old ca.pem",
        )
    if certificate.not_valid_after_utc <= now:
        raise InvalidInput(
            f"the CA {subject!r} expired at {format_time(certificate.not_valid_after_utc)}",
            hint="certificates that it issued are no longer accepted, so nobody needs it",
        )


def refuse_useless(cas: Iterable[AlsoTrusted], peers: Purpose) -> None:
    """Raise InvalidInput for a CA of which Go accepts no certificate of ``peers``.

    Measured with Docker 20.10 and 26.1. Their Go rejects other critical extensions, too, but only
    these in every version.
    """
    for each in cas:
        if (reason := _why_useless(each, peers)) is not None:
            raise InvalidInput(
                f"docker and dockerd reject every {peers.value} certificate of the CA "
                f"{each.ca.subject.rfc4514_string() or '(empty)'!r}: {reason}",
                hint="name the file with the CA that issued the certificates in use",
            )


def _why_useless(also: AlsoTrusted, peers: Purpose) -> str | None:
    critical = next((each for each in also.ca.extensions if _is_unknown(each)), None)
    usages = extended_key_usages(also.ca)
    if also.until <= also.ca.not_valid_before_utc:
        return f"it is not valid before {format_time(also.ca.not_valid_before_utc)}"
    if not _may_sign(also.ca):
        return "its key usage lacks keyCertSign"
    if usages and not usages & {
        EXTENDED_KEY_USAGE[peers],
        ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
    }:
        return f"its extended key usage lacks {USAGE_NAMES[EXTENDED_KEY_USAGE[peers]]}"
    return critical and f"its critical extension {critical.oid.dotted_string} is unknown"


def _may_sign(ca: Certificate) -> bool:
    try:
        return ca.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    except x509.ExtensionNotFound:
        return True


def _is_unknown(extension: x509.Extension[x509.ExtensionType]) -> bool:
    return extension.critical and isinstance(extension.value, x509.UnrecognizedExtension)


def ending(cas: Iterable[AlsoTrusted], end: datetime) -> tuple[AlsoTrusted, ...]:
    """Return the CAs with another end date."""
    return tuple(replace(each, until=min(end, each.ca.not_valid_after_utc)) for each in cas)


def current(cas: Iterable[AlsoTrusted], now: datetime) -> tuple[AlsoTrusted, ...]:
    """Return the CAs whose end date has not passed."""
    return tuple(each for each in cas if now < each.until and not each.removed)


def as_installed(cas: Iterable[AlsoTrusted], now: datetime) -> tuple[AlsoTrusted, ...]:
    """Return the CAs as they are once a ca.pem is installed that contains the current ones.

    The others stay in the request, since a rollback may bring one back, to be removed again.
    """
    return tuple(replace(each, removed=each.removed or each.until <= now) for each in cas)


def bundle(
    roots: Sequence[Certificate], cas: Iterable[AlsoTrusted], now: datetime
) -> tuple[Certificate, ...]:
    """Return what ca.pem trusts: Vault's roots first, then the current ones of ``cas``."""
    return unique((*roots, *(each.ca for each in current(cas, now))))


def first_end(
    trusted: Sequence[Certificate], roots: Sequence[Certificate], cas: Iterable[AlsoTrusted]
) -> datetime | None:
    """Return when the first CA must leave a ca.pem that trusts ``trusted``, None if none must.

    One that is also a root of Vault's stays.
    """
    return min(
        (each.until for each in cas if each.ca in trusted and each.ca not in roots), default=None
    )


def namesakes(known: Iterable[Certificate], cas: Iterable[Certificate]) -> tuple[Certificate, ...]:
    """Return those of ``cas`` that have the name of a CA that is ``known``, and the key of none.

    A daemon shows names only. A root that was issued again with its key is the same CA: it issued
    the same certificates.
    """
    known = tuple(known)
    names = {ca.subject for ca in known}
    keys = {public_key_der(ca.public_key()) for ca in known}
    return tuple(
        ca for ca in cas if ca.subject in names and public_key_der(ca.public_key()) not in keys
    )


def unique(certificates: Iterable[Certificate]) -> tuple[Certificate, ...]:
    """Return the certificates in order, each once."""
    return tuple(dict.fromkeys(certificates))


def to_json(cas: Iterable[AlsoTrusted]) -> list[dict[str, str | bool]]:
    """Return the CAs as JSON types; ``removed`` is absent if it is false."""
    return [
        {"certificate": certificates_pem([each.ca]).decode(), "until": each.until.isoformat()}
        | ({"removed": True} if each.removed else {})
        for each in cas
    ]
