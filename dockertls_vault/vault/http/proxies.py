"""Choose the proxy for a request, as Vault's command line does; pure.

``VAULT_PROXY_ADDR`` and ``VAULT_HTTP_PROXY`` apply to every request. ``HTTP_PROXY`` and
``HTTPS_PROXY`` are read as Go does (golang.org/x/net/http/httpproxy): they never apply to loopback,
nor to what ``NO_PROXY`` lists.
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
    """Return the proxy for ``server``, or None.

    Raises InvalidSetting if its URL is invalid; a proxy that is not used is not parsed.
    """
    if server.is_unix:
        return None
    if settings.proxy is not None:
        return settings.proxy
    name = f"{server.scheme}_proxy"
    proxy = settings.http_proxy if server.scheme == "http" else settings.https_proxy
    if proxy is None or _bypasses(server, settings.no_proxy or ""):
        return None
    try:
        return parsers.proxy(proxy if "://" in proxy else f"http://{proxy}")
    except InvalidInput as error:
        raise InvalidSetting(
            f"{settings.origins[name]}: {error.message}", hint=error.hint
        ) from None


def _bypasses(server: Address, no_proxy: str) -> bool:
    host, port, ip = server.host, server.effective_port, server.ip
    if host == "localhost" or (ip is not None and ip.is_loopback):
        return True
    return any(_matches(entry.strip().lower(), host, port, ip) for entry in no_proxy.split(","))


def _matches(entry: str, host: str, port: int, address: IPv4Address | IPv6Address | None) -> bool:
    """Tell whether an entry of NO_PROXY matches: ``*``, a network, an IP address or a domain.

    The last two may have a port. A domain matches its subdomains, and without a leading dot also
    itself.
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
    """Return the host and the port, "" if it has none; an IPv6 address with a port is bracketed."""
    name, colon, port = entry.rpartition(":")
    if name.startswith("[") and name.endswith("]"):
        return name[1:-1], port
    return (name, port) if colon and ":" not in name else (entry, "")


def _in_network(address: IPv4Address | IPv6Address, entry: str) -> bool:
    try:
        return address in ip_network(entry, strict=False)
    except ValueError:
        return False
