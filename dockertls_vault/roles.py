"""The two roles in Vault, and how one that is there differs from them; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from .duration import format_duration

Role = Mapping[str, Any]

# How far a certificate is dated back, for hosts whose clocks are behind. A CA is dated back as
# far: Vault from 1.21.1 on signs nothing whose notBefore lies before that of its issuer.
BACKDATED = timedelta(minutes=5)
# What people look for in a role; the rest is the same for every role of its kind.
TELLING = {
    "server_flag",
    "client_flag",
    "allow_any_name",
    "allowed_domains",
    "allow_bare_domains",
    "allow_localhost",
    "ttl",
    "max_ttl",
}

_DURATIONS = {"ttl", "max_ttl", "not_before_duration", "max_lease_ttl"}
# Both roles: one extended key usage, any key that Docker takes, and nothing kept in Vault for
# each certificate. A bound ``not_after`` is OpenBao's; elsewhere the policy denies it.
_BOTH: Mapping[str, Any] = {
    "issuer_ref": "default",
    "key_type": "any",
    "key_bits": 0,
    "signature_bits": 0,
    "key_usage": ["DigitalSignature"],
    "ext_key_usage": [],
    "ext_key_usage_oids": [],
    "code_signing_flag": False,
    "email_protection_flag": False,
    "allow_glob_domains": False,
    "allow_wildcard_certificates": False,
    "allowed_domains_template": False,
    "allowed_other_sans": [],
    "allowed_uri_sans": [],
    "allowed_uri_sans_template": False,
    "allowed_serial_numbers": [],
    "allowed_user_ids": [],
    "policy_identifiers": [],
    "basic_constraints_valid_for_non_ca": False,
    "use_csr_common_name": True,
    "use_csr_sans": True,
    "no_store": True,
    "generate_lease": False,
    "not_before_duration": int(BACKDATED.total_seconds()),
    "not_after": "",
    "not_after_bound": "ttl-limited",
}
_SERVER: Role = {
    **_BOTH,
    "server_flag": True,
    "client_flag": False,
    "require_cn": False,
    "allow_ip_sans": True,
    "enforce_hostnames": True,
    "cn_validations": ["hostname"],
    "ttl": 7 * 86400,
    "max_ttl": 30 * 86400,
}
# A client's common name is a user, not a host; its certificate names no host at all.
CLIENT: Role = {
    **_BOTH,
    "server_flag": False,
    "client_flag": True,
    "require_cn": True,
    "allow_ip_sans": False,
    "allow_any_name": True,
    "allow_localhost": False,
    "allowed_domains": [],
    "allow_subdomains": False,
    "allow_bare_domains": False,
    "enforce_hostnames": False,
    "cn_validations": ["disabled"],
    "ttl": 3600,
    "max_ttl": 86400,
}


@dataclass(frozen=True)
class Change:
    """One parameter that differs; ``before`` is None where it was not there."""

    parameter: str
    before: object
    after: object


def server(domains: tuple[str, ...], *, allow_bare_domains: bool, allow_localhost: bool) -> Role:
    """Return the role for servers, limited to ``domains``; if there are none, any name goes."""
    return {
        **_SERVER,
        "allow_any_name": not domains,
        "allowed_domains": list(domains),
        "allow_subdomains": bool(domains),
        "allow_bare_domains": allow_bare_domains,
        "allow_localhost": allow_localhost,
    }


def differences(before: Role | None, after: Role) -> tuple[Change, ...]:
    """Return the parameters of ``after`` that a role has otherwise.

    A parameter that the server does not give back is one it does not know, and no difference.
    """
    if before is None:
        return tuple(Change(name, None, value) for name, value in after.items())
    return tuple(
        Change(name, before[name], value)
        for name, value in after.items()
        if name in before and _comparable(before[name]) != _comparable(value)
    )


def describe_change(change: Change) -> str:
    """Return a change in words: ``max_ttl: 24h -> 30d``."""
    after = _value(change.parameter, change.after)
    if change.before is None:
        return f"{change.parameter}: {after}"
    return f"{change.parameter}: {_value(change.parameter, change.before)} -> {after}"


def _comparable(value: object) -> object:
    return sorted(map(str, value)) if isinstance(value, list) else value


def _value(parameter: str, value: object) -> str:
    if isinstance(value, int) and parameter in _DURATIONS:
        return format_duration(timedelta(seconds=value))
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return str(value).lower() if isinstance(value, bool) else str(value)
