"""Whatever fails between this program and Vault is named, with a hint."""

from __future__ import annotations

import contextlib
import socket
import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, ProxyError

from dockertls_vault.errors import (
    DockerTLSError,
    InvalidSetting,
    NotVault,
    UnknownMount,
    VaultError,
    VaultUnreachable,
)
from dockertls_vault.settings import resolve
from dockertls_vault.settings.address import Address, Target
from dockertls_vault.vault.http import failures
from dockertls_vault.vault.http.pools import HandshakeError
from dockertls_vault.vault.http.transport import TooLongError, Transport
from dockertls_vault.vault.pki import PKI
from dockertls_vault.vault.session import open_session
from dockertls_vault.vault.token_info import lookup
from tests.certificates import SERVER_AUTH, Authority, write_credential
from tests.docker.servers import server_context
from tests.harness.dialect.exchange import Answer
from tests.harness.dialect.proxy import speaking
from tests.vault.misbehaving import Node, misbehaving, response, says
from tests.vault.operator import session
from tests.vault.waits import Waits

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.harness.dialect.exchange import Forward, Request
    from tests.harness.openbao import DevVault


def failure(address: str, **variables: str) -> DockerTLSError:
    """Return the error of a call, which must not be retried."""
    variables = {"VAULT_TOKEN": "t", "VAULT_MAX_RETRIES": "0", **variables}
    with (
        session(address, Waits(), **variables) as opened,
        pytest.raises(DockerTLSError) as caught,
    ):
        lookup(opened)
    return caught.value


@pytest.mark.parametrize(
    ("variables", "hint"), [({}, "set VAULT_ADDR"), ({"SUDO_USER": "alice"}, "use `sudo -E`")]
)
def test_default_address_is_named_as_the_default(variables: dict[str, str], hint: str) -> None:
    """The hint says what to set, or why the setting did not arrive."""
    settings = resolve.resolve({}, variables, [])
    error = NewConnectionError(None, "refused")  # type: ignore[arg-type]  # whose it was does not matter
    error.__cause__ = ConnectionRefusedError()
    found = failures.unreachable(settings.addresses[0], error, settings)
    assert found.message == (
        "no Vault address is set, and the default, https://127.0.0.1:8200, refused the connection"
    )
    assert hint in found.hint


@pytest.mark.parametrize(
    ("variables", "hint"),
    [
        ({}, "set VAULT_ADDR or BAO_ADDR to the address of Vault: is it http://{host}?"),
        ({"SUDO_USER": "alice"}, "use `sudo -E`"),
    ],
)
def test_default_address_without_tls_is_reported(
    openbao: DevVault, variables: dict[str, str], hint: str
) -> None:
    """As of a dev server: the missing address is mentioned first."""
    host = openbao.address.removeprefix("http://")
    default = resolve.resolve({}, {"VAULT_TOKEN": "t", **variables}, [])
    unset = replace(default, addresses=(Address.parse(f"https://{host}"),))
    with (
        open_session(unset) as opened,
        pytest.raises(VaultUnreachable) as caught,
    ):
        lookup(opened)
    assert caught.value.message == (
        f"no Vault address is set, and the default, https://{host}, does not speak TLS"
    )
    assert hint.format(host=host) in caught.value.hint


@pytest.mark.parametrize("target", ["http://vault.example:8200", "https://vault.example:8200"])
def test_proxy_that_is_down_is_named(target: str) -> None:
    """Not Vault, and without the credentials in the proxy's URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    found = failure(target, VAULT_PROXY_ADDR=f"http://me:s3cret@127.0.0.1:{port}")
    assert type(found) is VaultUnreachable
    wanted = f"the proxy http://127.0.0.1:{port} for {target} refused the connection"
    assert found.message == wanted
    assert "NO_PROXY" in found.hint


@pytest.mark.parametrize(
    ("answer", "limit", "words"),
    [
        (Node.hangs, "1s", "timed out"),
        (Node.drips_headers, "1s", "timed out"),
        (Node.answers_garbage, "30s", "closed the connection unexpectedly"),
        (lambda _node, _connection: None, "30s", "closed the connection unexpectedly"),
    ],
)
def test_proxy_that_opens_no_tunnel_is_named(
    answer: Callable[[Node, socket.socket], None], limit: str, words: str
) -> None:
    """Nothing was sent to Vault yet, so Vault is not blamed."""
    target = "https://vault.example:8200"
    with misbehaving(answer) as proxy:
        address = proxy.address.replace("://", "://me:s3cret@")
        found = failure(target, HTTPS_PROXY=address, DOCKERTLS_TIMEOUT=limit)
        assert proxy.paths == ["vault.example:8200"]
    assert type(found) is VaultUnreachable
    assert found.message == f"the proxy {proxy.address} for {target} {words}"
    assert "NO_PROXY" in found.hint


@pytest.mark.parametrize(
    ("cause", "lasts"),
    [
        (ssl.SSLCertVerificationError("unable to get local issuer certificate"), True),
        (ssl.SSLError("wrong version number"), True),
        (ssl.SSLEOFError("broken off in the middle"), False),
        (socket.gaierror(socket.EAI_NONAME, "no such name"), True),
        (socket.gaierror(socket.EAI_AGAIN, "DNS is away"), False),
        (ConnectionRefusedError(), False),
        (TimeoutError(), False),
        (TooLongError(), True),
    ],
    ids=repr,
)
def test_permanent_failures_are_not_retried(cause: Exception, lasts: bool) -> None:
    """A bad certificate, an unknown host name, and an answer that is not Vault's."""
    error = HTTPError("wrapped")
    error.__cause__ = cause
    assert failures.is_permanent(error) is lasts


@pytest.mark.parametrize(
    ("cause", "sent"),
    [
        (TooLongError(), True),
        (ssl.SSLError(1, "[SSL: DECRYPTION_FAILED_OR_BAD_RECORD_MAC]"), True),
        (TimeoutError(), True),
        (HandshakeError(), False),
        (ConnectTimeoutError(), False),
        (NewConnectionError(None, ""), False),  # type: ignore[arg-type]  # of no connection
    ],
    ids=repr,
)
def test_request_may_have_been_sent_unless_there_was_no_connection(
    cause: Exception, sent: bool
) -> None:
    """A damaged or endless response proves that it was sent."""
    error = HTTPError("wrapped")
    error.__cause__ = cause
    assert failures.may_have_been_sent(error) is sent


def test_request_was_not_sent_if_the_handshake_fails(tmp_path: Path) -> None:
    """As with a certificate from an unknown CA."""
    authority = Authority.create()
    files = write_credential(
        tmp_path, authority.pem, authority.issue("localhost", usages=[SERVER_AUTH])
    )
    with misbehaving(Node.hangs, server_context(files)) as node:
        transport = Transport(resolve.resolve({}, {}, []))
        with contextlib.closing(transport), pytest.raises(HTTPError) as caught:
            transport.send(
                "POST",
                Target.parse(f"{node.address}/"),
                headers={},
                body={},
                params=None,
                timeout=30.0,
            )
    assert not failures.may_have_been_sent(caught.value)


def test_login_whose_response_never_ends_may_have_succeeded() -> None:
    """The hint warns of the token."""
    variables = {"DOCKERTLS_ROLE_ID": "r", "DOCKERTLS_SECRET_ID": "s"}
    with (
        misbehaving(Node.never_ends) as node,
        session(node.address, **variables) as opened,
        pytest.raises(NotVault, match="is too large") as caught,
    ):
        lookup(opened)
    assert "then an unknown token stays valid" in caught.value.hint


def test_request_without_a_tunnel_was_not_sent() -> None:
    """So even a request that must not be repeated is retried."""
    with misbehaving(Node.answers_garbage) as proxy:
        transport = Transport(resolve.resolve({}, {"HTTPS_PROXY": proxy.address}, []))
        with contextlib.closing(transport), pytest.raises(ProxyError) as caught:
            transport.send(
                "POST",
                Target.parse("https://vault.example/"),
                headers={},
                body={},
                params=None,
                timeout=30.0,
            )
    assert not failures.may_have_been_sent(caught.value)


def _leads_nowhere(node: Node, connection: socket.socket) -> None:
    """Open a tunnel but forward nothing."""
    connection.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
    node.hangs(connection)


@pytest.mark.parametrize(
    ("target", "answer"),
    [
        ("https://vault.example:8200", _leads_nowhere),
        ("http://vault.example:8200", Node.hangs),
    ],
)
def test_timeout_through_a_proxy_names_both(
    target: str, answer: Callable[[Node, socket.socket], None]
) -> None:
    """Either of the two may be at fault."""
    with misbehaving(answer) as proxy:
        address = proxy.address.replace("://", "://me:s3cret@")
        found = failure(target, VAULT_PROXY_ADDR=address, DOCKERTLS_TIMEOUT="1s")
    assert type(found) is VaultUnreachable
    wanted = f"{target}, through the proxy {proxy.address}, timed out"
    assert found.message == wanted
    assert "NO_PROXY" in found.hint


def test_unix_socket_is_not_proxied(tmp_path: Path) -> None:
    """Although VAULT_PROXY_ADDR applies to every other request, as for `bao`."""
    target = f"unix://{tmp_path / 'none'}"
    assert failure(target, VAULT_PROXY_ADDR="http://p:1").message.startswith(f"{target} cannot be")


def test_refusal_by_a_proxy_names_the_proxy() -> None:
    """The error also has the proxy's own message."""

    def answer(_node: Node, connection: socket.socket) -> None:
        connection.sendall(response(b"no", "407 Proxy Authentication Required"))

    with misbehaving(answer) as proxy:
        found = failure("https://vault.example:8200", VAULT_PROXY_ADDR=proxy.address)
        plain = failure("http://vault.example:8200", VAULT_PROXY_ADDR=proxy.address)
    assert found.message == (
        f"the proxy {proxy.address} refused to connect to https://vault.example:8200: "
        "407 Proxy Authentication Required"
    )
    assert "the proxy for http://vault.example:8200 requires credentials" in plain.message


@pytest.mark.parametrize(
    ("begins", "words", "hint"),
    [
        (timedelta(hours=1), "not yet valid", "check this machine's clock"),
        (timedelta(days=-30), "expired", "check this machine's clock"),
    ],
)
def test_certificate_outside_its_validity_blames_the_clock(
    tmp_path: Path, begins: timedelta, words: str, hint: str
) -> None:
    """Only the clock or the certificate can be at fault, not VAULT_CACERT."""
    authority = Authority.create()
    certificate = authority.issue(
        "localhost",
        addresses=["127.0.0.1"],
        usages=[SERVER_AUTH],
        not_before=datetime.now(UTC) + begins,
    )
    files = write_credential(tmp_path / "tls", authority.pem, certificate)
    with misbehaving(Node.hangs, server_context(files)) as node:
        found = failure(node.address, VAULT_CACERT=str(files / "ca.pem"))
    assert words in found.message
    assert hint in found.hint
    assert "VAULT_CACERT" not in found.hint


@pytest.mark.parametrize("path", ["/ui", "/ui/", "/v1/sys", "/vault"])
@pytest.mark.parametrize(
    "ask", [lookup, lambda opened: PKI(opened, "dockertls").issuers()], ids=["token", "anonymous"]
)
def test_wrong_path_in_the_address_is_named(
    openbao: DevVault, path: str, ask: Callable[..., object]
) -> None:
    """The error comes at once, and does not blame the mount, the token or the server."""
    address = f"{openbao.address}{path}"
    with (
        session(address, VAULT_TOKEN=openbao.token, DOCKERTLS_TIMEOUT="600s") as opened,
        pytest.raises(InvalidSetting) as caught,
    ):
        ask(opened)
    assert f"VAULT_ADDR: no Vault at the path {path.rstrip('/')!r}" in (caught.value.message)
    assert f"use the address without the path: {openbao.address};" in caught.value.hint


def test_address_with_a_wrong_path_is_skipped(openbao: DevVault) -> None:
    """The next address is used."""
    addresses = f"{openbao.address}/ui,{openbao.address}"
    with session(addresses, VAULT_TOKEN=openbao.token) as opened:
        assert lookup(opened).policies == ("root",)


def below(prefix: str) -> Callable[[Request, Forward], Answer]:
    """Return a rule of a proxy that serves Vault below ``prefix`` and nothing elsewhere."""

    def rule(request: Request, forward: Forward) -> Answer:
        if not request.target.startswith(f"{prefix}/"):
            return Answer(404, {"Content-Type": "text/html"}, b"<html>nothing</html>")
        return forward(_at(request, request.target.removeprefix(prefix)))

    return rule


def _at(request: Request, target: str) -> Request:
    """Return the request with another target."""
    return type(request)(request.method, target, request.headers, request.body)


def test_correct_path_behind_a_proxy_is_probed_once(openbao: DevVault) -> None:
    """After that, Vault's own 404 is believed."""
    asked: list[str] = []

    def record(request: Request, forward: Forward) -> Answer:
        asked.append(request.path)
        return forward(request)

    with speaking([below("/vault"), record], openbao.address) as proxy:
        variables = {"VAULT_TOKEN": openbao.token}
        with session(f"{proxy}/vault", **variables) as opened:
            with pytest.raises(UnknownMount, match="nothing is mounted in Vault for 'nowhere/x'"):
                opened.client.adapter.get("/v1/nowhere/x")
            assert lookup(opened).policies == ("root",)
            with pytest.raises(VaultError, match="HTTP 404"):
                opened.client.adapter.get("/v1/cubbyhole/nothing")
        assert asked.count("sys/init") == 1
        with session(proxy, **variables) as opened, pytest.raises(NotVault):
            lookup(opened)


@pytest.mark.parametrize("status", [429, 500])
def test_path_is_not_blamed_if_the_probe_fails(status: int) -> None:
    """A server that cannot answer the probe may still be Vault."""

    def answer(node: Node, connection: socket.socket) -> None:
        if node.paths[-1].endswith("/sys/init"):
            connection.sendall(response({"errors": []}, f"{status} Oops"))
        else:
            says("no such thing", status="404 Not Found")(node, connection)

    with misbehaving(answer) as node:
        assert "no such thing" in failure(f"{node.address}/vault").message
