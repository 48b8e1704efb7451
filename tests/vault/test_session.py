"""A token's lifetime: obtained, rejected, replaced by a new login and revoked, on each server."""

from __future__ import annotations

import itertools
import json
import threading
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from dockertls_vault import stop
from dockertls_vault.errors import (
    DockerTLSError,
    LoginDenied,
    NoToken,
    NotVault,
    PermissionDenied,
    TokenRejected,
    UnknownRole,
    VaultUnreachable,
)
from dockertls_vault.vault.session import Session, open_session
from dockertls_vault.vault.token_info import capabilities, lookup
from tests.certificates import Authority, write_credential
from tests.harness.dialect.proxy import speaking
from tests.vault.waits import Waits

from .misbehaving import Node, Relay, misbehaving, relaying, response, says
from .operator import LIMIT, Operator, session, settings

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from pathlib import Path

    from tests.harness.dialect.exchange import Answer, Forward, Request
    from tests.harness.openbao import DevVault


@pytest.fixture
def operator(vault_server: DevVault) -> Operator:
    """Return the operator of each of the three servers in turn."""
    return Operator.of(vault_server)


def approle(operator: Operator, **role: object) -> dict[str, str]:
    """Create an AppRole role; return the variables that log in with it."""
    mount = operator.enable_auth("approle")
    operator.write(f"auth/{mount}/role/ci", {"token_policies": "default", **role})
    secret = operator.write(f"auth/{mount}/role/ci/secret-id")["data"]["secret_id"]
    return {
        "DOCKERTLS_AUTH_MOUNT": mount,
        "DOCKERTLS_ROLE_ID": operator.read(f"auth/{mount}/role/ci/role-id")["role_id"],
        "DOCKERTLS_SECRET_ID": secret,
    }


def wait_until_expired(operator: Operator, token: str) -> None:
    """Wait until a token expires."""
    deadline = time.monotonic() + LIMIT
    while operator.is_alive(token):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def fail_without_vault(opened: Session, relay: Relay) -> None:
    """Log in, lose the connection to Vault, and fail for another reason."""
    with opened:
        lookup(opened)
        relay.stop()
        raise UnknownRole("the failure itself")


def be_interrupted(opened: Session, operator: Operator) -> None:
    """Log in, then be interrupted by the user."""
    with opened:
        lookup(opened)
        assert operator.is_alive(opened.identity.token())
        raise KeyboardInterrupt


def test_login_token_is_revoked_after_a_failure(operator: Operator) -> None:
    """However the command ends, including by a signal (raised by cli/signals.py)."""
    opened = session(operator.address, **approle(operator))
    with pytest.raises(KeyboardInterrupt):
        be_interrupted(opened, operator)
    (login,) = opened.identity.logins
    assert not operator.is_alive(login.token)


def test_session_without_requests_does_not_log_in(operator: Operator) -> None:
    """There is no login just to revoke its token."""
    with session(operator.address, **approle(operator)) as opened:
        pass
    assert opened.identity.logins == []


def test_given_token_is_never_revoked(operator: Operator) -> None:
    """It belongs to the user."""
    token = operator.create_token(policies=["default"], ttl="5m")
    with session(operator.address, VAULT_TOKEN=token) as opened:
        assert lookup(opened).path == "auth/token/create"
    assert operator.is_alive(token)


def test_batch_token_is_not_revoked(operator: Operator, caplog: pytest.LogCaptureFixture) -> None:
    """It cannot be revoked, so there is no warning."""
    with session(operator.address, **approle(operator, token_type="batch")) as opened:
        assert lookup(opened).type == "batch"
    assert opened.identity.logins[0].batch
    assert caplog.messages == []


def test_failed_revocation_is_a_warning(
    operator: Operator, caplog: pytest.LogCaptureFixture
) -> None:
    """It does not hide the error that ended the command."""
    with relaying(operator.address) as relay:
        variables = approle(operator)
        opened = open_session(settings(relay.address, **variables))
        with pytest.raises(UnknownRole, match="the failure itself"):
            fail_without_vault(opened, relay)
    (login,) = opened.identity.logins
    said = caplog.messages
    assert "could not revoke the token from our login" in said[-1]
    assert f"`bao token revoke -accessor {login.accessor}`" in said[-1]
    assert login.token not in said[-1]
    assert "refused the connection" in said[-1]


@pytest.mark.parametrize(
    ("role", "tokens"),
    [({"token_bound_cidrs": "192.0.2.0/24"}, 2), ({"token_policies": "no-revocation"}, 1)],
)
def test_each_token_that_cannot_revoke_itself_is_a_warning(
    openbao: DevVault, role: dict[str, object], tokens: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Bound to another address, which leads to a second login, or denied by policy.

    OpenBao gives the same answer for a token bound to another address as for an expired one.
    """
    operator = Operator.of(openbao)
    deny = 'path "auth/token/revoke-self" { capabilities = ["deny"] }'
    operator.write("sys/policies/acl/no-revocation", {"policy": deny})
    opened = open_session(settings(operator.address, **approle(operator, **role)))
    with suppress(TokenRejected), opened:
        lookup(opened)
    assert len(caplog.messages) == len(opened.identity.logins) == tokens
    for login, words in zip(opened.identity.logins, caplog.messages, strict=True):
        assert f"-accessor {login.accessor}`" in words
        operator.write("auth/token/revoke-accessor", {"accessor": login.accessor})


_DURATIONS: tuple[object, ...] = ("abc", -1, 1.5, [], {"a": 1}, True, 2**70)
_TEXTS: tuple[object, ...] = (5, True, {"a": 1}, "\ud800")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *itertools.product(["lease_duration", "num_uses"], _DURATIONS),
        *itertools.product(["accessor", "token_type"], _TEXTS),
    ],
)
def test_token_of_a_malformed_login_answer_is_revoked(
    openbao: DevVault, field: str, value: object
) -> None:
    """Before the error about the other fields is raised."""
    operator = Operator.of(openbao)

    def rule(request: Request, forward: Forward) -> Answer:
        answer = forward(request)
        if not request.path.endswith("/login"):
            return answer
        tokens.append(answer.json["auth"]["client_token"])
        body = {**answer.json, "auth": {**answer.json["auth"], field: value}}
        return replace(answer, body=json.dumps(body).encode())

    tokens: list[str] = []
    with speaking([rule], operator.address) as address:
        opened = session(address, **approle(operator))
        with suppress(NotVault), opened:
            lookup(opened)
    (token,) = tokens
    assert not operator.is_alive(token)


def test_revocation_has_its_own_time_limit(
    openbao: DevVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow server can still revoke when the budget is used up."""
    operator = Operator.of(openbao)
    over = threading.Event()
    lookups = itertools.count()
    monkeypatch.setattr(stop, "wait", lambda _seconds: None)
    monkeypatch.setattr("dockertls_vault.vault.session._REVOKING", LIMIT)

    def rule(request: Request, forward: Forward) -> Answer:
        if request.path == "auth/token/lookup-self" and next(lookups):
            over.wait(LIMIT)
        if request.path == "auth/token/revoke-self":
            time.sleep(1.0)
        return forward(request)

    with speaking([rule], operator.address) as address:
        variables = approle(operator) | {"DOCKERTLS_TIMEOUT": f"{LIMIT:.0f}s"}
        with session(address, Waits(), **variables) as opened:
            lookup(opened)
            while opened.wait(0.5, "waiting for Vault: nobody waits"):
                pass
            with pytest.raises(VaultUnreachable, match="timed out"):
                lookup(opened)
        over.set()
    (login,) = opened.identity.logins
    assert not operator.is_alive(login.token)


def test_expired_token_is_replaced_by_a_new_login(
    operator: Operator, caplog: pytest.LogCaptureFixture
) -> None:
    """Between login and signing; the second token is revoked, and no expired one is a warning."""
    variables = approle(operator, token_ttl="1s", token_max_ttl="1s")
    with session(operator.address, **variables) as opened:
        lookup(opened)
        first = opened.identity.token()
        wait_until_expired(operator, first)
        lookup(opened)
        second = opened.identity.token()
    assert first != second
    assert not operator.is_alive(second)
    assert caplog.messages == []


def test_token_out_of_uses_is_replaced_by_a_new_login(
    operator: Operator, caplog: pytest.LogCaptureFixture
) -> None:
    """There is no warning that a used-up token could not be revoked."""
    with session(operator.address, **approle(operator, token_num_uses=1)) as opened:
        lookup(opened)
        lookup(opened)
    assert len(opened.identity.logins) == 2
    assert caplog.messages == []


def test_second_login_that_is_refused_reports_both_failures(operator: Operator) -> None:
    """The secret_id was valid for one login only."""
    variables = approle(operator, token_num_uses=1, secret_id_num_uses=1)
    with session(operator.address, **variables) as opened:
        lookup(opened)
        with pytest.raises(LoginDenied, match="no longer valid, and then Vault denied"):
            lookup(opened)


def test_sink_of_vault_agent_is_read_again(operator: Operator, tmp_path: Path) -> None:
    """When Vault rejects a token, the agent may have written a new one."""
    sink = tmp_path / "sink"
    first = operator.create_token(policies=["default"], ttl="5m")
    sink.write_text(first)
    with session(operator.address, DOCKERTLS_TOKEN_FILE=str(sink)) as opened:
        lookup(opened)
        operator.write("auth/token/revoke", {"token": first})
        with pytest.raises(TokenRejected):
            lookup(opened)
        second = operator.create_token(policies=["default"], ttl="5m")
        sink.write_text(second)
        lookup(opened)
    assert operator.is_alive(second)


class TestSourceOfARejectedToken:
    """Vault only says "permission denied"; our error names the source of the token."""

    STALE = "of-somebody-else"

    def refusal(self, operator: Operator, **variables: str) -> TokenRejected:
        """Expect the token to be rejected; return the error."""
        with (
            session(operator.address, Waits(), **variables) as opened,
            pytest.raises(TokenRejected) as caught,
        ):
            lookup(opened)
        assert self.STALE not in f"{caught.value} {caught.value.hint}"
        return caught.value

    @pytest.mark.parametrize("variable", ["VAULT_TOKEN", "BAO_TOKEN"])
    def test_environment_variable_is_named(self, operator: Operator, variable: str) -> None:
        """It is the first place where a token is looked for."""
        found = self.refusal(operator, **{variable: self.STALE})
        assert found.message.startswith(f"Vault rejected the token from {variable}: ")
        assert f"unset {variable}, or log in again" in found.hint

    @pytest.mark.parametrize(
        ("others", "instead"),
        [
            (
                {"DOCKERTLS_ROLE_ID": "r", "DOCKERTLS_SECRET_ID": "s"},
                "with approle: DOCKERTLS_ROLE_ID is set",
            ),
            ({"VAULT_ID_TOKEN": "j"}, "with jwt: VAULT_ID_TOKEN is set"),
        ],
    )
    def test_variable_that_overrides_a_login_is_named(
        self, operator: Operator, others: dict[str, str], instead: str
    ) -> None:
        """A leftover VAULT_TOKEN takes precedence over the login that was meant."""
        found = self.refusal(operator, VAULT_TOKEN=self.STALE, **others)
        assert found.hint.endswith(f"unset VAULT_TOKEN to log in {instead}")

    def test_sink_is_named(self, operator: Operator, tmp_path: Path) -> None:
        """The agent that writes it may have stopped."""
        (tmp_path / "sink").write_text(self.STALE)
        found = self.refusal(operator, DOCKERTLS_TOKEN_FILE=str(tmp_path / "sink"))
        assert f"the token from {tmp_path / 'sink'}: " in found.message
        assert "agent" in found.hint

    def test_token_file_of_vault_login_is_named(self, operator: Operator, tmp_path: Path) -> None:
        """It may be from a login days ago."""
        (tmp_path / ".vault-token").write_text(self.STALE)
        found = self.refusal(operator, HOME=str(tmp_path))
        assert f"the token from {tmp_path / '.vault-token'}: " in found.message
        assert "`vault login`" in found.hint

    def test_login_bound_to_another_address_names_token_bound_cidrs(
        self, operator: Operator
    ) -> None:
        """Each new token of that role would be rejected, too."""
        variables = approle(operator, token_bound_cidrs="192.0.2.0/24")
        found = self.refusal(operator, **variables)
        assert "the token from our login (logged in with approle at " in found.message
        assert "token_bound_cidrs" in found.hint

    def test_token_at_its_last_use_has_its_own_hint(self, operator: Operator) -> None:
        """Wherever the token was found, num_uses is the cause."""
        token = operator.create_token(policies=["default"], ttl="5m", num_uses=1)
        with (
            session(operator.address, VAULT_TOKEN=token) as opened,
            pytest.raises(
                TokenRejected, match="the token from VAULT_TOKEN: this was its"
            ) as caught,
        ):
            capabilities(opened, ["x"])
        assert "num_uses" in caught.value.hint


def test_missing_token_is_reported_before_anything_is_sent() -> None:
    """Even requests that need no token are not sent."""
    with pytest.raises(NoToken), session("http://127.0.0.1:1"):
        pytest.fail("the session began without a token")


def test_missing_capability_gives_the_line_for_the_policy(operator: Operator) -> None:
    """The message names the path and the capability."""
    token = operator.create_token(policies=["default"], ttl="5m")
    with (
        session(operator.address, VAULT_TOKEN=token) as opened,
        pytest.raises(PermissionDenied) as caught,
    ):
        opened.client.adapter.post("/v1/team/pki/sign/server", json={"csr": "x"})
    assert "'update' on 'team/pki/sign/server'" in caught.value.message
    line = 'path "team/pki/sign/server" { capabilities = ["update"] }'
    assert line in caught.value.hint


@pytest.mark.parametrize("answer", [Node.hangs, Node.answers_html])
def test_one_use_secret_id_is_not_sent_to_a_bad_node(
    operator: Operator, answer: Callable[[Node, socket.socket], None]
) -> None:
    """A node that hangs or is not Vault is skipped; the only attempt goes to the second one."""
    variables = approle(operator, secret_id_num_uses=1)
    with misbehaving(answer) as node:
        variables |= {"VAULT_CLIENT_TIMEOUT": "1s"}
        with session(f"{node.address},{operator.address}", **variables) as opened:
            assert lookup(opened).policies == ("default",)
    assert node.paths == ["/v1/sys/leader"]


def test_one_use_login_goes_to_a_node_that_refuses_the_probe(operator: Operator) -> None:
    """A node that answers 403 is reachable."""

    def answer(node: Node, connection: socket.socket) -> None:
        if node.paths[-1] == "/v1/sys/leader":
            connection.sendall(response({"errors": ["not for you"]}, "403 Forbidden"))
        else:
            connection.sendall(response({"auth": {"client_token": "t", "token_type": "batch"}}))

    variables = approle(operator, secret_id_num_uses=1)
    with misbehaving(answer) as node:
        addresses = f"{node.address},{operator.address}"
        with session(addresses, **variables) as opened:
            assert opened.identity.token() == "t"
    assert node.paths == ["/v1/sys/leader", f"/v1/auth/{variables['DOCKERTLS_AUTH_MOUNT']}/login"]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Node.closes_mid_body, "closed the connection unexpectedly"),
        (Node.answers_html, "like Vault"),
        (says("leadership lost while committing log", status="500 Oops"), "leadership lost"),
        (says("context canceled", status="500 Oops"), "context canceled"),
        (says("bad gateway", status="502 Bad Gateway"), "bad gateway"),
        (says("internal error", status="500 Oops"), "internal error"),
    ],
)
@pytest.mark.parametrize("method", ["approle", "jwt", "kubernetes", "cert", "userpass", "ldap"])
def test_login_that_may_have_succeeded_is_not_repeated(
    tmp_path: Path, method: str, answer: Callable[[Node, socket.socket], None], words: str
) -> None:
    """The hint says that a token may exist and that a secret_id may be spent."""
    (tmp_path / "jwt").write_text("a.b.c")
    variables = {
        "DOCKERTLS_AUTH": method,
        "DOCKERTLS_AUTH_ROLE": "ci",
        "DOCKERTLS_AUTH_USER": "alice",
        "DOCKERTLS_ROLE_ID": "r",
        "DOCKERTLS_SECRET_ID": "s",
        "DOCKERTLS_KUBERNETES_TOKEN_FILE": str(tmp_path / "jwt"),
        "DOCKERTLS_JWT_FILE": str(tmp_path / "jwt"),
    }
    if method == "cert":
        authority = Authority.create()
        write_credential(tmp_path, authority.pem, authority.client())
        variables["VAULT_CLIENT_CERT"] = str(tmp_path / "cert.pem")
        variables["VAULT_CLIENT_KEY"] = str(tmp_path / "key.pem")
    with (
        misbehaving(answer) as node,
        session(node.address, None, lambda _: "p", **variables) as opened,
        pytest.raises(DockerTLSError, match=words) as caught,
    ):
        lookup(opened)
    assert len(node.paths) == 1
    assert f"stays valid for the {method} role's token_ttl" in caught.value.hint
    assert ("secret_id may be spent" in caught.value.hint) is (method == "approle")


def test_login_that_was_never_sent_has_no_hint_about_a_token() -> None:
    """The connection was refused."""
    with (
        session("http://127.0.0.1:1", DOCKERTLS_JWT="a.b.c") as opened,
        pytest.raises(VaultUnreachable) as caught,
    ):
        lookup(opened)
    assert "token" not in caught.value.hint
