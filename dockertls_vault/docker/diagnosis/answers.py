"""What a daemon's answer means: plaintext, strangers and our own certificate; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockertls_vault.docker.handshake.outcome import (
    Alerted,
    Answered,
    Closed,
    Engine,
    NotHTTP,
    NotTLS,
    Silent,
)

from .causes import ACCEPTS_STRANGERS, Cause
from .checks import Check
from .remedies import ALL_FOUR, TRY_AGAIN
from .report import Result

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dockertls_vault.docker.handshake.outcome import Exchange, Outcome

    from .report import CheckResult

# Go's names for alerts, which are those in dockerd's log, if OpenSSL's differ.
_IN_GO = {
    "unknown ca": "unknown certificate authority",
    "certificate expired": "expired certificate",
}
_UNKNOWN_CA = (
    "the daemon's tlscacert lacks the CA that signed our certificate (another CA, or one "
    "recreated under the same name), or cert.pem lacks an intermediate"
)
_WHY_REFUSED = {
    "certificate required": "the daemon received no certificate from a CA that it trusts",
    "unknown ca": _UNKNOWN_CA,
    # Docker 20.10 (Go 1.19) sends this alert for every fault. The validity and usage of our
    # certificate have been checked before, which leaves its CA.
    "bad certificate": _UNKNOWN_CA,
    "certificate expired": "by the daemon's clock our certificate has expired or is not yet valid",
}
# The alerts that can be about the CA of our certificate.
_OF_THE_CA = {"certificate required", "unknown ca", "bad certificate"}
_ADVICE_REFUSED = (
    "compare tlscacert of the daemon with the issuer of our certificate; see dockerd's log for "
    "its reason"
)
_NO_COMMON_VERSION = Alerted("protocol version")
_TLS_HEADER = b"\x15\x03"
_BAD_REQUEST = 400
# With these a proxy in front of Docker rejects a client; 495 and 496 are nginx's own.
_REFUSALS = {_BAD_REQUEST, 401, 403, 495, 496}
# With these it reports that its upstream does not answer.
_NO_UPSTREAM = {502, 503, 504}
_PLAINTEXT_REMEDY = {
    Engine.DOCKER: ALL_FOUR,
    Engine.PODMAN: "reach Podman over SSH, or start its service with --tls-cert, --tls-key and "
    "--tls-client-ca (Podman 5.7 and later)",
}
# Characters of an answer that are shown: the start of a page in HTML only shows that it is one.
_TEXT, _MARKUP = 160, 40
_NOT_DOCKER = "something other than Docker listens there, or a proxy hides it"


def judge_plaintext(outcome: Outcome) -> CheckResult:
    """Judge whether plaintext is rejected; ``outcome`` is that of a request without TLS."""
    found = Check.PLAINTEXT.found

    match outcome:
        case Answered(engine=Engine() as engine):
            return found(
                Result.CRITICAL,
                f"{engine} answers in plaintext: {_shown(outcome)}",
                f"a plaintext API: {ACCEPTS_STRANGERS[engine].reason}",
                f"close the port now; then {_PLAINTEXT_REMEDY[engine]}",
            )
        case Answered(status=status) if status == _BAD_REQUEST:
            return found(Result.OK, f"rejected: {_shown(outcome)}")
        case Answered():
            return found(
                Result.ERROR,
                f"it answers in plaintext, but not as Docker: {_shown(outcome)}",
                _NOT_DOCKER,
                "check the port",
            )
        case NotHTTP(start=start) if not start.startswith(_TLS_HEADER):
            return found(Result.OK, f"the answer is not HTTP: {start!r}")
        case Silent():
            return found(
                Result.UNKNOWN,
                "no response before the timeout",
                "a TLS server rejects plaintext at once",
                TRY_AGAIN,
            )
    return found(Result.OK, "rejected: it closed the connection")


def judge_no_certificate(exchange: Exchange) -> CheckResult:
    """Judge whether a client without a certificate is rejected."""
    return _judge_stranger(Check.NO_CERTIFICATE, exchange)


def judge_forged(exchange: Exchange) -> CheckResult:
    """Judge whether a client with a forged certificate is rejected."""
    return _judge_stranger(Check.FORGED_CERTIFICATE, exchange)


def _judge_stranger(check: Check, exchange: Exchange) -> CheckResult:
    """Count nothing as a rejection but the answer of a server that has requested a certificate.

    By then it has proved that it holds the key of its own certificate. Before that, anyone can
    send an alert or close the connection, and rate limits do.
    """
    found = check.found

    outcome = exchange.outcome
    match outcome:
        case Answered(denied_by_plugin=True):
            return found(
                Result.CRITICAL,
                f"TLS accepted a stranger; an authorization plugin rejected it: {_shown(outcome)}",
                "only the plugin stands between a stranger and root on that host",
                ACCEPTS_STRANGERS[Engine.DOCKER].remedy,
            )
        case Answered(engine=Engine() as engine):
            cause = ACCEPTS_STRANGERS[engine]
            return found(
                Result.CRITICAL,
                f"{engine} accepts a stranger: {_shown(outcome)}",
                cause.reason,
                cause.remedy,
            )
        case Answered(status=status) if status in _REFUSALS:
            return found(Result.OK, f"rejected: {_shown(outcome)}")
        case Alerted() if exchange.greeting.asks:
            return found(Result.OK, _refusal(outcome))
        case Alerted() if outcome != _NO_COMMON_VERSION:
            return found(
                Result.UNKNOWN,
                f"{_refusal(outcome)}, but it did not request a certificate",
                "that does not show who is accepted",
                TRY_AGAIN,
            )
        case Closed():
            return found(
                Result.UNKNOWN,
                f"{_refusal(outcome)}, twice",
                "that is not a rejection: rate limits close connections too",
                TRY_AGAIN,
            )
    return _judge_no_docker(check, outcome)


def are_not_of_docker(outcomes: Iterable[Outcome]) -> bool:
    """Tell whether something other than Docker answered, and Docker itself never did.

    A rejection shows neither, nor does a proxy that reports that its upstream is down.
    """
    spoken = [outcome for outcome in outcomes if isinstance(outcome, Answered | NotHTTP)]
    if any(isinstance(outcome, Answered) and outcome.engine for outcome in spoken):
        return False
    return any(
        isinstance(outcome, NotHTTP) or outcome.status not in _REFUSALS | _NO_UPSTREAM
        for outcome in spoken
    )


def judge_ours(
    exchange: Exchange, credential: CheckResult, cause: Cause | None = None
) -> CheckResult:
    """Judge whether our certificate is accepted.

    ``credential`` is the result for our own files, ``cause`` what the daemon's CAs show about a
    rejection, if anything.
    """
    check = Check.VERSION
    found = check.found

    outcome = exchange.outcome
    match outcome:
        case Answered(version=version) if version is not None:
            return found(Result.OK, _shown(outcome))
        case Answered(denied_by_plugin=True):
            return found(
                Result.ERROR,
                f"accepted by TLS, rejected by an authorization plugin: {_shown(outcome)}",
                "the plugin uses our certificate's common name as the user",
                "have the plugin allow this user to call /version",
            )
        case Answered(engine=Engine() as engine):
            return found(
                Result.ERROR,
                f"accepted by TLS, but no version was returned: {_shown(outcome)}",
                remedy=f"see {engine}'s log",
            )
        case Answered(status=status) if status in _REFUSALS:
            why = _why_refused(outcome, credential, cause)
            return found(Result.ERROR, f"rejected: {_shown(outcome)}", why.reason, why.remedy)
        case Closed() if exchange.greeting.certificate is None:
            return found(
                Result.UNKNOWN,
                "it closed the connection during the handshake, twice",
                "that is not a rejection: rate limits close connections too",
                TRY_AGAIN,
            )
        case Alerted() | Closed() if outcome != _NO_COMMON_VERSION:
            why = _why_refused(outcome, credential, cause)
            return found(Result.ERROR, _refusal(outcome), why.reason, why.remedy)
    return _judge_no_docker(check, outcome)


def _why_refused(
    outcome: Alerted | Closed | Answered, credential: CheckResult, cause: Cause | None
) -> Cause:
    """Choose the most certain cause: our own files, then the CAs, then the answer itself."""
    if credential.result is Result.ERROR:
        return Cause(credential.summary, credential.remedy)
    if cause and not (isinstance(outcome, Alerted) and outcome.alert not in _OF_THE_CA):
        return cause
    match outcome:
        case Alerted(alert=alert):
            why = _WHY_REFUSED.get(alert, "the daemon rejects our certificate")
            return Cause(why, _ADVICE_REFUSED)
        case Closed():
            return Cause("a reset can hide the reason; see dockerd's log", _ADVICE_REFUSED)
        case Answered():
            return Cause(
                "a proxy in front of Docker rejects our certificate",
                "compare the CAs that it trusts with the issuer of our certificate",
            )


def _judge_no_docker(check: Check, outcome: Outcome) -> CheckResult:
    """Judge an answer that does not come from a daemon."""
    match outcome:
        case Silent():
            return check.found(
                Result.UNREACHABLE,
                "no response before the timeout",
                "the port is open, but nothing responds: dockerd hangs or is still starting",
                "check dockerd on that host, or use a longer --timeout",
            )
        case Alerted(alert=alert):
            return check.found(
                Result.ERROR,
                f"rejected: tls: {alert}",
                "it supports neither TLS 1.2 nor 1.3, and Docker nothing older",
                "check the port",
            )
        case Answered(status=status) if status in _NO_UPSTREAM:
            return check.found(
                Result.ERROR,
                f"a proxy answers, but its upstream does not: {_shown(outcome)}",
                "dockerd is not running there, or the proxy has another upstream address",
                "check dockerd on that host, and the upstream address of the proxy",
            )
        case Answered():
            summary = f"the server is not Docker: {_shown(outcome)}"
        case NotHTTP(start=start):
            summary = f"the answer is not HTTP: {start!r}"
        case NotTLS(reason=reason):
            summary = f"no TLS handshake: {reason}"
        case Closed():
            summary = _refusal(outcome)
    return check.found(Result.ERROR, summary, _NOT_DOCKER, "check the port")


def _refusal(outcome: Alerted | Closed) -> str:
    match outcome:
        case Alerted(alert=alert):
            return f"rejected: tls: {_IN_GO.get(alert, alert)}"
        case Closed():
            return "it closed the connection without a response"


def _shown(answer: Answered) -> str:
    """Return an answer in one line."""
    if answer.version is not None:
        found = answer.version
        engine = " ".join(filter(None, (found.engine, found.version)))
        platform = "/".join(filter(None, (found.os, found.arch)))
        return ", ".join(filter(None, (engine, f"API {found.api_version}", platform)))
    line = " ".join(answer.body.split())
    shown = line[: _MARKUP if line.startswith("<") else _TEXT]
    return f"{answer.status} {answer.reason}: {shown}" if line else f"{answer.status}"
