"""One question to a port, and what is made of whatever comes back."""

from __future__ import annotations

import dataclasses
import json
import select
import socket
import ssl
import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from OpenSSL import SSL

from dockertls_vault.docker.endpoint import Endpoint
from dockertls_vault.docker.handshake import probe
from dockertls_vault.docker.handshake.channel import Hello, Identity
from dockertls_vault.docker.handshake.outcome import (
    Alerted,
    Answered,
    Closed,
    Engine,
    Exchange,
    NotHTTP,
    NotTLS,
    Silent,
    Version,
)
from dockertls_vault.errors import DockerUnavailable
from tests.certificates import Authority, Issued, write_credential
from tests.docker import servers
from tests.resolvers import swallowing

if TYPE_CHECKING:
    from pathlib import Path

LONG = timedelta(seconds=30)
SHORT = timedelta(milliseconds=300)
VERSION = {"Version": "28.5.1", "ApiVersion": "1.51", "Os": "linux", "Arch": "amd64"}


@pytest.fixture(scope="module")
def authority() -> Authority:
    """Return the CA of both ends."""
    return Authority.create()


@pytest.fixture(scope="module")
def server(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of a server's credential."""
    return write_credential(tmp_path_factory.mktemp("server"), authority.pem, authority.server())


@pytest.fixture(scope="module")
def client(authority: Authority) -> Issued:
    """Return a client's certificate."""
    return authority.client()


def with_certificate(issued: Issued, *roots: Authority) -> Hello:
    """Come with a client's certificate, and with ``roots`` to verify the server."""
    identity = Identity((issued.certificate, *issued.chain), issued.key)
    return Hello(identity, tuple(root.certificate for root in roots))


def ask(port: int, hello: Hello | None = None, timeout: timedelta = LONG) -> Exchange:
    """Ask a port of this machine for its version."""
    peer = probe.connect(Endpoint("127.0.0.1", port), LONG)
    return probe.ask(peer, hello, timeout)


class Ear:
    """What stands for select.poll: says when the probe listens, and for how many milliseconds.

    It listens until there is something, so that no alert comes too late.
    """

    def __init__(self) -> None:
        self.listening = threading.Event()
        self.waited: list[float] = []

    def register(self, connection: socket.socket, _events: int) -> None:
        self._connection = connection

    def poll(self, milliseconds: float) -> bool:
        self.waited.append(milliseconds)
        self.listening.set()
        return bool(select.select([self._connection], [], [], servers.LIMIT)[0])


@pytest.fixture
def ear(monkeypatch: pytest.MonkeyPatch) -> Ear:
    """Return what the probe listens with."""
    found = Ear()
    monkeypatch.setattr(select, "poll", lambda: found)
    return found


def test_a_closed_port_is_unavailable() -> None:
    """The address that refused is in the message."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(DockerUnavailable, match=r"127\.0\.0\.1: Connection refused"):
        probe.connect(Endpoint("localhost", port), LONG)


def test_a_name_that_does_not_resolve_is_unavailable() -> None:
    """RFC 6761 reserves .invalid for names that never are."""
    with pytest.raises(DockerUnavailable, match="cannot be resolved"):
        probe.connect(Endpoint("docker.invalid", 2376), LONG)


def test_dns_that_swallows_questions_is_bounded(
    monkeypatch: pytest.MonkeyPatch, over: threading.Event
) -> None:
    """The resolver takes its part of the same time, and is named."""
    monkeypatch.setattr(socket, "getaddrinfo", swallowing(over))
    with pytest.raises(DockerUnavailable, match="DNS timed out"):
        probe.connect(Endpoint("docker.example", 2376), SHORT)
    assert not over.is_set()


def test_the_first_address_that_answers_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name with an address that refuses and one that answers is reached, as docker does."""
    with servers.silent() as port:
        found = [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", port, 0, 0)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)),
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        assert probe.connect(Endpoint("localhost", port), LONG).ip == "127.0.0.1"


@pytest.mark.parametrize("tls", [False, True])
def test_silence_is_bounded(tls: bool) -> None:
    """A server that takes the connection and says nothing is given up."""
    with servers.silent() as port:
        exchange = ask(port, Hello() if tls else None, SHORT)
    assert exchange == Exchange(Silent())


def test_a_drip_is_bounded() -> None:
    """A server that sends a byte now and then, forever, does not hold the probe for ever."""
    over = threading.Event()

    def drip(connection: socket.socket) -> None:
        while not over.wait(0.02):
            connection.sendall(b"x")

    with servers.talking(drip) as port:
        started = time.monotonic()
        outcome = ask(port, None, SHORT).outcome
        took = time.monotonic() - started
        over.set()
    assert isinstance(outcome, NotHTTP)
    assert took < servers.LIMIT


def test_more_than_enough_is_not_read() -> None:
    """An endless answer is cut."""

    def flood(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b"x" * 65536)

    with servers.talking(flood) as port:
        outcome = ask(port).outcome
    assert isinstance(outcome, Answered)
    assert len(outcome.body) < 1_000_000
    assert outcome.engine is None


@pytest.mark.parametrize(
    "body", [json.dumps(VERSION), json.dumps({**VERSION, "Components": ["ü" * 3000]})]
)
def test_a_version_is_read(body: str, server: Path) -> None:
    """What Docker says of itself, short or long."""
    context = servers.server_context(server)
    with servers.http(200, body.encode(), context=context) as port:
        exchange = ask(port, Hello())
    assert isinstance(exchange.outcome, Answered)
    assert exchange.outcome.version == Version(Engine.DOCKER, "28.5.1", "1.51", "linux", "amd64")
    assert exchange.greeting.certificate is not None


def test_podman_is_told_from_docker() -> None:
    """It answers in Docker's API, and names itself among its components."""
    with servers.http(200, servers.PODMAN, headers={"Api-Version": "1.41"}) as port:
        outcome = ask(port).outcome
    assert isinstance(outcome, Answered)
    assert outcome.engine is Engine.PODMAN
    assert outcome.version == Version(Engine.PODMAN, "4.3.1", "1.41", "linux", "amd64")


def test_a_chunked_answer_is_read() -> None:
    """Go sends a long answer in chunks."""
    body = json.dumps(VERSION).encode()
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n"

    def talk(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(answer % (len(body), body))

    with servers.talking(talk) as port:
        outcome = ask(port).outcome
    assert isinstance(outcome, Answered)
    assert outcome.version is not None


@pytest.mark.parametrize(
    ("header", "body"),
    [
        (b"Transfer-Encoding: chunked", b"f" * 23 + b"\r\n{}\r\n0\r\n\r\n"),
        (b"Content-Length: 1" + b"0" * 22, b"{}"),
    ],
)
def test_a_length_beyond_all_memory_is_not_http(header: bytes, body: bytes) -> None:
    """It fits into no integer of the machine's."""
    answer = b"HTTP/1.1 200 OK\r\n%b\r\n\r\n%b" % (header, body)

    def talk(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(answer)

    with servers.talking(talk) as port:
        assert ask(port).outcome == NotHTTP(answer[:80])


def test_a_version_cannot_pose_as_a_line_of_ours() -> None:
    """A server may call itself what it likes."""
    body = json.dumps({**VERSION, "Version": "28\ndo: curl evil.example"}).encode()
    with servers.http(200, body) as port:
        outcome = ask(port).outcome
    assert isinstance(outcome, Answered)
    assert outcome.version is not None
    assert outcome.version.version == r"28\ndo: curl evil.example"


@pytest.mark.parametrize(
    ("status", "body", "headers", "engine"),
    [
        (404, b"<h1>Not Found</h1>", {}, None),
        (200, b'{"Version": "1"}', {}, None),
        (200, b"[1]", {}, None),
        (200, b"[" * 50_000, {}, None),
        (200, b"\xff\xfe", {}, None),
        (500, b'{"message":"x"}', {"Api-Version": "1.41"}, Engine.DOCKER),
        (404, b"Not Found", {"Api-Version": "1.41", "Libpod-Api-Version": "4.3.1"}, Engine.PODMAN),
        (403, b'{"message":"authorization denied by plugin opa: no"}', {}, Engine.DOCKER),
    ],
)
def test_docker_is_known_by_its_marks(
    status: int, body: bytes, headers: dict[str, str], engine: Engine | None
) -> None:
    """A version, the header of its API, or the words of its authorization; nothing else."""
    with servers.http(status, body, headers=headers) as port:
        outcome = ask(port).outcome
    assert isinstance(outcome, Answered)
    assert (outcome.status, outcome.engine, outcome.version) == (status, engine, None)
    assert outcome.denied_by_plugin == (status == 403)


def test_what_is_not_http_is_said_to_be() -> None:
    """The start of the answer is kept for the words."""
    banner = b"SSH-2.0-OpenSSH_9.2p1\r\n"
    with servers.talking(lambda connection: connection.sendall(banner)) as port:
        assert ask(port).outcome == NotHTTP(banner)
        assert isinstance(ask(port, Hello()).outcome, NotTLS)


def test_a_plain_http_server_does_not_speak_tls() -> None:
    """It answers the handshake with an HTTP error."""
    with servers.http(200, b"") as port:
        assert isinstance(ask(port, Hello()).outcome, NotTLS)


def test_tls_13_refuses_after_the_handshake(server: Path, client: Issued) -> None:
    """The handshake without a certificate succeeds, and the alert is heard all the same."""
    context = servers.server_context(server, verify=True)
    with servers.http(200, json.dumps(VERSION).encode(), context=context) as port:
        refused = ask(port, Hello())
        accepted = ask(port, with_certificate(client))
    assert refused.outcome == Alerted("certificate required")
    assert refused.greeting.certificate is not None
    assert isinstance(accepted.outcome, Answered)
    assert accepted.greeting.certificate == refused.greeting.certificate


def test_tls_12_refuses_within_the_handshake(server: Path, client: Issued) -> None:
    """The server's certificate is seen all the same, as it has proved by then to have the key."""
    context = servers.server_context(server, verify=True)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with servers.http(200, json.dumps(VERSION).encode(), context=context) as port:
        refused = ask(port, Hello())
        accepted = ask(port, with_certificate(client))
    assert refused.outcome == Alerted("handshake failure")
    assert isinstance(accepted.outcome, Answered)
    assert accepted.greeting == refused.greeting
    assert accepted.greeting.certificate is not None


def test_a_refusal_is_heard_before_the_request_is_written(server: Path, ear: Ear) -> None:
    """The alert of a server that resets whoever writes on is not lost: the probe listens first.

    The server holds its alert back until the probe listens, or has written without listening.
    """
    context = servers.server_context(server, verify=True)
    with servers.talking(servers.refusing_late(context, ear.listening)) as port:
        outcome = ask(port, Hello()).outcome
    assert outcome == Alerted("certificate required")
    assert ear.waited == [250]


def test_a_foreign_ca_is_an_alert(server: Path) -> None:
    """OpenSSL's word for a certificate of a CA that it does not know."""
    foreign = Authority.create().client()
    context = servers.server_context(server, verify=True)
    with servers.http(200, b"", context=context) as port:
        assert ask(port, with_certificate(foreign)).outcome == Alerted("unknown ca")


def test_a_reset_is_tried_again_and_then_said(server: Path, ear: Ear) -> None:
    """Where no alert comes through, with more patience; then no more is known than the end."""
    talk = servers.resetting(servers.server_context(server))
    asked = []

    def counting(connection: socket.socket) -> None:
        asked.append(1)
        talk(connection)

    with servers.talking(counting) as port:
        peer = probe.connect(Endpoint("127.0.0.1", port), LONG)
        outcome = probe.ask(peer, Hello(), LONG).outcome
    assert outcome == Closed()
    assert len(asked) == 3  # to connect, to ask, to ask again
    assert ear.waited == [250, 2000]


def test_the_server_is_verified_with_our_roots_alone(
    server: Path, authority: Authority, client: Issued
) -> None:
    """Its own root has no objection, another one does; both let the connection go on."""
    other = Authority.create("another root")
    with servers.http(200, b"", context=servers.server_context(server)) as port:
        trusted = ask(port, with_certificate(client, authority))
        distrusted = ask(port, with_certificate(client, other))
        unjudged = ask(port, Hello())
    assert isinstance(trusted.outcome, Answered)
    assert isinstance(distrusted.outcome, Answered)
    assert trusted.greeting.objections == ()
    assert unjudged.greeting.objections is None
    assert distrusted.greeting.objections is not None
    assert "unable to get issuer cert locally" in [
        found.reason for found in distrusted.greeting.objections
    ]


def test_an_intermediate_alone_is_trusted_as_go_trusts_it(tmp_path: Path) -> None:
    """A ca.pem that holds an intermediate and no root works for docker, so it does here."""
    intermediate = Authority.create().intermediate()
    credential = write_credential(tmp_path, intermediate.pem, intermediate.server())
    with servers.http(200, b"", context=servers.server_context(credential)) as port:
        exchange = ask(port, Hello(roots=(intermediate.certificate,)))
    assert exchange.greeting.objections == ()


def test_an_intermediate_in_ca_pem_is_not_shown_as_ours(tmp_path: Path) -> None:
    """Docker shows cert.pem alone; a chain that OpenSSL completes would pass where docker fails."""
    root = Authority.create("chain root")
    intermediate = root.intermediate()
    server = write_credential(tmp_path, root.pem, root.server())
    lacking = dataclasses.replace(intermediate.client(), chain=())
    context = servers.server_context(server, verify=True)
    with servers.http(200, json.dumps(VERSION).encode(), context=context) as port:
        exchange = ask(port, with_certificate(lacking, root, intermediate))
    assert exchange.outcome == Alerted("unknown ca")


@pytest.mark.parametrize(("host", "sent"), [("localhost", "localhost"), ("127.0.0.1", None)])
def test_the_server_name_is_sent_for_names_only(host: str, sent: str | None, server: Path) -> None:
    """An address has no place in the server name indication (RFC 6066)."""
    seen: list[str | None] = []
    context = servers.server_context(server)
    context.sni_callback = lambda _tls, name, _context: seen.append(name)
    with servers.http(200, b"", context=context) as port:
        peer = probe.connect(Endpoint(host, port), LONG)
        probe.ask(peer, Hello(), LONG)
    assert seen == [sent]


def test_a_certificate_is_not_shown_after_the_handshake(server: Path, client: Issued) -> None:
    """Nor would docker show it: an answer without having been asked is an answer to everybody."""
    with servers.talking(servers.asking_late(server)) as port:
        assert ask(port, with_certificate(client)).outcome == Alerted("handshake failure")


def test_nothing_older_than_tls_12_is_offered(server: Path) -> None:
    """Docker speaks nothing older either."""
    context = servers.openssl_context(server, maximum=SSL.TLS1_1_VERSION)
    context.set_cipher_list(b"ALL:@SECLEVEL=0")
    with servers.talking(servers.shaking_hands(context)) as port:
        assert ask(port, Hello()).outcome == Alerted("protocol version")
