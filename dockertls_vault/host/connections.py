"""Who is connected to a TCP port of this host, as the kernel knows it: proc(5), /proc/net/tcp."""

from __future__ import annotations

import ipaddress
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_ESTABLISHED, _LISTEN = "01", "0A"


def peers(port: int) -> tuple[str, ...] | None:
    """Return the address of each connection to ``port``; None if nothing listens there.

    In a container without the host's network, that is the container's network.
    """
    return parse(_lines(), port)


def parse(lines: Iterable[str], port: int) -> tuple[str, ...] | None:
    """Return what ``peers`` does from the lines of the tables."""
    found, listens = [], False
    for line in lines:
        _, local, remote, state, *_ = line.split()
        if not local.endswith(f":{port:04X}"):  # also a heading
            continue
        if state == _LISTEN:
            listens = True
        elif state == _ESTABLISHED:
            found.append(_address(remote.partition(":")[0]))
    return tuple(found) if listens else None


def _lines() -> Iterator[str]:
    for table in _TABLES:
        try:
            yield from table.read_text("ascii").splitlines()
        except FileNotFoundError:  # without IPv6
            continue


def _address(digits: str) -> str:
    """Return the address that the kernel prints as 32-bit words in the byte order of the host."""
    words = (int(digits[at : at + 8], 16) for at in range(0, len(digits), 8))
    address = ipaddress.ip_address(b"".join(word.to_bytes(4, sys.byteorder) for word in words))
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
