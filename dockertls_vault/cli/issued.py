"""Words about a certificate that was issued."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from dockertls_vault.duration import format_duration, format_time

from . import render

if TYPE_CHECKING:
    from dockertls_vault.issue import Issued


def dropped_names(issued: Issued) -> str:
    """Return which names are not in the certificate, why, and what would let them in."""
    from dockertls_vault.certificate.names import parse_address
    from dockertls_vault.vault.roles import widening

    names = ", ".join(issued.dropped_names)
    limit = " (an underscore needs enforce_hostnames=false in the role)" if "_" in names else ""
    who = f"the role {issued.role} or its issuer"
    dns = [name for name in issued.dropped_names if parse_address(name) is None and "_" not in name]
    allowing = widening(dns, issued.mount, issued.role)
    way_out = f"; if clients use one, allow it: `{allowing}`" if dns else ""
    return f"dropped names that {who} does not allow: {names}{limit}{way_out}"


def fields(issued: Issued) -> render.Fields:
    """Return what was issued and where it is."""
    certificate = issued.certificate
    sans = (*certificate.dns_names, *certificate.ip_addresses)
    return render.Fields(
        [
            ("subject", certificate.subject or "(empty)"),
            ("names", ", ".join(sans) or "(none)"),
            ("issuer", certificate.issuer),
            ("serial", certificate.serial),
            ("valid from", f"{format_time(certificate.not_before)}{_back(issued)}"),
            ("valid until", f"{format_time(issued.valid_until)}{_from_now(issued)}"),
            ("sha256", certificate.fingerprint_sha256),
            ("files", [f"{file.mode} {file.path}" for file in issued.files]),
            *([("backup", str(issued.backup))] if issued.backup else []),
        ]
    )


def _from_now(issued: Issued) -> str:
    """Return the TTL beside the time that follows from it; a warning has one that was cut."""
    return "" if issued.ttl_capped else f" ({format_duration(issued.requested_ttl)} from now)"


def _back(issued: Issued) -> str:
    """Return by how much the role dates certificates back, as far as that can be told."""
    back = issued.certificate.validity - issued.requested_ttl
    if issued.ttl_capped or back <= timedelta():
        return ""
    return f" (backdated {format_duration(back)})"


def warnings(issued: Issued) -> list[str]:
    """Return the warnings, among them that Vault gave less time than was asked for."""
    if not issued.ttl_capped or issued.valid_until < issued.certificate.not_after:
        return list(issued.warnings)
    capped = (
        f"Vault capped the TTL: requested {format_duration(issued.requested_ttl)}, expires "
        f"{format_time(issued.certificate.not_after)}"
    )
    return [capped, *issued.warnings]
