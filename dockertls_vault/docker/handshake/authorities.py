"""The CAs that a server names in its handshake, and those that the world trusts.

The names are in its CertificateRequest (RFC 5246, section 7.4.4; RFC 8446, section 4.2.4).
"""

from __future__ import annotations

from contextlib import suppress
from functools import cache

import certifi
from cryptography.x509 import Name
from OpenSSL import SSL


def read_authorities(tls: SSL.Connection) -> tuple[tuple[Name, ...], int]:
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
    return frozenset(read_authorities(tls)[0])
