"""Whose clients a daemon accepts, judged by the CAs that it names in the handshake; pure.

dockerd names the CAs of its tlscacert. Without one it trusts every root of its host and names
none: it then rejects every stranger that a check can pose as, and accepts anyone who has a
certificate of a public CA.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockertls_vault.docker.handshake.outcome import Answered, Engine, listed

from .causes import ACCEPTS_STRANGERS
from .checks import Check
from .remedies import TRY_AGAIN
from .report import Result

if TYPE_CHECKING:
    from collections.abc import Collection

    from cryptography.x509 import Name

    from dockertls_vault.docker.handshake.outcome import Greeting, Outcome

    from .report import CheckResult

# Go's answer to plaintext at a TLS port (net/http); no proxy written in C words it so.
_GO = "Client sent an HTTP request to an HTTPS server"
_TLSCACERT = "set tlscacert to your client CA only, and restart dockerd"


def judge_trust(
    greeting: Greeting,
    plaintext: Outcome,
    stranger: Outcome,
    known: Outcome | None = None,
    *,
    ours: Collection[Name],
    roots: Collection[Name],
    public: Collection[Name],
) -> CheckResult:
    """Judge whose clients are accepted, by what ``greeting`` shows of the handshake.

    ``known`` is the outcome with our certificate, if we have one, ``plaintext`` that of a request
    without TLS, ``stranger`` that of one without a certificate: the latter two tell a daemon, which
    rejects within TLS, from a proxy in front of it, which may not name the CAs.
    ``ours`` are the issuers of our own certificate, ``roots`` those in our ca.pem, ``public`` the
    public roots: an intermediate of theirs looks like any other CA.
    """
    found = Check.TRUST.found

    if greeting.asks is None:
        return found(
            Result.UNKNOWN,
            "the handshake ended before it could request a certificate",
            "it is unknown whose clients it accepts, and whether it requests a certificate at all",
            TRY_AGAIN,
        )
    if not greeting.asks:
        return _judge_unasked(known)
    authorities, unreadable = greeting.authorities, greeting.unreadable
    named = bool(authorities or unreadable)
    if not named and _is_of_dockerd(plaintext, stranger):
        return found(
            Result.CRITICAL,
            "it requests a certificate but names no CA",
            "tlsverify without tlscacert: anyone with a certificate of any CA that its host "
            "trusts, public ones included, is root on that host",
            _TLSCACERT,
        )
    if not named:
        return found(
            Result.UNKNOWN,
            "it requests a certificate but names no CA: whose clients it accepts is not visible",
            "a proxy can hide the names; dockerd names none when it trusts every CA that "
            "its host trusts",
            "verify on that host that only your own client CA is trusted",
        )
    if too_wide := [name for name in authorities if name in public]:
        return found(
            Result.CRITICAL,
            f"clients of public CAs: {listed(too_wide)}",
            "anyone with a client certificate of a public CA is root on that host",
            _TLSCACERT,
        )
    if unreadable:
        read = f"{listed(authorities)}, and of " if authorities else ""
        return found(
            Result.UNKNOWN,
            f"clients of {read}CAs whose names cannot be read: {unreadable}",
            "a public CA may be among them: anyone with a client certificate of one is root on "
            "that host",
            "verify on that host that tlscacert holds only your client CA",
        )
    of_ours = [name for name in authorities if name in ours]
    others = [name for name in authorities if name not in ours]
    if not (of_ours and others):
        return found(Result.OK, f"only clients of {listed(authorities)}")
    groups = (
        ([name for name in others if name in roots], ""),
        ([name for name in others if name not in roots], " (not in our ca.pem)"),
    )
    also = "".join(f", and of {listed(group)}{remark}" for group, remark in groups if group)
    return found(Result.OK, f"clients of {listed(of_ours)} (ours){also}")


def _judge_unasked(known: Outcome | None) -> CheckResult:
    """Judge a server that requests no certificate: if it answers us, it answers everyone.

    If it answered us, our certificate played no part in it, whatever happened to a stranger.
    """
    match known:
        case Answered(engine=Engine() as engine):
            cause = ACCEPTS_STRANGERS[engine]
            return Check.TRUST.found(
                Result.CRITICAL,
                f"everyone: it requests no certificate, and {engine} answered us without one",
                cause.reason,
                cause.remedy,
            )
    return Check.TRUST.skipped("it requests no certificate")


def _is_of_dockerd(plaintext: Outcome, stranger: Outcome) -> bool:
    """Tell whether a server that requests a certificate can be dockerd with tlsverify."""
    is_go = isinstance(plaintext, Answered) and _GO in plaintext.body
    return is_go and not isinstance(stranger, Answered)
