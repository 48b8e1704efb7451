"""The CAs that a server names in its handshake, and the public ones.

A server names them in its CertificateRequest (RFC 5246 §7.4.4, RFC 8446 §4.2.4).
"""

from __future__ import annotations

from contextlib import suppress
from functools import cache

import certifi
from cryptography.x509 import Name
from OpenSSL import SSL


def read_authorities(tls: SSL.Connection) -> tuple[tuple[Name, ...], int]:
    """Return the names, and the number of those that cannot be parsed.

    Each is parsed separately, so that a malformed one does not hide the others.
    """
    names = []
    given = tls.get_client_ca_list()
    for name in given:
        with suppress(ValueError, TypeError):  # TypeError: a BIT STRING
            names.append(Name.from_bytes(name.der()))
    return tuple(names), len(given) - len(names)


@cache
def public_authorities() -> frozenset[Name]:
    """Return the names of the CAs that Mozilla trusts, as most systems do.

    OpenSSL parses them, as in a server; cryptography rejects some of these certificates.
    """
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.load_client_ca(certifi.where().encode())
    tls = SSL.Connection(context)
    tls.set_accept_state()
    return frozenset(read_authorities(tls)[0])
