"""The names and addresses of this machine, and its current user."""

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
# Interfaces for containers and virtual machines, through which other hosts cannot connect.
_INTERNAL_INTERFACES = (
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
    """Return this machine's host name, FQDN and IP addresses, followed by the loopback ones.

    The FQDN is omitted if DNS does not answer within ``limit`` seconds. Link-local addresses, those
    of container bridges, and host names that are not valid in a certificate are omitted too.
    """
    dns = dict.fromkeys(name for name in _host_names(limit) if _is_dns_name(name))
    addresses = dict.fromkeys(_addresses())
    return Names(
        tuple(dict.fromkeys((*dns, *LOCAL_NAMES.dns))),
        tuple(dict.fromkeys((*addresses, *LOCAL_NAMES.addresses))),
    )


def user_at_host() -> str:
    """Return ``user@host``, truncated to the length of a common name.

    A user without a passwd entry is given by uid. A host name may contain any bytes
    (sethostname(2)); unprintable characters become question marks.
    """
    uid = os.geteuid()
    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:  # as in a container that runs with an arbitrary uid
        user = str(uid)
    identity = "".join(
        char if char.isprintable() else "?" for char in f"{user}@{socket.gethostname()}"
    ).encode()
    return identity[:LONGEST_COMMON_NAME].decode(errors="ignore")


def _host_names(limit: float) -> tuple[str, ...]:
    host = socket.gethostname()
    try:
        found = resolve(host, None, limit, socket.AI_CANONNAME)
    except OSError:
        return (host.lower(),)
    return (host.lower(), found[0][3].lower())


def _is_dns_name(text: str) -> bool:
    try:
        return parse_dns_name(text) == text
    except InvalidInput:
        return False


def has_address(address: str) -> bool:
    """Return whether an IP address is local: on loopback, or on an interface of this machine."""
    wanted = ipaddress.ip_address(address.partition("%")[0])  # without an IPv6 zone
    return wanted.is_loopback or any(wanted == ip for _, ip in _interfaces())


def _addresses() -> list[str]:
    return [
        str(address)
        for name, address in _interfaces()
        if not name.startswith(_INTERNAL_INTERFACES)
        and not (address.is_loopback or address.is_link_local or address.is_unspecified)
    ]


def _interfaces() -> Iterator[tuple[str, IPv4Address | IPv6Address]]:
    """Yield each IP address of this machine with the name of its interface.

    Yields nothing if the system does not report them, as in a sandbox without netlink.
    """
    import ifaddr

    try:
        adapters = list(ifaddr.get_adapters())
    except OSError:
        return
    for adapter in adapters:
        for ip in adapter.ips:
            yield adapter.name, ipaddress.ip_address(ip.ip if isinstance(ip.ip, str) else ip.ip[0])
