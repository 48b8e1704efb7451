"""Text output for an issued certificate."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from dockertls_vault.duration import format_duration, format_time

from . import render

if TYPE_CHECKING:
    from dockertls_vault.issue import Issued


def dropped_names(issued: Issued) -> str:
    """Return which names were dropped, why, and the command that would allow them."""
    from dockertls_vault.certificate.names import parse_address
    from dockertls_vault.vault.roles import allow_names_command

    names = ", ".join(issued.dropped_names)
    limit = " (an underscore requires enforce_hostnames=false in the role)" if "_" in names else ""
    who = f"the role {issued.role} or its issuer"
    dns = [name for name in issued.dropped_names if parse_address(name) is None and "_" not in name]
    allowing = allow_names_command(dns, issued.mount, issued.role)
    remedy = f"; if clients use one, allow it: `{allowing}`" if dns else ""
    return f"dropped names that {who} does not allow: {names}{limit}{remedy}"


def fields(issued: Issued) -> render.Fields:
    """Return the fields to print: the certificate, its validity and its files."""
    certificate = issued.certificate
    sans = (*certificate.dns_names, *certificate.ip_addresses)
    return render.Fields(
        [
            ("subject", certificate.subject or "(empty)"),
            ("names", ", ".join(sans) or "(none)"),
            ("issuer", certificate.issuer),
            ("serial", certificate.serial),
            ("valid from", f"{format_time(certificate.not_before)}{_backdated(issued)}"),
            ("valid until", f"{format_time(issued.valid_until)}{_from_now(issued)}"),
            ("sha256", certificate.fingerprint_sha256),
            *(
                [("also trusted", list(map(str, issued.also_trusted)))]
                if issued.also_trusted
                else []
            ),
            ("files", [f"{file.mode} {file.path}" for file in issued.files]),
            *([("backup", str(issued.backup))] if issued.backup else []),
        ]
    )


def _from_now(issued: Issued) -> str:
    """Return the TTL, unless Vault capped it: then a warning states both."""
    return "" if issued.ttl_capped else f" ({format_duration(issued.requested_ttl)} from now)"


def _backdated(issued: Issued) -> str:
    """Return how far the role backdates certificates; unknown if Vault capped the TTL."""
    back = issued.certificate.validity - issued.requested_ttl
    if issued.ttl_capped or back <= timedelta():
        return ""
    return f" (backdated {format_duration(back)})"
