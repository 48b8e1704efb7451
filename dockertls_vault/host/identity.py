"""What this machine is called, and who works on it."""

from __future__ import annotations

import ipaddress
import os
import pwd
import socket
from typing import TYPE_CHECKING

from dockertls_vault.certificate.names import LONGEST_COMMON_NAME, Names, parse_dns_name
from dockertls_vault.errors import InvalidInput

from .resolver import resolve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from ipaddress import IPv4Address, IPv6Address

LOCAL_NAMES = Names(("localhost",), ("127.0.0.1", "::1"))
# Interfaces that containers and virtual machines make: nobody reaches this host through them.
_INNER_INTERFACES = (
    "docker",
    "br-",
    "veth",
    "virbr",
    "lxcbr",
    "lxdbr",
    "podman",
    "cni",
    "cali",
    "flannel",
)


def names(limit: float) -> Names:
    """Return this machine's host name, FQDN and addresses, and the local ones.

    DNS has ``limit`` seconds to tell the FQDN, which is left out if it does not.
    Addresses of the loopback, of links and of container bridges are left out; so is a host
    name that no certificate can hold.
    """
    dns = dict.fromkeys(name for name in _host_names(limit) if _is_dns_name(name))
    addresses = dict.fromkeys(_addresses())
    return Names(
        tuple(dict.fromkeys((*dns, *LOCAL_NAMES.dns))),
        tuple(dict.fromkeys((*addresses, *LOCAL_NAMES.addresses))),
    )


def user_at_host() -> str:
    """Return ``user@host``, cut to what a common name holds; a nameless user is a number.

    A host may be named by any bytes (sethostname(2)); what cannot be printed is a question mark.
    """
    uid = os.geteuid()
    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:  # as in a container that runs under any uid
        user = str(uid)
    identity = "".join(
        char if char.isprintable() else "?" for char in f"{user}@{socket.gethostname()}"
    ).encode()
    return identity[:LONGEST_COMMON_NAME].decode(errors="ignore")


def _host_names(limit: float) -> tuple[str, ...]:
    host = socket.gethostname()
    try:
        found = resolve(host, None, limit, socket.AI_CANONNAME)
    except (OSError, UnicodeError):
        return (host.lower(),)
    return (host.lower(), found[0][3].lower())


def _is_dns_name(text: str) -> bool:
    try:
        return parse_dns_name(text) == text
    except InvalidInput:
        return False


def has_address(address: str) -> bool:
    """Tell whether an IP address leads to this machine: the loopback's, or an interface's."""
    wanted = ipaddress.ip_address(address.partition("%")[0])  # a link's names its interface
    return wanted.is_loopback or any(wanted == ip for _, ip in _interfaces())


def _addresses() -> list[str]:
    return [
        str(address)
        for name, address in _interfaces()
        if not name.startswith(_INNER_INTERFACES)
        and not (address.is_loopback or address.is_link_local or address.is_unspecified)
    ]


def _interfaces() -> Iterator[tuple[str, IPv4Address | IPv6Address]]:
    """Yield each address of this machine, with the name of the interface that has it.

    None where the system does not tell, as in a sandbox without netlink.
    """
    import ifaddr

    try:
        adapters = list(ifaddr.get_adapters())
    except OSError:
        return
    for adapter in adapters:
        for ip in adapter.ips:
            yield adapter.name, ipaddress.ip_address(ip.ip if isinstance(ip.ip, str) else ip.ip[0])
