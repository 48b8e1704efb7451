"""Connect within a time limit, which includes DNS and all addresses of the host."""

from __future__ import annotations

import socket
import time

from dockertls_vault.host.resolver import resolve

from .deadline import Socket


def connect(host: str, port: int, limit: float) -> Socket:
    """Connect to the first address of ``host`` that accepts; each has a share of ``limit`` seconds.

    The timeout of the returned socket is what remains of ``limit``.
    """
    end = time.monotonic() + limit
    failure = OSError(f"{host} has no address")
    found = resolve(host, port, limit)
    for number, (family, kind, protocol, _, address) in enumerate(found):
        connection = Socket(family, kind, protocol)
        try:
            connection.settimeout((end - time.monotonic()) / (len(found) - number))
            connection.connect(address)
        except OSError as error:
            connection.close()
            failure = error
        else:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.settimeout(end - time.monotonic())
            return connection
    raise failure


def connect_unix(path: str, limit: float) -> Socket:
    """Connect to the Unix socket at ``path`` within ``limit`` seconds."""
    connection = Socket(socket.AF_UNIX)
    connection.settimeout(limit)
    try:
        connection.connect(path)
    except OSError:
        connection.close()
        raise
    return connection
