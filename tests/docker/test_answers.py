"""The table of what a daemon answers and what it means."""

from __future__ import annotations

import pytest

from dockertls_vault.docker.answers import (
    are_of_another,
    judge_foreign,
    judge_no_certificate,
    judge_ours,
    judge_plaintext,
)
from dockertls_vault.docker.outcome import (
    Alerted,
    Answered,
    Closed,
    Engine,
    NotHTTP,
    NotTLS,
    Outcome,
    Silent,
    Version,
)
from dockertls_vault.docker.report import Severity, Step, worst
from dockertls_vault.docker.trust import Cause

VERSION = Answered(
    200, "OK", "{}", engine=Engine.DOCKER, version=Version(Engine.DOCKER, "28.5.1", "1.51", "", "")
)
PLUGIN = Answered(
    403, "Forbidden", "authorization denied by plugin opa: no", engine=Engine.DOCKER, version=None
)
DOCKER_ERROR = Answered(500, "Oops", "{}", engine=Engine.DOCKER, version=None)
GOOD = Step("credential", Severity.OK, "read", "good")
EXPIRED = Step("credential", Severity.ERROR, "read", "it expired", todo="renew it")


def http(status: int, body: str = "") -> Answered:
    """Return an HTTP answer of something that is not Docker."""
    return Answered(status, "Reason", body, engine=None, version=None)


@pytest.mark.parametrize(
    ("outcome", "severity"),
    [
        (VERSION, Severity.CRITICAL),
        (PLUGIN, Severity.CRITICAL),
        (DOCKER_ERROR, Severity.CRITICAL),
        (http(400, "Client sent an HTTP request to an HTTPS server."), Severity.OK),
        (http(404), Severity.ERROR),
        (http(200), Severity.ERROR),
        (NotHTTP(b"\x15\x03\x01\x00\x02\x02\x46"), Severity.OK),
        (NotHTTP(b"SSH-2.0"), Severity.OK),
        (Closed(), Severity.OK),
        (Silent(), Severity.OK),
    ],
)
def test_plaintext(outcome: Outcome, severity: Severity) -> None:
    """Docker in plaintext is critical whatever it says, and anything but an answer is a refusal."""
    assert judge_plaintext(outcome).severity is severity


@pytest.mark.parametrize(
    ("outcome", "severity"),
    [
        (VERSION, Severity.CRITICAL),
        (PLUGIN, Severity.CRITICAL),
        (DOCKER_ERROR, Severity.CRITICAL),
        (http(400, "No required SSL certificate was sent"), Severity.OK),
        (http(401), Severity.OK),
        (http(403), Severity.OK),
        (http(200), Severity.ERROR),
        (http(404), Severity.ERROR),
        (Alerted("certificate required"), Severity.OK),
        (Alerted("bad certificate"), Severity.OK),
        (Alerted("protocol version"), Severity.ERROR),
        (NotTLS("wrong version number"), Severity.ERROR),
        (NotHTTP(b"* OK IMAP4"), Severity.ERROR),
        (Silent(), Severity.UNREACHABLE),
    ],
)
def test_a_stranger(outcome: Outcome, severity: Severity) -> None:
    """Getting past TLS is critical, also where a plugin then says no."""
    for asks in (True, False, None):
        assert judge_no_certificate(outcome, asks=asks).severity is severity


@pytest.mark.parametrize(
    ("asks", "severity"),
    [(True, Severity.OK), (False, Severity.WARNING), (None, Severity.WARNING)],
)
def test_a_stranger_whose_connection_ends(asks: bool | None, severity: Severity) -> None:
    """It is a refusal of a server that asks for certificates, and else proves nothing."""
    for judge in (judge_no_certificate, judge_foreign):
        assert judge(Closed(), asks=asks).severity is severity


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (PLUGIN, "accepted by TLS, refused by an authorization plugin"),
        (DOCKER_ERROR, "no version came"),
        (http(200, "<h1>hello</h1>"), "not Docker that answers: 200 Reason: <h1>hello</h1>"),
        (Alerted("unknown ca"), "unknown certificate authority"),
        (Alerted("unknown ca"), "made anew"),
        (Alerted("bad certificate"), "tlscacert"),
        (Alerted("certificate required"), "no certificate of a CA that it knows"),
        (Alerted("certificate expired"), "by the daemon's clock"),
        (Alerted("access denied"), "does not accept our certificate"),
        (Alerted("protocol version"), "TLS 1.2"),
        (http(400, "The SSL certificate error"), "a proxy before Docker does not accept"),
        (Closed(), "a reset can mask the reason"),
        (http(503, "no server is available"), "nobody behind it: 503 Reason: no server"),
        (NotTLS("wrong version number"), "no TLS handshake: wrong version number"),
        (NotHTTP(b"* OK IMAP4"), "not HTTP"),
    ],
)
def test_we_are_not_let_in(outcome: Outcome, words: str) -> None:
    """Each refusal has its cause."""
    step = judge_ours(outcome, GOOD)
    assert step.severity is Severity.ERROR
    assert words in f"{step.happened} {step.why} {step.todo}"
    assert step.why or step.todo


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
def test_who_spoke(outcomes: list[Outcome], another: bool) -> None:
    """One answer of Docker's is enough; who only refuses may be Docker, or a proxy before it."""
    assert are_of_another(outcomes) is another


@pytest.mark.parametrize("alert", ["certificate required", "unknown ca", "bad certificate", None])
def test_the_daemons_cas_explain_a_refusal(alert: str | None) -> None:
    """Also where a reset masks the alert, or a proxy answers in HTTP."""
    cause = Cause("it lets in others", "restart it")
    for outcome in (Alerted(alert) if alert else Closed(), http(400, "The SSL certificate error")):
        step = judge_ours(outcome, GOOD, cause)
        assert (step.severity, step.why, step.todo) == (Severity.ERROR, cause.why, cause.todo)
    assert "clock" in judge_ours(Alerted("certificate expired"), GOOD, cause).why


@pytest.mark.parametrize("outcome", [Alerted("bad certificate"), Closed()])
def test_what_is_wrong_with_our_certificate_is_the_cause(outcome: Outcome) -> None:
    """An old daemon has one alert for all, and a reset has none: but we know."""
    step = judge_ours(outcome, EXPIRED)
    assert (step.why, step.todo) == ("it expired", "renew it")


def test_the_worst_counts() -> None:
    """Critical is worse than unreachable, that than an error; what was skipped is nothing."""
    steps = [Step("s", severity, "tried", "happened") for severity in Severity]
    found = [worst(tuple(steps[: number + 1])).exit_status for number in range(len(steps))]
    assert found == [0, 0, 1, 65, 69, 76]
