"""What one question to a port can lead to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

# How Docker begins the message when one of its authorization plugins says no.
DENIED_BY_PLUGIN = "authorization denied by plugin"


class Engine(StrEnum):
    """Who answers in Docker's API."""

    DOCKER = "Docker"
    PODMAN = "Podman"


@dataclass(frozen=True)
class Version:
    """What an engine says of itself at ``/version``."""

    engine: Engine
    version: str
    api_version: str
    os: str
    arch: str


@dataclass(frozen=True)
class Answered:
    """An HTTP answer; ``engine`` is None where it is neither Docker's nor Podman's."""

    status: int
    reason: str
    body: str
    engine: Engine | None
    version: Version | None

    @property
    def denied_by_plugin(self) -> bool:
        """Whether an authorization plugin of Docker refused the call."""
        return DENIED_BY_PLUGIN in self.body


@dataclass(frozen=True)
class Alerted:
    """The server refused with a TLS alert; ``alert`` in words: ``certificate required``."""

    alert: str


@dataclass(frozen=True)
class Distrusted:
    """We refused the server's certificate; ``code`` and ``reason`` are OpenSSL's."""

    code: int
    reason: str


@dataclass(frozen=True)
class Closed:
    """The server ended the connection without an answer."""


@dataclass(frozen=True)
class Silent:
    """No answer within the time allowed."""


@dataclass(frozen=True)
class NotTLS:
    """The server answered the handshake with something else, or failed in it; ``reason`` says."""

    reason: str


@dataclass(frozen=True)
class NotHTTP:
    """The server's answer to an HTTP request is not HTTP; ``start`` is how it begins."""

    start: bytes


Outcome = Answered | Alerted | Distrusted | Closed | Silent | NotTLS | NotHTTP


@dataclass(frozen=True)
class Exchange:
    """What one question led to; the server's certificate (DER) where a handshake was done."""

    outcome: Outcome
    certificate: bytes | None = None
