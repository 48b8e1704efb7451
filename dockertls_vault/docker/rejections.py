"""What dockerd logs of a TLS handshake that failed; pure.

Go's HTTP server logs each one, whatever dockerd's log level, with the client's address and the
reason (net/http, "http: TLS handshake error from"). An accepted client is logged nowhere: at the
level debug there are its requests, without an address and without its certificate. Measured with
Docker 20.10 and 26.1.
"""

from __future__ import annotations

import re
from enum import StrEnum
from ipaddress import IPv6Address, ip_address
from typing import NamedTuple


class Reason(StrEnum):
    """Why a handshake failed, as far as the log tells."""

    NO_CERTIFICATE = "no-certificate"
    UNKNOWN_CA = "unknown-ca"
    SERVER_REJECTED = "server-rejected"
    INVALID = "invalid"
    OTHER = "other"

    @property
    def is_about_trust(self) -> bool:
        """Whether one end may lack the other's CA."""
        return self in {Reason.NO_CERTIFICATE, Reason.UNKNOWN_CA, Reason.SERVER_REJECTED}

    @property
    def meaning(self) -> str:
        """The reason in words."""
        return _MEANINGS[self]


_MEANINGS = {
    Reason.NO_CERTIFICATE: "sent no certificate: it has none, or one of a CA that this daemon does "
    "not accept (docker withholds it then)",
    Reason.UNKNOWN_CA: "its certificate is of a CA that this daemon does not accept",
    Reason.SERVER_REJECTED: "rejected the daemon's certificate: its ca.pem may lack the CA",
    Reason.INVALID: "its certificate has expired, or is not for a client",
    Reason.OTHER: "did not complete a TLS handshake: a port scan, or a client without TLS 1.2",
}
# From its start: further on, a line may repeat what somebody else wrote.
_LINE = re.compile(
    r"""(?: \d{4}/\d\d/\d\d[ ]\d\d:\d\d:\d\d[ ]  # of Go's log, as Docker 26.1 writes it
          | time="[^"]*"[ ]level=\w+[ ]msg="      # of dockerd's own
        )?
        http:[ ]TLS[ ]handshake[ ]error[ ]from[ ](\S+):[ ]([^\n]*)""",
    re.VERBOSE,
)
# The first that matches, in Go's words (crypto/tls, crypto/x509): 1.19 to 1.24 differ slightly.
_REASONS = (
    (re.compile(r"client didn't provide a certificate"), Reason.NO_CERTIFICATE),
    (re.compile(r"certificate signed by unknown authority"), Reason.UNKNOWN_CA),
    (re.compile(r"remote error: tls: .*(certificate|unknown authority)"), Reason.SERVER_REJECTED),
    (re.compile(r"failed to verify|x509: "), Reason.INVALID),
)


class Rejection(NamedTuple):
    """The IP address of a client whose handshake failed, and why."""

    address: str
    reason: Reason


def parse(message: str) -> Rejection | None:
    """Parse a line of dockerd's log; None if it is about something else."""
    found = _LINE.match(message)
    if found is None:
        return None
    address = _address(found[1].rpartition(":")[0])
    if address is None:
        return None
    matching = (reason for pattern, reason in _REASONS if pattern.search(found[2]))
    return Rejection(address, next(matching, Reason.OTHER))


def is_of(message: str, address: str, port: int) -> bool:
    """Tell whether a line is about the handshake with the client at ``address`` and ``port``."""
    found = _LINE.match(message)
    if found is None:
        return False
    host, _, own_port = found[1].rpartition(":")
    return own_port == str(port) and _address(host) == _address(address)


def _address(host: str) -> str | None:
    return plain_address(host.strip("[]").partition("%")[0])


def plain_address(text: str) -> str | None:
    """Return an IP address in its usual form, IPv4 also if it is mapped; None if it is not one."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)
