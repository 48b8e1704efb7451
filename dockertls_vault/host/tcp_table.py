"""The TCP sockets of a network namespace, as the kernel lists them (proc_net_tcp, proc(5))."""

from __future__ import annotations

import re
import struct
from contextlib import suppress
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Of this process's namespace. /proc/net is not there in the sandbox of a renewal (ProcSubset=pid).
OURS = Path("/proc/self/net")
ESTABLISHED, LISTEN = "01", "0A"  # include/net/tcp_states.h
_TABLES = ("tcp", "tcp6")
_END = "([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4})"
# Number, both ends, state, queues, timer, retransmissions, UID, probes, inode.
_LINE = re.compile(rf" *\d+: {_END} {_END} ([0-9A-F]{{2}}) (?:\S+ +){{3}}(\d+) +\S+ +(\d+)")


class Entry(NamedTuple):
    """A socket: the address of each end, hexadecimal, its port, state, inode and user (a UID).

    A host may have thousands, so ``decode`` is for the addresses that matter.
    """

    address: str
    port: int
    peer: str
    state: str
    inode: str
    user: int


def read(net: Path = OURS) -> Iterator[Entry]:
    """Yield the sockets in the tables of ``net``, which is /proc/self/net or /proc/PID/net."""
    for table in _TABLES:
        with suppress(FileNotFoundError), (net / table).open(encoding="ascii") as lines:  # no IPv6
            yield from parse(lines)


def parse(lines: Iterable[str]) -> Iterator[Entry]:
    """Yield the sockets in the lines of a table, and skip its heading."""
    for line in lines:
        if found := _LINE.match(line):
            address, port, peer, _, state, user, inode = found.groups()
            yield Entry(address, int(port, 16), peer, state, inode, int(user))


def decode(address: str) -> str:
    """Return an address, given as 32-bit words in the byte order of this machine."""
    words = [int(address[start : start + 8], 16) for start in range(0, len(address), 8)]
    found = ip_address(struct.pack(f"={len(words)}I", *words))
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return str(mapped or found)
