"""What an address of Vault's tells by itself; pure."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit


def is_loopback(address: str) -> bool:
    """Tell whether the host is this machine, as far as its name shows."""
    host = urlsplit(address).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def path_below(address: str) -> str:
    """Return the path of ``address``, which is empty unless something lies before Vault."""
    parts = urlsplit(address)
    return parts.path.rstrip("/") if parts.scheme in {"http", "https"} else ""
