"""The table of a daemon's answers and their meaning."""

from __future__ import annotations

import pytest

from dockertls_vault.docker.diagnosis.answers import (
    are_not_of_docker,
    judge_forged,
    judge_no_certificate,
    judge_ours,
    judge_plaintext,
)
from dockertls_vault.docker.diagnosis.causes import Cause
from dockertls_vault.docker.diagnosis.checks import Check
from dockertls_vault.docker.diagnosis.report import Result, worst
from dockertls_vault.docker.handshake.outcome import (
    Alerted,
    Answered,
    Closed,
    Engine,
    Exchange,
    Greeting,
    NotHTTP,
    NotTLS,
    Outcome,
    Silent,
    Version,
)

VERSION = Answered(
    200,
    "OK",
    "{}",
    engine=Engine.DOCKER,
    version=Version(Engine.DOCKER, "28.5.1", "1.51", None, None),
)
PLUGIN = Answered(
    403, "Forbidden", "authorization denied by plugin opa: no", engine=Engine.DOCKER, version=None
)
DOCKER_ERROR = Answered(500, "Oops", "{}", engine=Engine.DOCKER, version=None)
GOOD = Check.CREDENTIAL.found(Result.OK, "good")
EXPIRED = Check.CREDENTIAL.found(Result.ERROR, "it expired", remedy="renew it")


def asked(outcome: Outcome) -> Exchange:
    """Return the outcome of a connection on which the server requested a certificate."""
    return Exchange(outcome, Greeting(b"seen", asks=True))


def http(status: int, body: str = "") -> Answered:
    """Return an HTTP answer of something other than Docker."""
    return Answered(status, "Reason", body, engine=None, version=None)


@pytest.mark.parametrize(
    ("outcome", "result"),
    [
        (VERSION, Result.CRITICAL),
        (PLUGIN, Result.CRITICAL),
        (DOCKER_ERROR, Result.CRITICAL),
        (http(400, "Client sent an HTTP request to an HTTPS server."), Result.OK),
        (http(404), Result.ERROR),
        (http(200), Result.ERROR),
        (NotHTTP(b"\x15\x03\x01\x00\x02\x02\x46"), Result.OK),
        (NotHTTP(b"SSH-2.0"), Result.OK),
        (Closed(), Result.OK),
        (Silent(), Result.UNKNOWN),
    ],
)
def test_docker_in_plaintext_is_critical(outcome: Outcome, result: Result) -> None:
    """Whatever its answer is; anything else counts as a refusal, an error or unknown."""
    assert judge_plaintext(outcome).result is result


@pytest.mark.parametrize(
    ("outcome", "result"),
    [
        (VERSION, Result.CRITICAL),
        (PLUGIN, Result.CRITICAL),
        (DOCKER_ERROR, Result.CRITICAL),
        (http(400, "No required SSL certificate was sent"), Result.OK),
        (http(401), Result.OK),
        (http(403), Result.OK),
        (http(200), Result.ERROR),
        (http(404), Result.ERROR),
        (Alerted("certificate required"), Result.OK),
        (Alerted("bad certificate"), Result.OK),
        (NotTLS("wrong version number"), Result.ERROR),
        (NotHTTP(b"* OK IMAP4"), Result.ERROR),
        (Silent(), Result.UNREACHABLE),
    ],
)
def test_access_without_a_certificate_is_critical(outcome: Outcome, result: Result) -> None:
    """Even if an authorization plugin refuses the request afterwards."""
    assert judge_no_certificate(asked(outcome)).result is result


@pytest.mark.parametrize("asks", [True, False, None])
@pytest.mark.parametrize("outcome", [Alerted("certificate required"), Closed()])
def test_only_an_alert_after_a_certificate_request_is_a_refusal(
    outcome: Outcome, asks: bool | None
) -> None:
    """A closed connection is not, nor is an alert of a server that requested none."""
    for judge in (judge_no_certificate, judge_forged):
        judged = judge(Exchange(outcome, Greeting(b"seen", asks=asks)))
        is_refusal = asks and isinstance(outcome, Alerted)
        assert judged.result is (Result.OK if is_refusal else Result.UNKNOWN)


def test_no_common_tls_version_is_an_error() -> None:
    """It cannot be Docker, whoever it accepts."""
    exchange = Exchange(Alerted("protocol version"))
    for judged in (judge_no_certificate(exchange), judge_ours(exchange, GOOD)):
        assert (judged.result, judged.remedy) == (Result.ERROR, "check the port")


def test_close_during_the_handshake_is_unknown() -> None:
    """A connection limit closes connections before any client is authenticated."""
    assert judge_ours(Exchange(Closed()), GOOD).result is Result.UNKNOWN
    assert judge_ours(asked(Closed()), GOOD).result is Result.ERROR


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (PLUGIN, "accepted by TLS, rejected by an authorization plugin"),
        (DOCKER_ERROR, "no version was returned"),
        (http(200, "<h1>hello</h1>"), "the server is not Docker: 200 Reason: <h1>hello</h1>"),
        (Alerted("unknown ca"), "unknown certificate authority"),
        (Alerted("unknown ca"), "recreated"),
        (Alerted("bad certificate"), "tlscacert"),
        (Alerted("certificate required"), "no certificate from a CA that it trusts"),
        (Alerted("certificate expired"), "by the daemon's clock"),
        (Alerted("access denied"), "rejects our certificate"),
        (Alerted("protocol version"), "TLS 1.2"),
        (http(400, "The SSL certificate error"), "a proxy in front of Docker rejects"),
        (Closed(), "a reset can hide the reason"),
        (http(503, "no server is available"), "its upstream does not: 503 Reason: no server"),
        (NotTLS("wrong version number"), "no TLS handshake: wrong version number"),
        (NotHTTP(b"* OK IMAP4"), "not HTTP"),
    ],
)
def test_rejection_of_our_certificate_has_its_cause(outcome: Outcome, words: str) -> None:
    """Each kind of answer has a reason or a remedy of its own."""
    judged = judge_ours(asked(outcome), GOOD)
    assert judged.result is Result.ERROR
    assert words in f"{judged.summary} {judged.reason} {judged.remedy}"
    assert judged.reason or judged.remedy


@pytest.mark.parametrize(
    ("outcomes", "another"),
    [
        ([http(404), http(404)], True),
        ([Alerted("certificate required"), http(200)], True),
        ([NotHTTP(b"* OK IMAP4"), NotHTTP(b"* OK IMAP4")], True),
        ([http(404), VERSION], False),
        ([http(200), PLUGIN], False),
        ([DOCKER_ERROR], False),
        ([http(400), http(403), http(495)], False),
        ([http(502), http(503), http(504)], False),
        ([Alerted("bad certificate"), Closed(), Silent(), NotTLS("wrong version number")], False),
    ],
)
def test_answers_that_cannot_be_dockers_are_recognized(
    outcomes: list[Outcome], another: bool
) -> None:
    """One answer of Docker's is enough; a mere refusal may be Docker or a proxy."""
    assert are_not_of_docker(outcomes) is another


@pytest.mark.parametrize("alert", ["certificate required", "unknown ca", "bad certificate", None])
def test_daemons_ca_list_explains_a_rejection(alert: str | None) -> None:
    """Also if a reset hides the alert, or a proxy answers with HTTP."""
    cause = Cause("it lets in others", "restart it")
    for outcome in (Alerted(alert) if alert else Closed(), http(400, "The SSL certificate error")):
        judged = judge_ours(asked(outcome), GOOD, cause)
        assert (judged.result, judged.reason, judged.remedy) == (
            Result.ERROR,
            cause.reason,
            cause.remedy,
        )
    assert "clock" in str(judge_ours(asked(Alerted("certificate expired")), GOOD, cause).reason)


@pytest.mark.parametrize("outcome", [Alerted("bad certificate"), Closed()])
def test_known_fault_of_our_certificate_is_the_cause(outcome: Outcome) -> None:
    """An old daemon has one alert for all, and a reset has none."""
    judged = judge_ours(asked(outcome), EXPIRED)
    assert (judged.reason, judged.remedy) == ("it expired", "renew it")


def test_worst_result_decides_the_exit_status() -> None:
    """Critical, then unreachable, then error; unknown is not success."""
    results = [Check.NAME.found(result, "summary") for result in Result]
    found = [worst(tuple(results[: number + 1])).exit_status for number in range(len(results))]
    assert found == [0, 1, 3, 3, 65, 69, 76]
    assert worst((results[0], Check.NAME.skipped("summary"))) is Result.UNKNOWN


@pytest.mark.parametrize(("start", "length"), [("<!DOCTYPE HTML>", 40), ("an error", 160)])
def test_foreign_answer_is_shown_only_in_part(start: str, length: int) -> None:
    """A page in HTML has no words at its start."""
    body = start + "x" * 200
    assert judge_plaintext(http(200, body)).summary.endswith(f": 200 Reason: {body[:length]}")
