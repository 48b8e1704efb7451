"""Which proxy a request goes through, as Vault's own command line has it; pure.

``VAULT_PROXY_ADDR`` and ``VAULT_HTTP_PROXY`` are for every request. The variables that all
programs share are read as Go reads them (golang.org/x/net/http/httpproxy): never for loopback,
and not for what ``NO_PROXY`` lists.
"""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from dockertls_vault import values
from dockertls_vault.errors import InvalidInput, InvalidSetting

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

    from dockertls_vault.settings import Settings

_PORTS = {"http": 80, "https": 443}


def proxy_for(url: str, settings: Settings) -> str | None:
    """Return the address of the proxy for ``url``, or None; raises InvalidSetting."""
    parts = urlsplit(url)
    if settings.proxy is not None:
        return _checked(settings.proxy, settings.origins["proxy"])
    name = f"{parts.scheme}_proxy"
    proxy = {"http_proxy": settings.http_proxy, "https_proxy": settings.https_proxy}.get(name)
    if proxy is None or _is_direct(parts, settings.no_proxy or ""):
        return None
    return _checked(proxy if "://" in proxy else f"http://{proxy}", settings.origins[name])


def _checked(proxy: str, origin: str) -> str:
    """Return ``proxy`` if it is one; what is wrong is not quoted, for it may have a password."""
    try:
        return values.url(proxy)
    except InvalidInput:
        raise InvalidSetting(
            f"{origin}: not an HTTP proxy", hint="write it as http://proxy.example.com:3128"
        ) from None


def _is_direct(url: SplitResult, no_proxy: str) -> bool:
    host = (url.hostname or "").rstrip()
    port = url.port or _PORTS[url.scheme]
    address = _address(host)
    if host == "localhost" or (address is not None and address.is_loopback):
        return True
    return any(
        _matches(entry.strip().lower(), host, port, address) for entry in no_proxy.split(",")
    )


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
    named = _address(name)
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


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address
