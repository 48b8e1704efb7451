"""Fields of the wrong type in Vault's answers are errors, never used and never a traceback."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from dockertls_vault.errors import DockerTLSError, NotVault, VaultUnreachable
from dockertls_vault.vault.answers import fields
from dockertls_vault.vault.token_info import capabilities, lookup
from tests.vault.misbehaving import Node, misbehaving, says_json
from tests.vault.operator import session

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

APPROLE = {"DOCKERTLS_ROLE_ID": "r", "DOCKERTLS_SECRET_ID": "s"}
SECRET = "hvs.of-the-login"
BEYOND = 10**30


@pytest.mark.parametrize(
    "token", [f"{SECRET}\r\nX-Evil: 1", f"{SECRET} x", f"{SECRET}\ud800", None, 5, {}, ["x"], ""]
)
def test_login_without_a_valid_token_is_an_error(token: object) -> None:
    """The value is neither sent nor shown."""
    with (
        misbehaving(says_json({"auth": {"client_token": token}})) as node,
        session(node.address, **APPROLE) as opened,
    ):
        with pytest.raises(NotVault, match="login like Vault: no token") as caught:
            lookup(opened)
        assert node.paths == ["/v1/auth/approle/login"]
    assert SECRET not in f"{caught.value} {caught.value.hint}"
    assert "then an unknown token stays valid" in caught.value.hint


@pytest.mark.parametrize("ttl", [BEYOND, "30s", -1, 1.5, [1], True])
def test_login_with_an_invalid_lease_duration_is_an_error(ttl: object) -> None:
    """No Vault could have such a duration."""
    answer = {"auth": {"client_token": "t", "lease_duration": ttl, "token_type": "batch"}}
    with (
        misbehaving(says_json(answer)) as node,
        session(node.address, **APPROLE) as opened,
        pytest.raises(NotVault, match="'lease_duration'"),
    ):
        lookup(opened)


@pytest.mark.parametrize("secret", [None, 5, {}, ["x"]])
def test_wrapped_secret_id_that_is_not_text_is_an_error(secret: object) -> None:
    """There is no attempt to log in with it."""
    data = {"creation_path": "auth/approle/role/ci/secret-id", "secret_id": secret}
    variables = {"DOCKERTLS_ROLE_ID": "r", "DOCKERTLS_WRAPPED_SECRET_ID": "w"}
    with misbehaving(says_json({"data": data})) as node:
        with (
            session(node.address, **variables) as opened,
            pytest.raises(NotVault, match="'secret_id'"),
        ):
            lookup(opened)
        assert not any(path.endswith("/login") for path in node.paths)


@pytest.mark.parametrize(
    "data",
    [
        {"ttl": BEYOND},
        {"ttl": "soon"},
        {"num_uses": {}},
        {"policies": 5},
        {"policies": [None]},
        {"identity_policies": ["\ud800"]},
        [],
    ],
)
def test_token_lookup_with_a_wrong_type_is_an_error(data: Any) -> None:
    """This applies to every field of the token's data."""
    with (
        misbehaving(_after_the_wrapping({"data": data})) as node,
        session(node.address, VAULT_TOKEN="t") as opened,
        pytest.raises(NotVault),
    ):
        lookup(opened)


def test_capabilities_that_are_not_a_list_are_an_error() -> None:
    """Nothing is concluded from them."""
    with (
        misbehaving(_after_the_wrapping({"data": {"x": 5}})) as node,
        session(node.address, VAULT_TOKEN="t") as opened,
        pytest.raises(NotVault),
    ):
        capabilities(opened, ["x"])


def test_null_and_missing_fields_are_empty() -> None:
    """Go writes null for an empty list, and omits zero values."""
    found = {"ttl": 60, "keys": ["a"], "none": None, "name": "x"}
    assert fields.seconds(found, "ttl") == timedelta(minutes=1)
    assert fields.seconds(found, "none") == timedelta(0)
    assert (fields.texts(found, "keys"), fields.texts(found, "none")) == (("a",), ())
    assert (fields.text(found, "name"), fields.number(found, "absent")) == ("x", 0)


@pytest.mark.parametrize("length", ["f" * 23, "zz"])
def test_invalid_chunk_length_is_a_broken_connection(length: str) -> None:
    """HTTP that Python cannot parse is handled like any other connection failure."""

    def answer(_node: Node, connection: socket.socket) -> None:
        head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(f"{head}{length}\r\n{{}}\r\n".encode())

    with (
        misbehaving(answer) as node,
        session(node.address, VAULT_TOKEN="t", VAULT_MAX_RETRIES="0") as opened,
        pytest.raises(DockerTLSError) as caught,
    ):
        lookup(opened)
    assert isinstance(caught.value, VaultUnreachable)


def _after_the_wrapping(body: object) -> Callable[[Node, socket.socket], None]:
    """Answer with ``body``, except to the lookup whether the token wraps a secret."""
    other, none = says_json(body), says_json({"data": {}})

    def answer(node: Node, connection: socket.socket) -> None:
        (none if node.paths[-1] == "/v1/sys/wrapping/lookup" else other)(node, connection)

    return answer


@pytest.mark.parametrize("example", [["a.example"], "2160h", True, 7])
@pytest.mark.parametrize("found", [{"field": None}, {}])
def test_empty_role_field_equals_the_empty_value_of_its_type(
    example: object, found: dict[str, Any]
) -> None:
    """Go writes null for an empty field, or omits it."""
    assert fields.like(found, {"field": example}) == found
