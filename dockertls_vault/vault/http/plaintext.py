"""Detect and describe an unencrypted connection, which anyone on the network can read; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .proxies import proxy_for

if TYPE_CHECKING:
    from dockertls_vault.settings.address import Address
    from dockertls_vault.settings.schema import Settings


def exposes_token(server: Address, settings: Settings) -> bool:
    """Tell whether a token for ``server`` leaves this machine unencrypted.

    It does for a loopback address too, if a proxy on another machine is used for that.
    """
    if server.scheme != "http":
        return False
    if not server.is_loopback:
        return True
    proxy = proxy_for(server, settings)
    return proxy is not None and not proxy.address.is_loopback


def warning(server: Address) -> str:
    """Return the warning about an unencrypted connection to ``server``."""
    return f"the connection to {server} is not encrypted: the token is sent in the clear"
