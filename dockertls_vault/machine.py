"""What this machine is called, and who works on it."""

from __future__ import annotations

import ipaddress
import os
import pwd
import socket

from .errors import InvalidInput
from .names import LONGEST_COMMON_NAME, Names, parse_dns_name

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


def names() -> Names:
    """Return this machine's host name, FQDN and addresses, and the local ones.

    Addresses of the loopback, of links and of container bridges are left out; so is a host
    name that no certificate can hold.
    """
    dns = dict.fromkeys(name for name in _host_names() if _is_dns_name(name))
    addresses = dict.fromkeys(_addresses())
    return Names(
        tuple(dict.fromkeys((*dns, *LOCAL_NAMES.dns))),
        tuple(dict.fromkeys((*addresses, *LOCAL_NAMES.addresses))),
    )


def user_at_host() -> str:
    """Return ``user@host``, cut to what a common name holds; a nameless user is a number."""
    uid = os.geteuid()
    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:  # as in a container that runs under any uid
        user = str(uid)
    identity = f"{user}@{socket.gethostname()}".encode()
    return identity[:LONGEST_COMMON_NAME].decode(errors="ignore")


def _host_names() -> tuple[str, ...]:
    host = socket.gethostname()
    try:
        found = socket.getaddrinfo(host, None, flags=socket.AI_CANONNAME)
    except OSError:
        return (host.lower(),)
    return (host.lower(), found[0][3].lower())


def _is_dns_name(text: str) -> bool:
    try:
        return parse_dns_name(text) == text
    except InvalidInput:
        return False


def _addresses() -> list[str]:
    import ifaddr

    found = []
    for adapter in ifaddr.get_adapters():
        if adapter.name.startswith(_INNER_INTERFACES):
            continue
        for ip in adapter.ips:
            address = ipaddress.ip_address(ip.ip if isinstance(ip.ip, str) else ip.ip[0])
            if not (address.is_loopback or address.is_link_local or address.is_unspecified):
                found.append(str(address))
    return found
