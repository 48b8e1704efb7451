"""Whose clients a daemon lets in, judged by the CAs that it names in the handshake; pure.

dockerd names the CAs of its tlscacert. Without one it trusts whatever its host trusts, and names
none: it then keeps out every stranger that a check can be, and lets in who has a certificate of
a public CA.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dockertls_vault.certificate.certificate import is_signed_by
from dockertls_vault.docker.handshake.outcome import Answered, Engine, one_line

from .report import Check, CheckResult, Result

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from cryptography.x509 import Certificate, Name

    from dockertls_vault.docker.handshake.outcome import Greeting, Outcome

TRUST = "check whose clients it accepts"
# How many names make a list that somebody reads.
_READ = 5
# Go's own answer to plaintext at a TLS port (net/http); no proxy written in C has these words.
_GO = "Client sent an HTTP request to an HTTPS server"
# dockerd has no reload (moby#23936).
RESTART = "restart dockerd there, which reads its files only at startup"
TRY_AGAIN = "check again; if it persists, look for rate limits on that port"
# What makes our own three files, where docker looks for them by itself.
ISSUE_CLIENT = "dockertls-vault issue client"
LET_IN_REMEDY = {
    Engine.DOCKER: "set tlsverify to true, and tlscacert to your client CA (without it any "
    "certificate under the system's roots is accepted), and restart dockerd",
    Engine.PODMAN: "start Podman's service with --tls-client-ca, your client CA",
}
WHO_REACHES = {
    Engine.DOCKER: "anyone who can reach the port is root on that host",
    Engine.PODMAN: "anyone who can reach the port acts as the user who runs Podman, often root",
}
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
    """Tell whose clients are let in, by what ``greeting`` tells of the handshake.

    ``known`` is what came with our certificate, if we have one. ``plaintext`` is what a request
    without TLS came to, ``stranger`` one without a certificate: they tell a daemon, which refuses
    within TLS, from a proxy before it, which may keep the names to itself.
    ``ours`` are the issuers of our own certificate, ``roots`` those in our ca.pem, ``public`` the
    public roots: an intermediate of theirs looks like any other CA.
    """
    step = Check("trust", TRUST).found

    if greeting.asks is None:
        return step(
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
        return step(
            Result.CRITICAL,
            "it requests a certificate but names no CA",
            "tlsverify without tlscacert: anyone with a certificate of any CA that its host "
            "trusts, public ones included, is root on that host",
            _TLSCACERT,
        )
    if not named:
        return step(
            Result.UNKNOWN,
            "it requests a certificate but names no CA: whose clients it accepts is not visible",
            "a proxy can hide the names; dockerd names none when it trusts every CA that "
            "its host trusts",
            "verify on that host that only your own client CA is trusted",
        )
    if too_wide := [name for name in authorities if name in public]:
        return step(
            Result.CRITICAL,
            f"clients of public CAs: {_listed(too_wide)}",
            "anyone with a client certificate of a public CA is root on that host",
            _TLSCACERT,
        )
    if unreadable:
        read = f"{_listed(authorities)}, and of " if authorities else ""
        return step(
            Result.UNKNOWN,
            f"clients of {read}CAs whose names cannot be read: {unreadable}",
            "a public CA may be among them: anyone with a client certificate of one is root on "
            "that host",
            "verify on that host that tlscacert holds only your client CA",
        )
    of_ours = [name for name in authorities if name in ours]
    others = [name for name in authorities if name not in ours]
    if not (of_ours and others):
        return step(Result.OK, f"clients of {_listed(authorities)} alone")
    groups = (
        ([name for name in others if name in roots], ""),
        ([name for name in others if name not in roots], " (not in our ca.pem)"),
    )
    also = "".join(f", and of {_listed(group)}{remark}" for group, remark in groups if group)
    return step(Result.OK, f"clients of {_listed(of_ours)} (ours){also}")


def _judge_unasked(known: Outcome | None) -> CheckResult:
    """Judge a server that asks for no certificate: whoever it answers, it answers everybody.

    Our certificate had no part in it, whatever became of a stranger's connection.
    """
    match known:
        case Answered(engine=Engine() as engine):
            return CheckResult(
                "trust",
                Result.CRITICAL,
                TRUST,
                f"everybody: it requests no certificate, and {engine} answered us without one",
                WHO_REACHES[engine],
                LET_IN_REMEDY[engine],
            )
    return CheckResult("trust", Result.SKIPPED, TRUST, "it requests no certificate")


def _is_of_dockerd(plaintext: Outcome, stranger: Outcome) -> bool:
    """Tell whether a server that asks for a certificate can be dockerd with tlsverify."""
    is_go = isinstance(plaintext, Answered) and _GO in plaintext.body
    return is_go and not isinstance(stranger, Answered)


@dataclass(frozen=True)
class Cause:
    """Why one end does not accept the other's certificate, and what to do."""

    reason: str
    remedy: str


def explain_refusal(
    authorities: Sequence[Name],
    chain: Sequence[Certificate],
    roots: Sequence[Certificate],
    on_the_wire: Certificate | None,
) -> Cause | None:
    """Say why a daemon refuses our ``chain``, as far as its own CAs and certificate tell.

    A daemon that was not restarted since the CA was rotated still serves a certificate of one
    of our ``roots`` that is older than the CA of our own. None where nothing of it is to be seen.
    """
    if not chain:
        return None
    issuer = chain[-1].issuer
    ca = next((root for root in roots if is_signed_by(chain[-1], root)), None)
    if ca and on_the_wire and _is_of_before(ca, on_the_wire, roots):
        return Cause(
            f"the CA was rotated: {_listed([issuer])}, which signed ours, is newer than the "
            "certificate that the daemon presents",
            f"{RESTART}; if it still rejects us, issue its certificate again (dockertls-vault "
            "issue server)",
        )
    if authorities and not {certificate.issuer for certificate in chain} & set(authorities):
        return Cause(
            f"it accepts clients of {_listed(authorities)}; our certificate is of "
            f"{_listed([issuer])}, or cert.pem lacks an intermediate between the two",
            f"if tlscacert of the daemon holds that CA already, {RESTART}; else add it there",
        )
    return None


def _is_of_before(ca: Certificate, on_the_wire: Certificate, roots: Sequence[Certificate]) -> bool:
    """Tell whether a daemon's certificate is of a time before ``ca``, and of a CA in its place."""
    of_ours = any(root.subject == on_the_wire.issuer for root in roots)
    return of_ours and on_the_wire.not_valid_before_utc < ca.not_valid_before_utc


def _listed(names: Sequence[Name]) -> str:
    """Return the names in one line, of many the first few."""
    texts = [one_line(name.rfc4514_string()) for name in names[:_READ]]
    rest = len(names) - len(texts)
    return "; ".join([*texts, f"and {rest} more"] if rest else texts)
