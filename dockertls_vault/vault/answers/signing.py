"""Why the PKI engine refuses to sign: its rows of the table of responses; pure.

The messages are those of ``builtin/logical/pki`` in Vault and OpenBao, and of Go's ``crypto/x509``
for name constraints. None of them is temporary, except that an issuer is too new.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from shlex import quote
from typing import TYPE_CHECKING

from dockertls_vault.certificate.request import KeyType
from dockertls_vault.duration import format_duration, format_time
from dockertls_vault.errors import (
    CommonNameRequired,
    IssuerExpired,
    IssuerTooNew,
    IssuerUnusable,
    KeyNotAllowed,
    NameNotAllowed,
    SigningRefused,
    TTLNotAllowed,
    UnknownRole,
)
from dockertls_vault.vault.roles import allow_names_command

from .meaning import Row, Verdict, row

if TYPE_CHECKING:
    from .meaning import Refusal

# A mount may have "/sign/" in its own path.
_SIGN = r"/sign/[^/]+$"
# What the role parameters reject by a single character of the name, whatever its domain: an
# underscore is no host name (RFC 1123 §2.1), and an asterisk is a wildcard (RFC 6125 §6.4.3).
_LIMITS = (("_", "enforce_hostnames=false"), ("*", "allow_wildcard_certificates=true"))
# Bits: more than any curve has; no RSA key has fewer.
_SHORTEST_RSA = 1024


def _unknown_role(refusal: Refusal) -> UnknownRole:
    return UnknownRole(f"no such role in Vault: {refusal.path!r}: {refusal.message}")


def _name_not_allowed(refusal: Refusal) -> NameNotAllowed:
    name = refusal.group("name")
    # A name with an underscore or a wildcard is rejected in any domain.
    change = next((change for sign, change in _LIMITS if sign in name), None)
    return NameNotAllowed(
        f"the role {_role(refusal)!r} does not allow the name {name!r}: {refusal.message}",
        names=(name,),
        hint=f"request another name (--host), or set {change} in the role"
        if change
        else "request another name (--host), or allow it in the role: "
        f"`{allow_names_command([name], _mount(refusal), _role(refusal))}`",
    )


def _address_refused(refusal: Refusal) -> NameNotAllowed:
    address = refusal.group("name")
    return NameNotAllowed(
        f"the role {_role(refusal)!r} does not allow the address {address}: {refusal.message}",
        names=(address,),
        hint="request another address (--host), or widen allowed_ip_sans_cidr in the role",
    )


def _addresses_refused(refusal: Refusal) -> NameNotAllowed:
    return NameNotAllowed(
        f"the role {_role(refusal)!r} allows no IP address: {refusal.message}",
        hint="request DNS names (--host), or set allow_ip_sans=true in the role",
    )


def _constrained(refusal: Refusal) -> NameNotAllowed:
    name = refusal.group("name")
    return NameNotAllowed(
        f"the issuer of the role {_role(refusal)!r} may not sign for {name!r}: {refusal.message}",
        names=(name,),
        hint="request a name within the issuer's name constraints (--host)",
    )


def _other_key(refusal: Refusal) -> KeyNotAllowed:
    algorithm = refusal.group("algorithm")
    smallest, *larger = (kind for kind in KeyType if kind.algorithm == algorithm)
    more = f" (or larger: {', '.join(larger)})" if larger else ""
    return KeyNotAllowed(
        f"the role {_role(refusal)!r} requires another type of key: {refusal.message}",
        hint=f"use --key-type {smallest}{more}, or set key_type=any in the role",
    )


def _larger_key(refusal: Refusal) -> KeyNotAllowed:
    bits = int(refusal.group("bits"))
    algorithm = "rsa" if bits >= _SHORTEST_RSA else "ec"
    kinds = [kind for kind in KeyType if kind.algorithm == algorithm]
    fitting = [kind for kind in kinds if kind.bits >= bits]
    return KeyNotAllowed(
        f"the role {_role(refusal)!r} requires a larger key: {refusal.message}",
        hint=f"use --key-type {fitting[0]}, or set key_type=any in the role"
        if fitting
        else f"set key_bits={kinds[-1].bits} in the role: larger keys are not supported here",
    )


def _no_common_name(refusal: Refusal) -> CommonNameRequired:
    return CommonNameRequired(
        f"the role {_role(refusal)!r} requires a common name, but the request has no DNS name of "
        f"at most 64 characters: {refusal.message}",
        hint="set require_cn=false in the role, or add a DNS name (--host)",
    )


def _fixed_end(refusal: Refusal) -> TTLNotAllowed:
    return TTLNotAllowed(
        f"the role {_role(refusal)!r} has a fixed not_after, so it accepts no TTL: "
        f"{refusal.message}",
        hint='set not_after="" and a max_ttl in the role',
    )


def _issuer_ends(refusal: Refusal) -> TTLNotAllowed | IssuerExpired:
    """Return IssuerExpired, or TTLNotAllowed if the issuer expires before the certificate."""
    end, now = _time(refusal.group("end")), refusal.date
    if end is None or now is None:
        return TTLNotAllowed(
            f"the issuer of the role {_role(refusal)!r} expires too soon: {refusal.message}",
            hint="use a shorter --ttl",
        )
    if end <= now:
        return _expired(refusal, f" at {format_time(end)}")
    return TTLNotAllowed(
        f"the issuer of the role {_role(refusal)!r} expires at {format_time(end)}, before "
        f"the certificate would: {refusal.message}",
        hint=f"use --ttl {format_duration(_longest(end - now))}, or set "
        "leaf_not_after_behavior=truncate on the issuer",
    )


def _expired(refusal: Refusal, when: str = "") -> IssuerExpired:
    return IssuerExpired(
        f"the issuer of the role {_role(refusal)!r} expired{when}: {refusal.message}"
    )


def _too_new(refusal: Refusal) -> IssuerTooNew:
    return IssuerTooNew(
        f"the issuer of the role {_role(refusal)!r} is too new for the role's backdated "
        f"certificates: {refusal.message}",
        asked_at=refusal.date,
    )


def _unusable(refusal: Refusal) -> IssuerUnusable:
    return IssuerUnusable(
        f"the role {_role(refusal)!r} has no issuer that can sign: {refusal.message}",
        hint=f"make one that can sign the default (`bao write {quote(_mount(refusal))}"
        "/config/issuers default=NAME`), or set issuer_ref=NAME in the role",
    )


def _refused(refusal: Refusal) -> SigningRefused:
    return SigningRefused(f"the role {_role(refusal)!r} refused to sign: {refusal.message}")


def _mount(refusal: Refusal) -> str:
    return refusal.path.rpartition("/sign/")[0]


def _role(refusal: Refusal) -> str:
    return refusal.path.rpartition("/")[2]


def _time(text: str) -> datetime | None:
    """Return a time that Go printed (RFC 3339, up to nanoseconds) in UTC; None if it is not one."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _longest(left: timedelta) -> timedelta:
    """Return the longest TTL that will still fit into ``left`` when the user pastes it."""
    fits = left - min(timedelta(minutes=1), left / 10)
    if fits >= timedelta(days=1):
        return fits - fits % timedelta(hours=1)
    if fits >= timedelta(hours=1):
        return fits - fits % timedelta(minutes=1)
    return fits


_UNUSABLE = (
    r"no default issuer|unable to find PKI issuer|unable to fetch corresponding key for issuer|"
    r"requested usage issuing-certificates"
)
_REFUSED: tuple[Row, ...] = tuple(
    row(statuses, phrase, Verdict.FINAL, error, path=_SIGN)
    for statuses, phrase, error in (
        (400, r"(?:subject alternate|common) name (?P<name>.+) not allowed by", _name_not_allowed),
        (400, r"alternate name (?P<name>.+) is not a valid DNS name", _name_not_allowed),
        (400, r"IP Subject Alternative Names are not allowed", _addresses_refused),
        (400, r'the IP address "(?P<name>[^"]+)" is not allowed', _address_refused),
        (500, r'sign for this name: (?:DNS name|IP address) "(?P<name>[^"]+)"', _constrained),
        (400, r"requires keys of type (?P<algorithm>rsa|ec|ed25519)\b", _other_key),
        (400, r"requires a minimum of a (?P<bits>\d{1,6})-bit key", _larger_key),
        (400, r"common_name field is required", _no_common_name),
        (400, r"Either ttl or not_after should be provided", _fixed_end),
        (400, r"beyond the expiration of the CA certificate at (?P<end>\S+)", _issuer_ends),
        (400, r"notAfter before notBefore", _expired),
        (400, r"notBefore before signer's notBefore", _too_new),
        ((400, 500), _UNUSABLE, _unusable),
        (400, "", _refused),
    )
)
SIGNING = (
    row(400, r"^(1 error occurred: \* )?unknown role", Verdict.LAGGING, _unknown_role, path=_SIGN),
    *_REFUSED,
)
