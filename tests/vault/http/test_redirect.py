"""Redirects are followed as Vault's command line does: to exactly what Location says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dockertls_vault.errors import DockerTLSError, VaultError
from dockertls_vault.settings.address import Address, Target
from dockertls_vault.vault.answers.answer import Answer
from dockertls_vault.vault.http import redirect
from dockertls_vault.vault.token_info import lookup
from tests.vault.misbehaving import Node, misbehaving, redirects_to, response
from tests.vault.operator import ask_as_nobody, session

if TYPE_CHECKING:
    import socket

    from tests.harness.openbao import DevVault

VAULT = Address.parse("https://proxy:8200/vault")
ASKED = Target.parse("https://proxy:8200/vault/v1/pki/sign/server")


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("https://leader:8200/v1/pki/sign/server", "https://leader:8200/v1/pki/sign/server"),
        ("https://leader/other/v1/pki/sign/server", "https://leader/other/v1/pki/sign/server"),
        ("https://leader/v1/pki/issuers?list=true", "https://leader/v1/pki/issuers?list=true"),
        ("//leader:8200/v1/x", "https://leader:8200/v1/x"),
        ("/v1/pki/sign/server", "https://proxy:8200/v1/pki/sign/server"),
        ("client", "https://proxy:8200/vault/v1/pki/sign/client"),
    ],
)
def test_redirect_target_is_the_location(location: str, target: str) -> None:
    """A relative one is resolved against the URL that was requested."""
    answer = Answer(307, {"Location": location}, None, empty=True)
    assert str(redirect.target(VAULT, ASKED, answer, follow=True)) == target


@pytest.mark.parametrize(
    ("headers", "follow", "words"),
    [
        ({}, True, "invalid redirect"),
        ({"Location": "ldap://leader/"}, True, "invalid redirect"),
        ({"Location": "http:v1/x"}, True, "invalid redirect"),
        ({"Location": "https://[leader/v1/x"}, True, "invalid redirect"),
        ({"Location": "https://leader:99999/v1/x"}, True, "invalid redirect"),
        ({"Location": "https://leader:-1/v1/x"}, True, "invalid redirect"),
        ({"Location": "http://leader/v1/x"}, True, "from https to http://leader"),
        ({"Location": "HTTP://leader/v1/x"}, True, "from https to http://leader"),
        ({"Location": "http://["}, True, "invalid redirect"),
        ({"Location": f"https://{'a' * 64}/v1/x"}, True, "invalid redirect"),
        ({"Location": "https://a..b/v1/x"}, True, "invalid redirect"),
        ({"Location": "https://me:s3cret@leader/v1/x"}, True, "invalid redirect"),
        ({"Location": "unix:///run/vault.sock/v1/x"}, True, "invalid redirect"),
        ({"Location": "https://leader/v1/x"}, False, "VAULT_DISABLE_REDIRECTS is set"),
    ],
)
def test_unsafe_or_invalid_redirect_is_not_followed(
    headers: dict[str, str], follow: bool, words: str
) -> None:
    """Each has its own message and hint, with the configured address."""
    answer = Answer(307, headers, None, empty=True)
    with pytest.raises(VaultError, match=f"^https://proxy:8200/vault .*{words}") as caught:
        redirect.target(VAULT, ASKED, answer, follow=follow)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("location", "followed"),
    [
        ("http://leader/v1/x", False),
        ("http://127.0.0.1:8200/v1/x", True),
        ("https://leader/v1/x", True),
    ],
)
def test_redirect_from_a_unix_socket_to_plain_http_is_refused(
    location: str, followed: bool
) -> None:
    """A socket is private, so the token must not go over a network in the clear."""
    address = Address.parse("unix:///run/vault.sock")
    asked = Target(address, "/v1/x")
    answer = Answer(307, {"Location": location}, None, empty=True)
    if followed:
        assert str(redirect.target(address, asked, answer, follow=True)) == location
        return
    with pytest.raises(VaultError, match="redirects from unix to http://leader"):
        redirect.target(address, asked, answer, follow=True)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://leader:8200/v1/pki/sign/server?x=y", "https://leader:8200"),
        ("https://leader/other/v1/pki/sign/server", "https://leader/other"),
        ("https://leader/elsewhere", "https://leader"),
    ],
)
def test_address_of_a_redirect_target(url: str, address: str) -> None:
    """It has the form of VAULT_ADDR, with any prefix of Vault's own path."""
    assert str(redirect.base(Target.parse(url), "pki/sign/server")) == address


def test_redirect_may_drop_the_prefix_of_a_proxy(openbao: DevVault) -> None:
    """The standby is behind a proxy below /vault, its leader is not."""
    location = f"{openbao.address}/v1/auth/token/lookup-self"
    with misbehaving(redirects_to(location)) as standby:
        address = f"{standby.address}/vault"
        with session(address, VAULT_TOKEN=openbao.token) as opened:
            assert lookup(opened).policies == ("root",)
    assert standby.paths[-1] == "/vault/v1/auth/token/lookup-self"


def test_redirect_may_add_the_prefix_of_a_proxy() -> None:
    """The leader is behind a proxy, with the prefix in Location."""

    def leader(_node: Node, connection: socket.socket) -> None:
        connection.sendall(response({"data": {"display_name": "the leader's"}}))

    with misbehaving(leader) as node:
        location = f"{node.address}/other/v1/auth/token/lookup-self"
        with (
            misbehaving(redirects_to(location)) as standby,
            session(standby.address, VAULT_TOKEN="t") as opened,
        ):
            assert ask_as_nobody(opened) == {"display_name": "the leader's"}
    assert node.paths == ["/other/v1/auth/token/lookup-self"]


def test_relative_redirect_is_followed_on_the_same_server() -> None:
    """It is followed once."""

    def moved(node: Node, connection: socket.socket) -> None:
        if node.paths[-1] == "/here/v1/auth/token/lookup-self":
            connection.sendall(response({"data": {"display_name": "moved"}}))
        else:
            location = "Location: /here/v1/auth/token/lookup-self"
            connection.sendall(response(b"", "301 Moved Permanently", location))

    with misbehaving(moved) as node, session(node.address, VAULT_TOKEN="t") as opened:
        assert ask_as_nobody(opened) == {"display_name": "moved"}
    assert len(node.paths) == 2


def test_query_is_not_duplicated_by_a_redirect() -> None:
    """Location contains it already; a list request needs one."""

    def standby(node: Node, connection: socket.socket) -> None:
        if len(node.paths) == 1:
            location = f"Location: {node.address}{node.paths[-1]}"
            connection.sendall(response(b"", "307 Temporary Redirect", location))
        else:
            connection.sendall(response({"data": {"keys": ["one"]}}))

    with misbehaving(standby) as node, session(node.address, VAULT_TOKEN="t") as opened:
        opened.anonymous.list("/v1/pki/issuers", params={"after": "none"})
    asked, followed = node.paths
    assert sorted(asked.partition("?")[2].split("&")) == ["after=none", "list=true"]
    assert followed == asked


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("HTTP://Leader.invalid:8200/v1/x", ["http://leader.invalid:8200"]),
        ("https://leader.invalid/v1/x", []),
        ("http://localhost:1/v1/x", []),
    ],
)
def test_redirect_to_plain_http_is_a_warning(
    location: str, said: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Once, as for a configured address: the token is sent there in the clear."""
    variables = {"VAULT_TOKEN": "t", "VAULT_MAX_RETRIES": "1"}
    with (
        misbehaving(redirects_to(location)) as standby,
        session(standby.address, **variables) as opened,
        pytest.raises(DockerTLSError),
    ):
        ask_as_nobody(opened)
    assert [text for text in caplog.messages if "not encrypted" in text] == [
        f"the connection to {address} is not encrypted: the token is sent in the clear"
        for address in said
    ]
