"""What Vault shows about a daemon's host: its clock, and the roles of its mount; pure."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING, Any

from dockertls_vault.certificate.clocks import CLOCK_TOLERANCE
from dockertls_vault.docker.diagnosis.report import Result
from dockertls_vault.duration import format_duration

from .checks import Check

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dockertls_vault.certificate.clocks import Clocks
    from dockertls_vault.docker.diagnosis.report import CheckResult

# What Vault calls these usages in ext_key_usage (Go's names), and their OIDs (RFC 5280 §4.2.1.12).
_USAGES = {
    "serverauth": "server",
    "1.3.6.1.5.5.7.3.1": "server",
    "clientauth": "client",
    "1.3.6.1.5.5.7.3.2": "client",
    "any": "any",
    "2.5.29.37.0": "any",
}
_LISTS = ("ext_key_usage", "ext_key_usage_oids")
_FLAGS = {
    "server_flag": "server",
    "client_flag": "client",
    "code_signing_flag": "other",
    "email_protection_flag": "other",
}


def judge_clock(clocks: Clocks) -> CheckResult:
    """Judge how far this machine's clock is from Vault's."""
    found = Check.CLOCK.found
    if clocks.vaults is None:
        return found(
            Result.UNKNOWN, "Vault's response has no Date header", None, "check for a proxy"
        )
    if clocks.difference is None:
        return found(Result.OK, str(clocks))
    too_far = abs(clocks.vaults - clocks.now) > CLOCK_TOLERANCE
    return found(
        Result.ERROR if too_far else Result.WARNING,
        str(clocks),
        f"by Vault's clock, a certificate is valid from {format_duration(CLOCK_TOLERANCE)} before "
        "it is issued; dockerd and its clients go by their own clocks",
        "synchronize both clocks with NTP: sudo timedatectl set-ntp true",
    )


def judge_roles(mount: str, roles: Mapping[str, Mapping[str, Any] | str]) -> CheckResult:
    """Judge whether each role issues certificates for servers or for clients, and not for both.

    Instead of its parameters, a role may have the reason why they are not known.
    """
    found = Check.ROLES.found
    dual = [name for name, role in roles.items() if not isinstance(role, str) and _is_dual(role)]
    if dual:
        return found(
            Result.WARNING,
            f"for servers and clients alike: {', '.join(f'{mount}/roles/{name}' for name in dual)}",
            "a server certificate that is also one of a client is a Docker root credential",
            "; ".join(
                f"bao patch {quote(f'{mount}/roles/{name}')} {_single(name, roles[name])}"
                for name in dual
            ),
        )
    if unknown := {name: role for name, role in roles.items() if isinstance(role, str)}:
        return Check.ROLES.skipped(
            "; ".join(f"{mount}/roles/{name}: {why}" for name, why in unknown.items())
        )
    return found(Result.OK, f"each issues for one purpose: {', '.join(roles)}")


def _is_dual(role: Mapping[str, Any]) -> bool:
    """Tell whether certificates of the role are accepted from servers and clients alike.

    One without an extended key usage is.
    """
    usages = {usage for flag, usage in _FLAGS.items() if role.get(flag)}
    for key in _LISTS:
        listed = role.get(key)
        names = listed if isinstance(listed, list) else []
        usages |= {
            _USAGES.get(str(name).lower().removeprefix("extkeyusage"), "other") for name in names
        }
    return not usages or "any" in usages or {"server", "client"} <= usages


def _single(name: str, role: Mapping[str, Any] | str) -> str:
    """Return the parameters that leave a role its purpose; the lists add usages to the flags."""
    lists = [f"{key}=" for key in _LISTS if not isinstance(role, str) and role.get(key)]
    flags = ["server_flag=true", "client_flag=false"]
    if "client" in name.lower():
        flags = ["client_flag=true", "server_flag=false"]
    return " ".join((*flags, *lists))
