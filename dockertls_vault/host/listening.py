"""The TCP sockets on which a process listens, as /proc shows them (proc_net_tcp, proc(5))."""

from __future__ import annotations

import re
import struct
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from pathlib import Path

from dockertls_vault.files import reading

_LISTEN = "0A"  # TCP_LISTEN, include/net/tcp_states.h
_SOCKET = re.compile(r"socket:\[([0-9]+)\]")
_LOOPBACKS = {"0.0.0.0": ("127.0.0.1",), "::": ("::1", "127.0.0.1")}  # noqa: S104 - what others bind


@dataclass(frozen=True, order=True)
class Listener:
    """An address, ``::`` or ``0.0.0.0`` for all of them, and a port."""

    address: str
    port: int

    def __str__(self) -> str:
        return (
            f"[{self.address}]:{self.port}"
            if ":" in self.address
            else f"{self.address}:{self.port}"
        )

    @property
    def dialable(self) -> tuple[str, ...]:
        """The addresses at which this host reaches it, in the order in which to try them.

        A socket on ``::`` accepts IPv4 too; a container often has that address and no ``::1``.
        """
        return _LOOPBACKS.get(self.address, (self.address,))


def of_process(pid: int) -> tuple[Listener, ...]:
    """Return the TCP sockets of a process in its own network namespace.

    Raises PermissionError: only root can tell which process has a socket.
    """
    folder = Path("/proc", str(pid))
    inodes = set()
    for descriptor in (folder / "fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            if found := _SOCKET.fullmatch(str(descriptor.readlink())):
                inodes.add(found[1])
    listeners: set[Listener] = set()
    for table in ("tcp", "tcp6"):
        with suppress(FileNotFoundError):  # a kernel without IPv6
            text = reading.read(folder / "net" / table).decode(errors="replace")
            listeners |= {found for inode, found in parse(text) if inode in inodes}
    return tuple(sorted(listeners))


def parse(table: str) -> list[tuple[str, Listener]]:
    """Return the listening sockets of /proc/net/tcp or tcp6 with their inodes.

    They come before the connections, so a table of which only the start was read has them all.
    """
    found = []
    for line in table.splitlines()[1:]:
        fields = line.split()
        with suppress(IndexError, ValueError, struct.error):
            if fields[3] == _LISTEN:
                address, _, port = fields[1].partition(":")
                found.append((fields[9], Listener(address_of(address), int(port, 16))))
    return found


def address_of(text: str) -> str:
    """Return an address from its hexadecimal 32-bit words in the byte order of this machine."""
    words = [int(text[start : start + 8], 16) for start in range(0, len(text), 8)]
    address = ip_address(struct.pack(f"={len(words)}I", *words))
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)
