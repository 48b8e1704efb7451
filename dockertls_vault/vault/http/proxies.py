"""Which proxy a request goes through, as Vault's own command line has it; pure.

``VAULT_PROXY_ADDR`` and ``VAULT_HTTP_PROXY`` are for every request. The variables that all
programs share are read as Go reads them (golang.org/x/net/http/httpproxy): never for loopback,
and not for what ``NO_PROXY`` lists.
"""

from __future__ import annotations

from ipaddress import ip_network
from typing import TYPE_CHECKING

from dockertls_vault.errors import InvalidInput, InvalidSetting
from dockertls_vault.settings import parsers
from dockertls_vault.settings.address import parse_ip

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

    from dockertls_vault.settings.address import Address, Proxy
    from dockertls_vault.settings.schema import Settings


def proxy_for(server: Address, settings: Settings) -> Proxy | None:
    """Return the proxy for ``server``, or None; raises InvalidSetting.

    One that is not used may be written as it will.
    """
    if server.is_unix:
        return None
    if settings.proxy is not None:
        return settings.proxy
    name = f"{server.scheme}_proxy"
    proxy = {"http_proxy": settings.http_proxy, "https_proxy": settings.https_proxy}[name]
    if proxy is None or _is_direct(server, settings.no_proxy or ""):
        return None
    try:
        return parsers.proxy(proxy if "://" in proxy else f"http://{proxy}")
    except InvalidInput as error:
        raise InvalidSetting(
            f"{settings.origins[name]}: {error.message}", hint=error.hint
        ) from None


def _is_direct(server: Address, no_proxy: str) -> bool:
    host, port, ip = server.host, server.effective_port, server.ip
    if host == "localhost" or (ip is not None and ip.is_loopback):
        return True
    return any(_matches(entry.strip().lower(), host, port, ip) for entry in no_proxy.split(","))


def _matches(entry: str, host: str, port: int, address: IPv4Address | IPv6Address | None) -> bool:
    """Tell whether an entry of NO_PROXY means this host: ``*``, a network, an address, a domain.

    The last two may have a port; a domain means what is below it, and without a leading dot
    itself too.
    """
    if entry == "*":
        return True
    if "/" in entry:
        return address is not None and _in_network(address, entry)
    name, wanted = _split_port(entry)
    if not name or wanted not in {"", str(port)}:
        return False
    named = parse_ip(name)
    if named is not None or address is not None:
        return named == address
    domain = name.removeprefix("*") if name.startswith("*.") else name
    return host == domain or host.endswith(f".{domain.removeprefix('.')}")


def _split_port(entry: str) -> tuple[str, str]:
    """Tell the port from the name before it; an IPv6 address with one is in brackets."""
    name, colon, port = entry.rpartition(":")
    if name.startswith("[") and name.endswith("]"):
        return name[1:-1], port
    return (name, port) if colon and ":" not in name else (entry, "")


def _in_network(address: IPv4Address | IPv6Address, entry: str) -> bool:
    try:
        return address in ip_network(entry, strict=False)
    except ValueError:
        return False
