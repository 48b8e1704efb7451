"""Connect within a limit: the question to DNS and all addresses of the name together."""

from __future__ import annotations

import socket
import time
from functools import partial

from dockertls_vault import stop
from dockertls_vault.host.resolver import resolve

# Seconds; a timeout of zero would mean not to wait at all.
_SHORTEST = 0.001


def connect(host: str, port: int, limit: float) -> socket.socket:
    """Connect to the first address of ``host`` that answers, each in its share of ``limit``.

    The timeout of the socket is what is left of ``limit``, in seconds.
    """
    end = time.monotonic() + limit
    failure = OSError(f"{host} has no address")
    found = resolve(host, port, limit)
    for number, (family, kind, protocol, _, address) in enumerate(found):
        connection = socket.socket(family, kind, protocol)
        try:
            share = (end - time.monotonic()) / (len(found) - number)
            connection.settimeout(max(share, _SHORTEST))
            with stop.cutting(partial(stop.shut, connection)):
                connection.connect(address)
        except OSError as error:
            connection.close()
            failure = error
        else:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.settimeout(max(end - time.monotonic(), _SHORTEST))
            return connection
    raise failure


def connect_unix(path: str, limit: float) -> socket.socket:
    """Connect to the Unix socket at ``path``."""
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(max(limit, _SHORTEST))
    try:
        connection.connect(path)
    except OSError:
        connection.close()
        raise
    return connection
