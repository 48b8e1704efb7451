"""The three attempts of a check over TLS: as a stranger, with a forged certificate, with ours.

Each is a separate connection, which a man in the middle could treat differently: an observation on
one holds for another only if both presented the same certificate.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dockertls_vault.docker.handshake import probe
from dockertls_vault.docker.handshake.channel import Hello
from dockertls_vault.docker.handshake.forged import forge
from dockertls_vault.docker.handshake.outcome import NotTLS, Silent

from .report import Result

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from dockertls_vault.docker.handshake.outcome import Exchange, Greeting, Outcome
    from dockertls_vault.docker.handshake.probe import Peer

    from .client_credential import Credential
    from .report import CheckResult


@dataclass(frozen=True)
class Attempts:
    """What each attempt led to; ``forged`` is None if the port speaks no TLS to a stranger.

    ``known`` is None then too, and if we have no usable certificate. ``earlier`` is what the
    server showed in attempts that were made again.
    """

    stranger: Exchange
    forged: Exchange | None = None
    known: Exchange | None = None
    earlier: tuple[Greeting, ...] = ()

    @property
    def decisive(self) -> Exchange:
        """The attempt whose certificate is judged: ours, if the server presented one on it."""
        if self.known and self.known.greeting.certificate:
            return self.known
        return self.stranger

    @property
    def outcomes(self) -> list[Outcome]:
        """The outcome of each attempt, in order."""
        return [attempt.outcome for attempt in self._made]

    @property
    def greetings(self) -> tuple[Greeting, ...]:
        """What the server showed in each attempt, in order."""
        return tuple(attempt.greeting for attempt in self._made)

    @property
    def are_of_one_server(self) -> bool:
        """Whether every attempt that was shown a certificate was shown the same one."""
        return len({attempt.greeting.certificate for attempt in self._made} - {None}) <= 1

    @property
    def met_an_impostor(self) -> bool:
        """Whether an earlier attempt was shown a certificate that does not chain to our roots."""
        return any(greeting.objections for greeting in self.earlier)

    @property
    def _made(self) -> list[Exchange]:
        return [attempt for attempt in (self.stranger, self.forged, self.known) if attempt]


def attempt(peer: Peer, ours: Credential, timeout: timedelta, now: datetime) -> Attempts:
    """Make the three attempts, and again if the certificate changed in between, as at a restart."""
    attempts = _attempt(peer, ours, timeout, now)
    if attempts.are_of_one_server:
        return attempts
    return replace(_attempt(peer, ours, timeout, now), earlier=attempts.greetings)


def _attempt(peer: Peer, ours: Credential, timeout: timedelta, now: datetime) -> Attempts:
    stranger = probe.ask(peer, Hello(roots=ours.roots), timeout)
    if stranger.greeting.certificate is None and isinstance(stranger.outcome, NotTLS | Silent):
        return Attempts(stranger)
    forged = forge(ours.certificate, stranger.greeting.authorities, now)
    return Attempts(
        stranger,
        probe.ask(peer, Hello(forged, ours.roots), timeout),
        probe.ask(peer, ours.hello, timeout) if ours.hello else None,
    )


def warn_of_impostor(result: CheckResult, attempts: Attempts) -> CheckResult:
    """Return ``result``, the result for the chain; a warning if an impostor answered too."""
    if result.result is not Result.OK or not attempts.met_an_impostor:
        return result
    return replace(
        result,
        result=Result.WARNING,
        summary=f"{result.summary}; but on another connection the server's chain was not trusted",
        reason="something in between answers some connections, or two servers share the address",
        remedy="find out what else answers at this address, then check again",
    )


def doubt_another_server(
    result: CheckResult, exchange: Exchange, decisive: Exchange
) -> CheckResult:
    """Return ``result``, the result for ``exchange``; UNKNOWN if another server was OK in it."""
    if result.result is not Result.OK or (
        exchange.greeting.certificate == decisive.greeting.certificate
    ):
        return result
    return replace(
        result,
        result=Result.UNKNOWN,
        summary=f"{result.summary}; but that server presented a different certificate",
        reason="several servers share this address behind a load balancer, or one is in between: "
        "what one rejects says nothing about the others",
        remedy="check each server by its own address",
    )
