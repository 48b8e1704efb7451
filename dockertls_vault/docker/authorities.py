"""What a server shows before it judges a client: its certificate, and which CAs it lets in.

The CAs' names are in its CertificateRequest (RFC 5246, section 7.4.4; RFC 8446, section 4.2.4).
Python's ssl does not tell them, and pyOpenSSL does.
"""

from __future__ import annotations

import select
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING

import certifi
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import Name
from OpenSSL import SSL

from dockertls_vault import stop

from .probe import open_connection

if TYPE_CHECKING:
    from datetime import timedelta

    from .probe import Peer

# What OpenSSL calls the state in which a client has read a CertificateRequest.
_WAS_ASKED = b"SSLv3/TLS read server certificate request"


@dataclass(frozen=True)
class Greeting:
    """The server's certificate (DER), and the CAs whose clients it says it lets in.

    ``asks`` tells whether it asks for a certificate, and is None where the handshake did not get
    that far. ``authorities`` is empty where it names no CA; ``unreadable`` counts the names that
    it gave beside them and that cannot be read.
    """

    certificate: bytes | None
    asks: bool | None
    authorities: tuple[Name, ...] = ()
    unreadable: int = 0


def greet(peer: Peer, timeout: timedelta) -> Greeting:
    """Shake hands with ``peer``, without a certificate and verifying nothing; never raises.

    The handshake need not come to its end: in TLS 1.2 it is where a server refuses. One that
    does not get as far as that is tried once more, with ``timeout`` again.
    """
    greeting = _greet(peer, timeout)
    return _greet(peer, timeout) if greeting.asks is None else greeting


def _greet(peer: Peer, timeout: timedelta) -> Greeting:
    states: set[bytes] = set()
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_info_callback(lambda tls, _where, _code: states.add(tls.get_state_string()))
    try:
        with (
            open_connection(peer, timeout.total_seconds()) as connection,
            stop.cutting(partial(stop.shut, connection)),
        ):
            connection.setblocking(False)
            tls = SSL.Connection(context, connection)
            if (name := peer.server_name) is not None:
                tls.set_tlsext_host_name(name.encode())
            tls.set_connect_state()
            is_done = _shake_hands(tls, time.monotonic() + timeout.total_seconds())
            certificate = _certificate(tls)
            if _WAS_ASKED in states:
                return Greeting(certificate, True, *_authorities(tls))
            return Greeting(certificate, asks=False if is_done else None)
    except OSError:
        return Greeting(None, asks=None)


def _shake_hands(tls: SSL.Connection, deadline: float) -> bool:
    """Shake hands over a socket that does not block; tell whether it is done by ``deadline``."""
    poll = select.poll()
    poll.register(tls, select.POLLIN)
    while (left := deadline - time.monotonic()) > 0:
        try:
            tls.do_handshake()
        except SSL.WantReadError:
            poll.poll(left * 1000)
        except SSL.Error:
            return False
        else:
            return True
    return False


def _certificate(tls: SSL.Connection) -> bytes | None:
    with suppress(ValueError):
        if certificate := tls.get_peer_certificate(as_cryptography=True):
            return certificate.public_bytes(Encoding.DER)
    return None


def _authorities(tls: SSL.Connection) -> tuple[tuple[Name, ...], int]:
    """Return the names that can be read, and how many cannot.

    They are read one by one: a single name must not hide the others.
    """
    names = []
    given = tls.get_client_ca_list()
    for name in given:
        with suppress(ValueError, TypeError):  # the latter for a BIT STRING
            names.append(Name.from_bytes(name.der()))
    return tuple(names), len(given) - len(names)


@cache
def public_authorities() -> frozenset[Name]:
    """Return the names of the CAs that Mozilla trusts, and with it most of the world.

    OpenSSL reads them as a server would; cryptography objects to some of these certificates.
    """
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.load_client_ca(certifi.where().encode())
    tls = SSL.Connection(context)
    tls.set_accept_state()
    return frozenset(_authorities(tls)[0])
