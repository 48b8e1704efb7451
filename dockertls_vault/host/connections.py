"""Who is connected to a TCP port of this host, as /proc shows it (proc_net_tcp, proc(5))."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from .listening import address_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_ESTABLISHED, _LISTEN = "01", "0A"  # include/net/tcp_states.h


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
            found.append(address_of(remote.partition(":")[0]))
    return tuple(found) if listens else None


def _lines() -> Iterator[str]:
    for table in _TABLES:
        with suppress(FileNotFoundError), table.open(encoding="ascii") as lines:  # without IPv6
            yield from lines
