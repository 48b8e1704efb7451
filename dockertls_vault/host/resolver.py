"""DNS lookups with a time limit."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING, Any

from dockertls_vault import stop

if TYPE_CHECKING:
    from collections.abc import Sequence

    # An entry from socket.getaddrinfo: family, type, protocol, canonical name, address.
    Found = tuple[int, int, int, str, Any]


def resolve(host: str, port: int | None, limit: float, flags: int = 0) -> Sequence[Found]:
    """Resolve ``host`` within ``limit`` seconds; raises OSError, for the name socket.gaierror.

    ``flags`` are passed to getaddrinfo, which honors neither a timeout nor Ctrl-C (resolv.conf(5):
    5 s per attempt and server). It therefore runs in a daemon thread that is abandoned on timeout,
    or in this thread if no other can be started.
    """
    answers: list[Sequence[Found] | OSError] = []
    bell = stop.Bell()

    def ask() -> None:
        try:
            answers.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags))
        except OSError as error:
            answers.append(error)
        except UnicodeError:  # a label that is empty or longer than 63 bytes
            answers.append(socket.gaierror(socket.EAI_NONAME, "not a valid host name"))
        bell.ring()

    try:
        threading.Thread(target=ask, name=f"DNS: {host}", daemon=True).start()
    except RuntimeError:  # thread limit reached: without a time limit, then
        ask()
    with stop.cutting(bell.ring):
        bell.wait(limit)
    if not answers:
        raise socket.gaierror(socket.EAI_AGAIN, "DNS timed out")
    found = answers[0]
    if isinstance(found, Exception):
        raise found
    return found
