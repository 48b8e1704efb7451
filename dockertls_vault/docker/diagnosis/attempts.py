"""The three attempts of a check over TLS: as a stranger, with a forged certificate, with ours.

Each is a connection of its own, and whoever sits between may answer each in another way: what
one of them shows of the server holds for the others only where its certificate is the same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dockertls_vault.docker.handshake import probe
from dockertls_vault.docker.handshake.channel import Hello
from dockertls_vault.docker.handshake.forged import forge
from dockertls_vault.docker.handshake.outcome import NotTLS, Silent

from .report import CheckResult, Result
from .trust import TRY_AGAIN

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from dockertls_vault.docker.handshake.outcome import Exchange, Greeting, Outcome
    from dockertls_vault.docker.handshake.probe import Peer

    from .client_credential import Credential


@dataclass(frozen=True)
class Attempts:
    """What each came to; ``forged`` is None where the port speaks no TLS to a stranger.

    ``known`` is None then, too, and where we have no certificate that can be used. ``earlier`` is
    what attempts that had to be made again were shown.
    """

    stranger: Exchange
    forged: Exchange | None = None
    known: Exchange | None = None
    earlier: tuple[Greeting, ...] = ()

    @property
    def decisive(self) -> Exchange:
        """The one whose certificate is judged: that on which we were let in, if there is one."""
        if self.known and self.known.greeting.certificate:
            return self.known
        return self.stranger

    @property
    def outcomes(self) -> list[Outcome]:
        """What came of each, in order."""
        return [attempt.outcome for attempt in self._made]

    @property
    def greetings(self) -> tuple[Greeting, ...]:
        """What the server showed on each, in order."""
        return tuple(attempt.greeting for attempt in self._made)

    @property
    def are_of_one_server(self) -> bool:
        """Whether all of them that showed a certificate showed the same."""
        return len({attempt.greeting.certificate for attempt in self._made} - {None}) <= 1

    @property
    def met_an_impostor(self) -> bool:
        """Whether an earlier one was shown a certificate that does not lead to our roots."""
        return any(greeting.objections for greeting in self.earlier)

    @property
    def _made(self) -> list[Exchange]:
        return [attempt for attempt in (self.stranger, self.forged, self.known) if attempt]


def attempt(peer: Peer, ours: Credential, timeout: timedelta, now: datetime) -> Attempts:
    """Make the three attempts, and again if the certificate changed meanwhile, as at a restart."""
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


def of_nobody_else(step: CheckResult, attempts: Attempts) -> CheckResult:
    """Return ``step``, about the server's chain, as a warning where somebody else answered, too."""
    if step.result is not Result.OK or not attempts.met_an_impostor:
        return step
    return replace(
        step,
        result=Result.WARNING,
        summary=f"{step.summary}; but another connection reached a server whose chain does not",
        reason="something in between answers some connections, or two servers share the address",
        remedy="find out what else answers at this address, then check again",
    )


def of_the_same(step: CheckResult, exchange: Exchange, decisive: Exchange) -> CheckResult:
    """Return ``step``, about ``exchange``, as unknown where another server was well in it."""
    if step.result is not Result.OK or (
        exchange.greeting.certificate == decisive.greeting.certificate
    ):
        return step
    return replace(
        step,
        result=Result.UNKNOWN,
        summary=f"{step.summary}; but by a server with another certificate",
        reason="several servers share this address, or one is in between: what one rejects says "
        "nothing about the others",
        remedy=f"{TRY_AGAIN}, or load balancing: check each server by its own address",
    )
