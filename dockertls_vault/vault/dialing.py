"""Connect within a limit: the question to DNS and all addresses of the name together."""

from __future__ import annotations

import queue
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    # What socket.getaddrinfo gives: family, type, protocol, canonical name, address.
    Found = tuple[int, int, int, str, Any]

# Seconds; a timeout of zero would mean not to wait at all.
_SHORTEST = 0.001


def resolve(host: str, port: int, limit: float) -> Sequence[Found]:
    """Return the addresses of ``host`` within ``limit`` seconds; raises socket.gaierror.

    ``getaddrinfo`` heeds neither a timeout nor Ctrl-C (resolv.conf(5): 5 s for each try of each
    server), so it is left to a thread that nobody waits for.
    """
    answers: queue.SimpleQueue[Sequence[Found] | OSError | UnicodeError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            answers.put(error)

    threading.Thread(target=ask, name=f"DNS: {host}", daemon=True).start()
    try:
        found = answers.get(timeout=limit)
    except queue.Empty:
        raise socket.gaierror(socket.EAI_AGAIN, "DNS does not answer in time") from None
    if isinstance(found, Exception):
        raise found
    return found


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
