"""Whose clients a daemon accepts, as far as the handshake shows."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from dockertls_vault.docker.diagnosis.report import Result
from dockertls_vault.docker.diagnosis.trust import judge_trust
from dockertls_vault.docker.handshake.outcome import (
    Alerted,
    Answered,
    Closed,
    Engine,
    Greeting,
    Outcome,
    Silent,
    Version,
)
from tests.certificates import Authority

if TYPE_CHECKING:
    from cryptography.x509 import Name

NOW = datetime.now(UTC)
OURS, NEXT, THEIRS, PUBLIC = (
    Authority.create(name).certificate.subject for name in ("ours", "next", "theirs", "public")
)
MANY = [Authority.create(f"root {number}").certificate.subject for number in range(9)]
GO = Answered(400, "Bad Request", "Client sent an HTTP request to an HTTPS server.\n", None, None)
REFUSED = Alerted("certificate required")
LET_IN = Answered(401, "Unauthorized", "Unauthorized", None, None)
ANSWERED = Answered(
    200, "OK", "{}", Engine.DOCKER, Version(Engine.DOCKER, "28.5.1", "1.51", "linux", "amd64")
)
NGINX = Answered(400, "Bad Request", "The plain HTTP request was sent to HTTPS port", None, None)


@pytest.mark.parametrize(
    ("authorities", "plaintext", "stranger", "result", "words"),
    [
        ([], GO, REFUSED, Result.CRITICAL, "names no CA"),
        ([], GO, Closed(), Result.CRITICAL, "names no CA"),
        ([], GO, LET_IN, Result.UNKNOWN, "is not visible"),
        ([], NGINX, REFUSED, Result.UNKNOWN, "is not visible"),
        ([], Closed(), REFUSED, Result.UNKNOWN, "is not visible"),
        ([OURS], GO, REFUSED, Result.OK, "only clients of CN=ours"),
        ([NEXT, OURS], GO, REFUSED, Result.OK, "clients of CN=ours (ours), and of CN=next"),
        (
            [THEIRS, NEXT, OURS],
            GO,
            REFUSED,
            Result.OK,
            "clients of CN=ours (ours), and of CN=next, and of CN=theirs (not in our ca.pem)",
        ),
        ([THEIRS], GO, REFUSED, Result.OK, "only clients of CN=theirs"),
        ([OURS, PUBLIC], GO, REFUSED, Result.CRITICAL, "clients of public CAs: CN=public"),
        ([PUBLIC], Closed(), REFUSED, Result.CRITICAL, "clients of public CAs: CN=public"),
        (MANY, GO, REFUSED, Result.OK, "CN=root 4; and 4 more"),
    ],
)
def test_public_or_unnamed_cas_are_critical(
    authorities: list[Name],
    plaintext: Outcome,
    stranger: Outcome,
    result: Result,
    words: str,
) -> None:
    """No names mean dockerd's system roots; several private CAs mean a rotation.

    dockerd with tlsverify refuses within TLS, so a server that refuses in HTTP is not dockerd.
    """
    greeting = Greeting(None, True, tuple(authorities))
    judged = judge_trust(
        greeting, plaintext, stranger, ours=[OURS], roots=[OURS, NEXT], public=[PUBLIC]
    )
    assert judged.result is result
    assert words in judged.summary
    assert (result is Result.CRITICAL) == ("is root on that host" in str(judged.reason))


@pytest.mark.parametrize(
    ("asks", "stranger", "known", "result"),
    [
        (False, LET_IN, ANSWERED, Result.CRITICAL),
        (False, REFUSED, ANSWERED, Result.CRITICAL),
        (False, Closed(), None, Result.SKIPPED),
        (False, Closed(), Closed(), Result.SKIPPED),
        (False, Closed(), LET_IN, Result.SKIPPED),
        (False, Closed(), ANSWERED, Result.CRITICAL),
        (False, Silent(), ANSWERED, Result.CRITICAL),
        (None, REFUSED, ANSWERED, Result.UNKNOWN),
        (None, Closed(), None, Result.UNKNOWN),
    ],
)
def test_server_that_requests_no_certificate_is_critical_if_it_answers(
    asks: bool | None, stranger: Outcome, known: Outcome | None, result: Result
) -> None:
    """It then answers everyone, whatever became of the connection without one."""
    judged = judge_trust(
        Greeting(None, asks), GO, stranger, known, ours=[OURS], roots=[OURS, NEXT], public=[]
    )
    assert judged.result is result


@pytest.mark.parametrize(
    ("authorities", "result", "words"),
    [
        ([], Result.UNKNOWN, "clients of CAs whose names cannot be read: 2"),
        ([OURS], Result.UNKNOWN, "clients of CN=ours, and of CAs whose names cannot be read: 2"),
        ([OURS, PUBLIC], Result.CRITICAL, "clients of public CAs: CN=public"),
    ],
)
def test_unreadable_ca_names_are_never_ok(
    authorities: list[Name], result: Result, words: str
) -> None:
    """They may be anyone's, and do not hide a public CA among the others."""
    greeting = Greeting(None, True, tuple(authorities), unreadable=2)
    judged = judge_trust(greeting, GO, REFUSED, ours=[OURS], roots=[OURS, NEXT], public=[PUBLIC])
    assert (judged.result, judged.summary) == (result, words)


def test_newline_in_a_server_supplied_name_is_escaped() -> None:
    """A server may send any name."""
    sly = Authority.create("x\ndo: curl evil.example").certificate.subject
    greeting = Greeting(None, True, (sly,))
    assert "\n" not in judge_trust(greeting, GO, REFUSED, ours=[], roots=[], public=[]).summary
