"""What a daemon's answer means: the table of alerts and causes; pure."""

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

from .report import Check, CheckResult, Result
from .trust import LET_IN_REMEDY, TRY_AGAIN, WHO_REACHES, Cause

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dockertls_vault.docker.handshake.outcome import Exchange, Outcome

PLAINTEXT = "connect in plaintext"
NO_CERTIFICATE = "connect without a client certificate"
FORGED = "connect with a forged client certificate"
OURS = "connect with our client certificate"

# What dockerd's log and docker's messages call an alert, where OpenSSL has another word.
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
    # Docker 20.10 (Go 1.19) has this one alert for everything; of what could be wrong, the
    # validity and the usage of our certificate have been looked at before.
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
# With these a proxy in front of Docker refuses; 495 and 496 are nginx's own.
_REFUSALS = {_BAD_REQUEST, 401, 403, 495, 496}
# With these it says that the server behind it does not answer.
_NOBODY_BEHIND = {502, 503, 504}
_PLAINTEXT_REMEDY = {
    Engine.DOCKER: "set tls, tlsverify, tlscacert, tlscert and tlskey (dockerd prints no warning "
    "for a systemd socket, -H fd://) and restart dockerd",
    Engine.PODMAN: "reach Podman over SSH, or start its service with --tls-cert, --tls-key and "
    "--tls-client-ca (Podman 5.7 and later)",
}
_NOT_DOCKER = "something other than Docker listens there, or a proxy hides it"


def judge_plaintext(outcome: Outcome) -> CheckResult:
    """Tell whether plaintext is refused; ``outcome`` is that of a request without TLS."""
    step = Check("plaintext", PLAINTEXT).found

    match outcome:
        case Answered(engine=Engine() as engine):
            return step(
                Result.CRITICAL,
                f"{engine} answers in plaintext: {_shown(outcome)}",
                f"a plaintext API: {WHO_REACHES[engine]}",
                f"close the port now; then {_PLAINTEXT_REMEDY[engine]}",
            )
        case Answered(status=status) if status == _BAD_REQUEST:
            return step(Result.OK, f"rejected: {_shown(outcome)}")
        case Answered():
            return step(
                Result.ERROR,
                f"it answers in plaintext, but not as Docker: {_shown(outcome)}",
                _NOT_DOCKER,
                "check the port",
            )
        case NotHTTP(start=start) if not start.startswith(_TLS_HEADER):
            return step(Result.OK, f"the answer is not HTTP: {start!r}")
        case Silent():
            return step(
                Result.UNKNOWN,
                "no response before the timeout",
                "a TLS server rejects plaintext at once",
                TRY_AGAIN,
            )
    return step(Result.OK, "rejected: it closed the connection")


def judge_no_certificate(exchange: Exchange) -> CheckResult:
    """Tell whether somebody without a certificate is kept out."""
    return _judge_stranger(Check("no-certificate", NO_CERTIFICATE), exchange)


def judge_forged(exchange: Exchange) -> CheckResult:
    """Tell whether somebody with a forged certificate is kept out."""
    return _judge_stranger(Check("forged-certificate", FORGED), exchange)


def _judge_stranger(check: Check, exchange: Exchange) -> CheckResult:
    """Take nothing for a refusal but what a server says that has asked for a certificate.

    It has proved by then to have its own certificate's key; before that, anybody can send an
    alert or end the connection, and what limits connections does.
    """
    step = check.found

    outcome = exchange.outcome
    match outcome:
        case Answered(denied_by_plugin=True):
            return step(
                Result.CRITICAL,
                f"TLS accepted a stranger; an authorization plugin rejected it: {_shown(outcome)}",
                "only the plugin stands between a stranger and root on that host",
                LET_IN_REMEDY[Engine.DOCKER],
            )
        case Answered(engine=Engine() as engine):
            return step(
                Result.CRITICAL,
                f"{engine} accepts a stranger: {_shown(outcome)}",
                WHO_REACHES[engine],
                LET_IN_REMEDY[engine],
            )
        case Answered(status=status) if status in _REFUSALS:
            return step(Result.OK, f"rejected: {_shown(outcome)}")
        case Alerted() if exchange.greeting.asks:
            return step(Result.OK, _refusal(outcome))
        case Alerted() if outcome != _NO_COMMON_VERSION:
            return step(
                Result.UNKNOWN,
                f"{_refusal(outcome)}, but it did not request a certificate",
                "that does not show who is accepted",
                TRY_AGAIN,
            )
        case Closed():
            return step(
                Result.UNKNOWN,
                f"{_refusal(outcome)}, twice",
                "that is not a rejection: rate limits close connections too",
                TRY_AGAIN,
            )
    return _judge_no_docker(check, outcome)


def are_of_another(outcomes: Iterable[Outcome]) -> bool:
    """Tell whether something else than Docker answered, and Docker itself never.

    A refusal does not tell, nor does a proxy that says that nobody is behind it.
    """
    spoken = [outcome for outcome in outcomes if isinstance(outcome, Answered | NotHTTP)]
    if any(isinstance(outcome, Answered) and outcome.engine for outcome in spoken):
        return False
    return any(
        isinstance(outcome, NotHTTP) or outcome.status not in _REFUSALS | _NOBODY_BEHIND
        for outcome in spoken
    )


def judge_ours(
    exchange: Exchange, credential: CheckResult, cause: Cause | None = None
) -> CheckResult:
    """Tell whether we are let in.

    ``credential`` is what was found of our certificate, ``cause`` what the daemon's CAs tell
    about a refusal.
    """
    check = Check("version", OURS)
    step = check.found

    outcome = exchange.outcome
    match outcome:
        case Answered(version=version) if version is not None:
            return step(Result.OK, _shown(outcome))
        case Answered(denied_by_plugin=True):
            return step(
                Result.ERROR,
                f"accepted by TLS, rejected by an authorization plugin: {_shown(outcome)}",
                "the plugin uses our certificate's common name as the user",
                "have the plugin allow this user to call /version",
            )
        case Answered(engine=Engine() as engine):
            return step(
                Result.ERROR,
                f"accepted by TLS, but no version was returned: {_shown(outcome)}",
                remedy=f"look at {engine}'s log",
            )
        case Answered(status=status) if status in _REFUSALS:
            found = _why_refused(outcome, credential, cause)
            return step(Result.ERROR, f"rejected: {_shown(outcome)}", found.reason, found.remedy)
        case Closed() if exchange.greeting.certificate is None:
            return step(
                Result.UNKNOWN,
                "it closed the connection during the handshake, twice",
                "that is not a rejection: rate limits close connections too",
                TRY_AGAIN,
            )
        case Alerted() | Closed() if outcome != _NO_COMMON_VERSION:
            found = _why_refused(outcome, credential, cause)
            return step(Result.ERROR, _refusal(outcome), found.reason, found.remedy)
    return _judge_no_docker(check, outcome)


def _why_refused(
    outcome: Alerted | Closed | Answered, credential: CheckResult, cause: Cause | None
) -> Cause:
    """Choose the cause that is known best: our own, then the CAs', then what the answer says."""
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
    """Tell what answers where no daemon spoke at all."""
    match outcome:
        case Silent():
            return check.found(
                Result.UNREACHABLE,
                "no response before the timeout",
                "the port is open, but nothing responds: dockerd hangs or is still starting",
                "check dockerd on that host, or give a longer --timeout",
            )
        case Alerted(alert=alert):
            return check.found(
                Result.ERROR,
                f"rejected: tls: {alert}",
                "it supports neither TLS 1.2 nor 1.3, and Docker nothing older",
                "check the port",
            )
        case Answered(status=status) if status in _NOBODY_BEHIND:
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
        engine = f"{found.engine} {found.version}"
        return f"{engine}, API {found.api_version}, {found.os}/{found.arch}"
    line = " ".join(answer.body.split())
    return f"{answer.status} {answer.reason}: {line:.160}" if line else f"{answer.status}"
