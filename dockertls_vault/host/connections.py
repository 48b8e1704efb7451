"""Who is connected to a TCP port of this host."""

from __future__ import annotations

from . import tcp_table


def peers(port: int) -> tuple[str, ...]:
    """Return the address at the other end of each connection to ``port``.

    In a container without the host's network, that is the container's network.
    """
    return tuple(
        tcp_table.decode(each.peer)
        for each in tcp_table.read()
        if each.port == port and each.state == tcp_table.ESTABLISHED
    )
