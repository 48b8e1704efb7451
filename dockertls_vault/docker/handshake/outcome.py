"""What one question to a port can lead to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography.x509 import Name

# How many names are listed; nobody reads more.
_LISTED = 5
# How Docker begins the message when one of its authorization plugins says no.
DENIED_BY_PLUGIN = "authorization denied by plugin"


class Engine(StrEnum):
    """Who answers in Docker's API."""

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


Outcome = Answered | Alerted | Closed | Silent | NotTLS | NotHTTP


@dataclass(frozen=True)
class Objection:
    """What speaks against the certificate at ``depth`` of the server's chain, 0 for its own.

    ``code`` is OpenSSL's, ``reason`` its name in words.
    """

    depth: int
    code: int
    reason: str


@dataclass(frozen=True)
class Greeting:
    """What a server showed in a handshake in which it proved to have its certificate's key.

    ``certificate`` (DER) is None where it did not come to that, and ``asks`` as well, which tells
    whether it asked for a certificate. ``authorities`` are the CAs whose clients it says it lets
    in, empty where it names none; ``unreadable`` counts the names that it gave beside them and
    that cannot be read. ``objections`` is None where nothing was verified, for lack of roots.
    """

    certificate: bytes | None = None
    asks: bool | None = None
    authorities: tuple[Name, ...] = ()
    unreadable: int = 0
    objections: tuple[Objection, ...] | None = None


@dataclass(frozen=True)
class Exchange:
    """What one question led to, and what the server showed on that very connection."""

    outcome: Outcome
    greeting: Greeting = Greeting()


def one_line(text: str) -> str:
    """Return a text of the other end's with its newlines escaped, so that it forges no line."""
    return text.replace("\n", "\\n")


def listed(names: Sequence[Name]) -> str:
    """Return the names in one line; only the first few of many."""
    texts = [one_line(name.rfc4514_string()) for name in names[:_LISTED]]
    rest = len(names) - len(texts)
    return "; ".join([*texts, f"and {rest} more"] if rest else texts)
