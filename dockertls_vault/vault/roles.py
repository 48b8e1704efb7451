"""The parameters of the two PKI roles, in the form in which Vault returns them; pure."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from dockertls_vault.settings.schema import Settings

Role = Mapping[str, Any]

# How far certificates are backdated, for hosts whose clocks are behind. A CA is backdated by as
# much: Vault 1.21.1 and later refuse to sign a notBefore earlier than the issuer's.
BACKDATED = timedelta(minutes=5)
# The parameters worth showing; the others are the same in every role for the same purpose.
NOTABLE = {
    "server_flag",
    "client_flag",
    "allow_any_name",
    "allowed_domains",
    "allow_bare_domains",
    "allow_localhost",
    "ttl",
    "max_ttl",
}
# The parameters of the server role that options of `ca init` set; otherwise they stay unchanged.
SET_BY_OPTION = {"allow_any_name", "allowed_domains", "allow_bare_domains", "allow_localhost"}

# Both roles have a single extended key usage, allow any key that Docker supports, and make Vault
# store nothing for each certificate. Only OpenBao bounds ``not_after``; for Vault, the policy
# denies it.
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
# A client's common name is a user, not a host; its certificate has no SAN.
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
# The longest validity of a certificate for which no TTL was requested.
LONGEST_DEFAULT_TTL = timedelta(seconds=max(_SERVER["ttl"], CLIENT["ttl"]))


def server(
    found: Role | None,
    *,
    domains: Sequence[str],
    remove_domains: Sequence[str],
    allow_any_name: bool,
    allow_bare_domains: bool | None,
    allow_localhost: bool | None,
) -> Role:
    """Return the server role's desired state, given the one that was ``found``.

    ``domains`` are added to its domains, and end ``allow_any_name``, because they list the names to
    allow. None leaves a parameter as it is.
    """
    has = found or {"allow_localhost": True}
    kept = [name for name in has.get("allowed_domains") or [] if name.lower() not in remove_domains]
    known = {name.lower() for name in kept}
    allowed = [*kept, *(name for name in domains if name not in known)]
    return {
        **_SERVER,
        "allow_any_name": allow_any_name or (not domains and bool(has.get("allow_any_name"))),
        "allowed_domains": allowed,
        "allow_subdomains": bool(allowed),
        "allow_bare_domains": _first(allow_bare_domains, has.get("allow_bare_domains")),
        "allow_localhost": _first(allow_localhost, has.get("allow_localhost")),
    }


def allow_names_command(names: Sequence[str], mount: str, role: str) -> str:
    """Return the shell command that makes the server role allow these DNS names as well.

    It is quoted for pasting: a name may come from a server's error message.
    """
    variable = "" if role == Settings.server_role else f"DOCKERTLS_SERVER_ROLE={shlex.quote(role)} "
    options = [option for name in names for option in _options_for(name)]
    if mount != Settings.mount:
        options.append(f"--mount {shlex.quote(mount)}")
    return f"{variable}dockertls-vault ca init {' '.join(dict.fromkeys(options))}"


def _options_for(name: str) -> tuple[str, ...]:
    """Return the options of `ca init` that allow a name: its parent domain, if it has one."""
    domain = name.partition(".")[2]
    if name == "localhost":
        return ("--allow-localhost",)
    if "." in domain:
        return (f"--domain {shlex.quote(domain)}",)
    return (f"--domain {shlex.quote(name)}", "--allow-bare-domains")


def _first(requested: bool | None, found: object) -> bool:
    return bool(found) if requested is None else requested
