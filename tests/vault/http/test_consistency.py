"""Reading our own writes: Vault's index is sent along, and a forbidden header is dropped."""

from __future__ import annotations

import base64
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from dockertls_vault.errors import TryAgain
from dockertls_vault.vault.http.consistency import OwnWrites
from dockertls_vault.vault.token_info import lookup
from tests.harness.dialect import community, enterprise
from tests.harness.dialect.exchange import Answer, refusal
from tests.harness.dialect.headers import state_the_index
from tests.harness.dialect.proxy import speaking
from tests.vault.operator import Operator, session

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.harness.dialect.exchange import Forward, Request, Rule
    from tests.harness.openbao import DevVault

WRITTEN = "sys/policies/acl/own-writes"
POLICY = {"policy": 'path "x" { capabilities = ["read"] }'}
INDEX = base64.b64encode(b"v1:cluster:1:0:hmac").decode()


@contextmanager
def recorded(rules: Sequence[Rule], address: str) -> Iterator[tuple[str, list[Request]]]:
    """Serve by ``rules``; yield the address and the requests that arrive.

    The wrapping lookup (wrapping.py) that precedes them is left out.
    """
    seen: list[Request] = []

    def record(request: Request, forward: Forward) -> Answer:
        if request.path != "sys/wrapping/lookup":
            seen.append(request)
        return forward(request)

    with speaking([record, *rules], address) as proxy:
        yield proxy, seen


def sent(request: Request) -> tuple[str, bool, bool]:
    """Return the path, whether the index was sent, and whether forwarding was requested."""
    headers = request.headers
    return request.path, "X-Vault-Index" in headers, "X-Vault-Inconsistent" in headers


def test_forbidden_header_is_dropped_after_one_refusal(openbao: DevVault) -> None:
    """From then on only the index is sent."""
    with (
        recorded(enterprise(), openbao.address) as (address, seen),
        session(address, VAULT_TOKEN=openbao.token) as opened,
    ):
        opened.client.adapter.post(f"/v1/{WRITTEN}", json=POLICY)
        opened.client.adapter.get(f"/v1/{WRITTEN}")
        opened.client.adapter.get(f"/v1/{WRITTEN}")
    assert [sent(request) for request in seen] == [
        (WRITTEN, False, False),
        (WRITTEN, True, True),
        (WRITTEN, True, False),
        (WRITTEN, True, False),
    ]
    assert {request.headers.get("X-Vault-Index") for request in seen[1:]} == {INDEX}


def test_no_forwarding_is_requested_after_a_login(openbao: DevVault) -> None:
    """The index is enough for a token: it works, and is revoked."""
    operator = Operator.of(openbao)
    mount = operator.enable_auth("userpass")
    user = {"password": "s3cret", "token_policies": "default", "token_ttl": "5m"}
    operator.write(f"auth/{mount}/users/alice", user)
    variables = {
        "DOCKERTLS_AUTH": "userpass",
        "DOCKERTLS_AUTH_MOUNT": mount,
        "DOCKERTLS_AUTH_USER": "alice",
    }
    with recorded(enterprise(), openbao.address) as (address, seen):
        with session(address, None, lambda _: "s3cret", **variables) as opened:
            assert lookup(opened).policies == ("default",)
        (login,) = opened.identity.logins
    assert not operator.is_alive(login.token)
    assert [sent(request) for request in seen] == [
        (f"auth/{mount}/login/alice", False, False),
        ("auth/token/lookup-self", True, False),
        ("auth/token/revoke-self", True, False),
    ]


@pytest.mark.parametrize(
    ("status", "words"), [(412, ("required index state not present",)), (429, ())]
)
def test_standby_that_is_behind_is_retried(
    openbao: DevVault, status: int, words: tuple[str, ...]
) -> None:
    """Vault answers 412; OpenBao an empty 429 with "Retry-After: 1", which is ignored."""
    lags = iter([True, True, False])

    def lag(request: Request, forward: Forward) -> Answer:
        if "X-Vault-Index" in request.headers and next(lags):
            return replace(refusal(status, *words), headers={"Retry-After": "1"})
        return forward(request)

    with (
        recorded([lag, state_the_index], openbao.address) as (address, seen),
        session(address, VAULT_TOKEN=openbao.token) as opened,
    ):
        opened.client.adapter.post(f"/v1/{WRITTEN}", json=POLICY)
        assert lookup(opened).policies == ("root",)
    assert len(seen) == 4


@pytest.mark.parametrize(
    ("status", "words"),
    [(404, 'no handler for route "x". route entry not found.'), (400, "unknown role: server")],
)
def test_unreplicated_write_is_waited_for(openbao: DevVault, status: int, words: str) -> None:
    """A standby that ignores the index may not have our own write yet."""
    missing = iter([True, True, False])

    def lag(request: Request, forward: Forward) -> Answer:
        signing = request.path == "pki/sign/server"
        return refusal(status, words) if signing and next(missing) else forward(request)

    def sign(request: Request, forward: Forward) -> Answer:
        signing = request.path == "pki/sign/server"
        return Answer(200, {}, b'{"data": {}}') if signing else forward(request)

    with (
        recorded([lag, sign, *community()], openbao.address) as (address, seen),
        session(address, VAULT_TOKEN=openbao.token) as opened,
    ):
        opened.client.adapter.post(f"/v1/{WRITTEN}", json=POLICY)
        opened.client.adapter.post("/v1/pki/sign/server", json={"csr": "x"})
    assert len(seen) == 4


@pytest.mark.parametrize(
    ("method", "path", "forwarded"),
    [
        ("POST", "pki/roles/server", True),
        ("POST", "sys/mounts/pki", True),
        ("POST", "a/sign/b/roles/server", True),
        ("POST", "pki/sign/server", False),
        ("POST", "a/sign/b/sign/server", False),
        ("POST", "auth/approle/login", False),
        ("POST", "sys/capabilities-self", False),
    ],
)
def test_forwarding_is_requested_after_a_write(method: str, path: str, forwarded: bool) -> None:
    """This is limited to paths that are read again."""
    writes = OwnWrites()
    assert writes.headers() == {}
    writes.note(method, path, {"X-Vault-Index": INDEX})
    assert ("X-Vault-Inconsistent" in writes.headers()) is forwarded
    assert writes.headers()["X-Vault-Index"] == INDEX
    assert writes.may_be_missing() is forwarded


@pytest.mark.parametrize(("seconds", "missing"), [(0.0, True), (4.9, True), (5.1, False)])
def test_missing_write_is_retried_for_five_seconds(
    monkeypatch: pytest.MonkeyPatch, seconds: float, missing: bool
) -> None:
    """A standby that is further behind will not catch up."""
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    writes = OwnWrites()
    writes.note("POST", "pki/roles/server", {})
    now += seconds
    assert writes.may_be_missing() is missing


def test_read_returns_no_index() -> None:
    """So a later request has none to send."""
    writes = OwnWrites()
    writes.note("GET", "pki/roles/server", {"X-Vault-Index": INDEX})
    assert (writes.headers(), writes.may_be_missing()) == ({}, False)


def test_standby_that_never_catches_up_is_an_error(openbao: DevVault) -> None:
    """Exit status 75, and the message says what is missing."""

    def lag(request: Request, forward: Forward) -> Answer:
        return refusal(429) if "X-Vault-Index" in request.headers else forward(request)

    variables = {"VAULT_TOKEN": openbao.token, "DOCKERTLS_TIMEOUT": "1s"}
    with (
        recorded([lag, state_the_index], openbao.address) as (address, _),
        session(address, **variables) as opened,
    ):
        opened.client.adapter.post(f"/v1/{WRITTEN}", json=POLICY)
        with pytest.raises(TryAgain, match="has not yet replicated the last write"):
            lookup(opened)
