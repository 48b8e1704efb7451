"""The TCP sockets that listen on this host."""

from __future__ import annotations

import re
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from . import tcp_table
from .identity import has_address

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .tcp_table import Entry

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


def is_dialable(address: str) -> bool:
    """Tell whether this host or container has an IP address now: it may have no ``::1``."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family) as connection:
            connection.bind((address, 0))
    except OSError:
        return False
    return True


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
    return _listeners(each for each in tcp_table.read(folder / "net") if each.inode in inodes)


def on_port(port: int) -> tuple[Listener, ...]:
    """Return the TCP sockets of any process on ``port``, in this network namespace."""
    return _listeners(each for each in tcp_table.read() if each.port == port)


def is_opened_by(user: int, address: str, port: int) -> bool:
    """Tell whether what answers there is a socket of this host, of this user (a UID).

    ``address`` is an IP address; another host may have it.
    """
    every = {"::", "0.0.0.0" if "." in address else "::"}  # noqa: S104 - what others bind
    found = _listeners(each for each in tcp_table.read() if (each.port, each.user) == (port, user))
    return has_address(address) and any(each.address in {address, *every} for each in found)


def _listeners(entries: Iterable[Entry]) -> tuple[Listener, ...]:
    found = {
        Listener(tcp_table.decode(each.address), each.port)
        for each in entries
        if each.state == tcp_table.LISTEN
    }
    return tuple(sorted(found))
