"""How a role differs from its desired state, and what access that removes or widens; pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from dockertls_vault.duration import format_duration

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from dockertls_vault.vault.roles import Role

# 0 means as long as the mount or the server allows.
_TTLS = {"ttl", "max_ttl", "max_lease_ttl"}
_DURATIONS = {*_TTLS, "not_before_duration"}
# Setting one of these to true forbids something; any other boolean, when true, allows something.
_LIMITS = {"enforce_hostnames", "require_cn", "no_store"}
# These have no effect in a role with allow_any_name.
_NAMES = {
    "allowed_domains",
    "allow_subdomains",
    "allow_bare_domains",
    "allow_glob_domains",
    "allow_localhost",
}
# What identities a certificate may have: its names, addresses and extended key usages.
_IDENTITY = {
    *_NAMES,
    "allow_any_name",
    "allow_wildcard_certificates",
    "enforce_hostnames",
    "cn_validations",
    "allow_ip_sans",
    "allowed_uri_sans",
    "allowed_other_sans",
    "server_flag",
    "client_flag",
    "code_signing_flag",
    "email_protection_flag",
    "ext_key_usage",
    "ext_key_usage_oids",
}
# Our values are the widest: any type and size of key, and the hash that suits the issuer's key.
_NEVER_RESTRICTS = {"key_type", "key_bits", "signature_bits"}
# OpenBao's values, the most permissive first; an unknown value counts as even more permissive.
_BOUNDS = ("permit", "ttl-limited", "forbid")


@dataclass(frozen=True)
class Change:
    """One parameter that differs; ``before`` is None if it was absent.

    ``restricts`` is true if certificates that are signed today may be rejected; ``widens`` if
    identities that are rejected today may be signed, and no option requested that.
    """

    parameter: str
    before: object
    after: object
    restricts: bool = False
    widens: bool = False

    @property
    def needs_confirmation(self) -> bool:
        """Whether no option requested it; --remove-domain requests fewer ``allowed_domains``."""
        return self.widens or (self.restricts and self.parameter != "allowed_domains")


def differences(
    before: Role | None, after: Role, requested: AbstractSet[str] = frozenset()
) -> tuple[Change, ...]:
    """Return the parameters of ``after`` whose value differs from ``before``.

    Those in ``requested`` are set by an option, and may widen access. A parameter that is missing
    from ``before`` is one that the server does not know, and does not count as a difference.
    """
    if before is None:
        return tuple(Change(name, None, value) for name, value in after.items())
    any_name = bool(after.get("allow_any_name"))
    both = (
        (name, _found(before[name], value), value)
        for name, value in after.items()
        if name in before
    )
    return tuple(
        Change(
            name,
            found,
            value,
            restricts=not (any_name and name in _NAMES) and _restricts(name, found, value),
            widens=name not in requested and _widens(name, before, after),
        )
        for name, found, value in both
        if _comparable(found) != _comparable(value)
    )


def describe_change(change: Change) -> str:
    """Return a change as text: ``max_ttl: 24h -> 30d``."""
    after = _value(change.parameter, change.after)
    if change.before is None:
        return f"{change.parameter}: {after}"
    return f"{change.parameter}: {_value(change.parameter, change.before)} -> {after}"


def describe_effect(change: Change) -> str:
    """Return a change as text, with its effect: ``widens: allow_any_name: false -> true``."""
    effects = ["restricts"] * change.restricts + ["widens"] * change.widens
    described = describe_change(change)
    return f"{' and '.join(effects)}: {described}" if effects else described


def _widens(parameter: str, before: Role, after: Role) -> bool:
    """Tell whether ``after`` allows an identity that ``before`` rejects."""
    if parameter in _NAMES and (before.get("allow_any_name") or after.get("allow_any_name")):
        return False
    if parameter == "allow_subdomains" and not before.get("allowed_domains"):
        return False
    value = after[parameter]
    return parameter in _IDENTITY and _restricts(parameter, value, _found(before[parameter], value))


def _restricts(parameter: str, before: object, after: object) -> bool:
    """Tell whether ``after`` allows less than ``before``; true if that cannot be determined."""
    match before, after:
        case bool(), bool():
            return before is not (parameter in _LIMITS)
        case list(), list():
            return _restricts_list(parameter, before, after)
        case int(), int() if parameter in _TTLS:
            return before == 0 or 0 < after < before
        case int(), int() if parameter in _DURATIONS:
            return after < before
    if parameter == "not_after_bound" and {before, after} <= {*_BOUNDS}:
        return _BOUNDS.index(str(before)) < _BOUNDS.index(str(after))
    return parameter not in _NEVER_RESTRICTS


def _restricts_list(parameter: str, before: list[object], after: list[object]) -> bool:
    if parameter == "cn_validations" and "disabled" in after:
        return False
    if parameter == "key_usage" and not before:
        return True  # without a key usage extension, every usage is allowed (RFC 5280 §4.2.1.3)
    return not set(map(str, before)) <= set(map(str, after))


def _found(before: object, after: object) -> object:
    """Return ``before``, or an empty list for null: how Go encodes a list that was never set."""
    return [] if before is None and isinstance(after, list) else before


def _comparable(value: object) -> object:
    return sorted(map(str, value)) if isinstance(value, list) else value


def _value(parameter: str, value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and parameter in _DURATIONS:
        return format_duration(timedelta(seconds=value))
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return str(value)
