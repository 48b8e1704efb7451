"""The possible outcomes of one request to a port."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography.x509 import Name

# The number of names in a list; nobody reads more.
_LISTED = 5
# The start of Docker's message if one of its authorization plugins rejects a request.
DENIED_BY_PLUGIN = "authorization denied by plugin"


class Engine(StrEnum):
    """A server of Docker's API."""

    DOCKER = "Docker"
    PODMAN = "Podman"


@dataclass(frozen=True)
class Version:
    """What an engine reports at ``/version``; None for what it leaves out."""

    engine: Engine
    version: str | None
    api_version: str
    os: str | None
    arch: str | None


@dataclass(frozen=True)
class Answered:
    """An HTTP response; ``engine`` is None if it is from neither Docker nor Podman."""

    status: int
    reason: str
    body: str
    engine: Engine | None
    version: Version | None

    @property
    def denied_by_plugin(self) -> bool:
        """Whether one of Docker's authorization plugins rejected the request."""
        return DENIED_BY_PLUGIN in self.body


@dataclass(frozen=True)
class Alerted:
    """The server rejected us with a TLS alert, such as ``certificate required``."""

    alert: str


@dataclass(frozen=True)
class Closed:
    """The server closed the connection without a response."""


@dataclass(frozen=True)
class Silent:
    """No response before the timeout."""


@dataclass(frozen=True)
class NotTLS:
    """The handshake failed, or the server does not speak TLS; ``reason`` is OpenSSL's."""

    reason: str


@dataclass(frozen=True)
class NotHTTP:
    """The response to an HTTP request is not HTTP; ``start`` is its first bytes."""

    start: bytes


Outcome = Answered | Alerted | Closed | Silent | NotTLS | NotHTTP


@dataclass(frozen=True)
class Objection:
    """A verification error for the certificate at ``depth`` in the server's chain, 0 for its own.

    ``code`` is OpenSSL's (X509_V_ERR_…), ``reason`` its name in lower case.
    """

    depth: int
    code: int
    reason: str


@dataclass(frozen=True)
class Greeting:
    """What a server showed in a handshake, once it had proved that it holds its private key.

    ``certificate`` (DER) is None if the handshake did not get so far, and so is ``asks``: whether
    the server requested a certificate. ``authorities`` are the CAs whose clients it accepts, by
    its own account, and empty if it names none; ``unreadable`` is the number of further names
    that cannot be parsed. ``objections`` is None if there were no roots to verify with. ``source``
    is our own address and port, as far as the caller of the probe may want to find the connection.
    """

    certificate: bytes | None = None
    asks: bool | None = None
    authorities: tuple[Name, ...] = ()
    unreadable: int = 0
    objections: tuple[Objection, ...] | None = None
    source: tuple[str, int] | None = None


@dataclass(frozen=True)
class Exchange:
    """The outcome of one request, and what the server showed on that same connection."""

    outcome: Outcome
    greeting: Greeting = Greeting()


def one_line(text: str) -> str:
    """Return a text from the peer with its newlines escaped, so that it cannot forge a line."""
    return text.replace("\n", "\\n")


def listed(names: Sequence[Name]) -> str:
    """Return the names in one line, but only the first few of many."""
    texts = [one_line(name.rfc4514_string()) for name in names[:_LISTED]]
    rest = len(names) - len(texts)
    return "; ".join([*texts, f"and {rest} more"] if rest else texts)
