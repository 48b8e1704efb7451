"""How a role differs from the one that is wanted: what that takes away, what it opens; pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from dockertls_vault.duration import format_duration

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from dockertls_vault.vault.roles import Role

# 0 is as long as the mount or the server allows.
_TTLS = {"ttl", "max_ttl", "max_lease_ttl"}
_DURATIONS = {*_TTLS, "not_before_duration"}
# Turned on, these forbid something; every other switch allows something.
_LIMITS = {"enforce_hostnames", "require_cn", "no_store"}
# What they say is nothing to a role with allow_any_name.
_NAMES = {
    "allowed_domains",
    "allow_subdomains",
    "allow_bare_domains",
    "allow_glob_domains",
    "allow_localhost",
}
# Who somebody may be with a certificate: its names, its addresses, its extended key usages.
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
# Ours are the widest: any kind of key, of any size, and the hash that fits the issuer's key.
_NEVER_LESS = {"key_type", "key_bits", "signature_bits"}
# OpenBao's, from the one that lets most through; an unknown value lets through more still.
_BOUNDS = ("permit", "ttl-limited", "forbid")


@dataclass(frozen=True)
class Change:
    """One parameter that differs; ``before`` is None where it was not there.

    ``restricts`` says that somebody may lose by it what they have now, ``widens`` that somebody
    may be by it who they could not be before, and that no option has asked for that.
    """

    parameter: str
    before: object
    after: object
    restricts: bool = False
    widens: bool = False

    @property
    def needs_confirmation(self) -> bool:
        """Whether nobody has asked for it; --remove-domain, which names a domain, does."""
        return self.widens or (self.restricts and self.parameter != "allowed_domains")


def differences(
    before: Role | None, after: Role, asked: AbstractSet[str] = frozenset()
) -> tuple[Change, ...]:
    """Return the parameters of ``after`` that a role has otherwise.

    Those in ``asked`` open what somebody has asked for. A parameter that the server does not give
    back is one it does not know, and no difference.
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
            restricts=not (any_name and name in _NAMES) and _is_less(name, found, value),
            widens=name not in asked and _opens(name, before, after),
        )
        for name, found, value in both
        if _comparable(found) != _comparable(value)
    )


def describe_change(change: Change) -> str:
    """Return a change in words: ``max_ttl: 24h -> 30d``."""
    after = _value(change.parameter, change.after)
    if change.before is None:
        return f"{change.parameter}: {after}"
    return f"{change.parameter}: {_value(change.parameter, change.before)} -> {after}"


def announce(change: Change) -> str:
    """Return a change in words, after what it does: ``widens: allow_any_name: false -> true``."""
    marks = [
        word for word, does in (("restricts", change.restricts), ("widens", change.widens)) if does
    ]
    return f"{' and '.join(marks)}: {describe_change(change)}" if marks else describe_change(change)


def _opens(parameter: str, before: Role, after: Role) -> bool:
    """Tell whether certificates are signed for somebody to whom they were refused."""
    if parameter in _NAMES and (before.get("allow_any_name") or after.get("allow_any_name")):
        return False
    if parameter == "allow_subdomains" and not before.get("allowed_domains"):
        return False
    value = after[parameter]
    return parameter in _IDENTITY and _is_less(parameter, value, _found(before[parameter], value))


def _is_less(parameter: str, before: object, after: object) -> bool:
    """Tell whether ``after`` gives less than ``before``; in doubt it does."""
    match before, after:
        case bool(), bool():
            return before is not (parameter in _LIMITS)
        case list(), list():
            return _lists_less(parameter, before, after)
        case int(), int() if parameter in _TTLS:
            return before == 0 or 0 < after < before
        case int(), int() if parameter in _DURATIONS:
            return after < before
    if parameter == "not_after_bound" and {before, after} <= {*_BOUNDS}:
        return _BOUNDS.index(str(before)) < _BOUNDS.index(str(after))
    return parameter not in _NEVER_LESS


def _lists_less(parameter: str, before: list[object], after: list[object]) -> bool:
    if parameter == "cn_validations" and "disabled" in after:
        return False
    if parameter == "key_usage" and not before:
        return True  # no key usage at all is every usage (RFC 5280, 4.2.1.3)
    return not set(map(str, before)) <= set(map(str, after))


def _found(before: object, after: object) -> object:
    """Return ``before``; a list that was never set may be null (Go's nil)."""
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
