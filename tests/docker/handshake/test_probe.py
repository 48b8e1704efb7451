"""One request to a port, and what any reply to it means."""

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
from dockertls_vault.docker.handshake.channel import ClientCertificate, Hello
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
    """Return the CA of both peers."""
    return Authority.create()


@pytest.fixture(scope="module")
def server(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of a server credential."""
    return write_credential(tmp_path_factory.mktemp("server"), authority.pem, authority.server())


@pytest.fixture(scope="module")
def client(authority: Authority) -> Issued:
    """Return a client certificate."""
    return authority.client()


def with_certificate(issued: Issued, *roots: Authority) -> Hello:
    """Present a client certificate, with ``roots`` to verify the server."""
    identity = ClientCertificate((issued.certificate, *issued.chain), issued.key)
    return Hello(identity, tuple(root.certificate for root in roots))


def ask(port: int, hello: Hello | None = None, timeout: timedelta = LONG) -> Exchange:
    """Request the version from a port of this machine."""
    peer = probe.connect(Endpoint("127.0.0.1", port), LONG)
    return probe.ask(peer, hello, timeout)


class RecordingPoll:
    """A stand-in for select.poll that reports when the probe listens, and for how many ms.

    It waits without a limit, so that no alert comes too late.
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
def recording_poll(monkeypatch: pytest.MonkeyPatch) -> RecordingPoll:
    """Return the stand-in that the probe uses."""
    found = RecordingPoll()
    monkeypatch.setattr(select, "poll", lambda: found)
    return found


def test_closed_port_is_unavailable() -> None:
    """The message has the address that refused."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(DockerUnavailable, match=r"127\.0\.0\.1: Connection refused"):
        probe.connect(Endpoint("localhost", port), LONG)


@pytest.mark.parametrize("host", ["docker.invalid", f"{'a' * 64}.example", "a..example"])
def test_unresolvable_name_is_unavailable(host: str) -> None:
    """RFC 6761 reserves .invalid for such names; the others have a label that DNS forbids."""
    with pytest.raises(DockerUnavailable, match="cannot be resolved"):
        probe.connect(Endpoint(host, 2376), LONG)


def test_unresponsive_dns_times_out(monkeypatch: pytest.MonkeyPatch, over: threading.Event) -> None:
    """DNS shares the time limit, and is named in the message."""
    monkeypatch.setattr(socket, "getaddrinfo", swallowing(over))
    with pytest.raises(DockerUnavailable, match="DNS timed out"):
        probe.connect(Endpoint("docker.example", 2376), SHORT)
    assert not over.is_set()


def test_first_address_that_answers_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """If one address of a name refuses, the next is tried, as docker does."""
    with servers.silent() as port:
        found = [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", port, 0, 0)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)),
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        assert probe.connect(Endpoint("localhost", port), LONG).ip == "127.0.0.1"


@pytest.mark.parametrize("tls", [False, True])
def test_silent_server_times_out(tls: bool) -> None:
    """It accepts the connection and sends nothing."""
    with servers.silent() as port:
        exchange = ask(port, Hello() if tls else None, SHORT)
    assert exchange == Exchange(Silent())


def test_slow_server_times_out() -> None:
    """One that sends single bytes does not hold up the probe."""
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


def test_endless_answer_is_cut() -> None:
    """Reading stops at the size limit."""

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
def test_docker_version_is_parsed(body: str, server: Path) -> None:
    """The answer may have few details or many."""
    context = servers.server_context(server)
    with servers.http(200, body.encode(), context=context) as port:
        exchange = ask(port, Hello())
    assert isinstance(exchange.outcome, Answered)
    assert exchange.outcome.version == Version(Engine.DOCKER, "28.5.1", "1.51", "linux", "amd64")
    assert exchange.greeting.certificate is not None


def test_podman_is_distinguished_from_docker() -> None:
    """It serves Docker's API, and lists itself among its components."""
    with servers.http(200, servers.PODMAN, headers={"Api-Version": "1.41"}) as port:
        outcome = ask(port).outcome
    assert isinstance(outcome, Answered)
    assert outcome.engine is Engine.PODMAN
    assert outcome.version == Version(Engine.PODMAN, "4.3.1", "1.41", "linux", "amd64")


def test_chunked_answer_is_parsed() -> None:
    """Go sends long answers in chunks."""
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
def test_huge_content_length_is_not_http(header: bytes, body: bytes) -> None:
    """It does not fit into a machine integer."""
    answer = b"HTTP/1.1 200 OK\r\n%b\r\n\r\n%b" % (header, body)

    def talk(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(answer)

    with servers.talking(talk) as port:
        assert ask(port).outcome == NotHTTP(answer[:80])


def test_newline_in_a_version_is_escaped() -> None:
    """A server may send any text as its version."""
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
def test_docker_is_recognized_by_its_answer(
    status: int, body: bytes, headers: dict[str, str], engine: Engine | None
) -> None:
    """By a version, its API header, or the text of its authorization plugins."""
    with servers.http(status, body, headers=headers) as port:
        outcome = ask(port).outcome
    assert isinstance(outcome, Answered)
    assert (outcome.status, outcome.engine, outcome.version) == (status, engine, None)
    assert outcome.denied_by_plugin == (status == 403)


def test_answer_other_than_http_is_reported() -> None:
    """The outcome has its first bytes."""
    banner = b"SSH-2.0-OpenSSH_9.2p1\r\n"
    with servers.talking(lambda connection: connection.sendall(banner)) as port:
        assert ask(port).outcome == NotHTTP(banner)
        assert isinstance(ask(port, Hello()).outcome, NotTLS)


def test_plain_http_server_does_not_speak_tls() -> None:
    """It answers the handshake with an HTTP error."""
    with servers.http(200, b"") as port:
        assert isinstance(ask(port, Hello()).outcome, NotTLS)


def test_alert_after_a_tls_13_handshake_is_heard(server: Path, client: Issued) -> None:
    """The handshake without a certificate succeeds first."""
    context = servers.server_context(server, verify=True)
    with servers.http(200, json.dumps(VERSION).encode(), context=context) as port:
        refused = ask(port, Hello())
        accepted = ask(port, with_certificate(client))
    assert refused.outcome == Alerted("certificate required")
    assert refused.greeting.certificate is not None
    assert isinstance(accepted.outcome, Answered)
    assert accepted.greeting.certificate == refused.greeting.certificate


def test_server_certificate_is_seen_in_a_refused_tls_12_handshake(
    server: Path, client: Issued
) -> None:
    """By then the server has proved that it holds the key."""
    context = servers.server_context(server, verify=True)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with servers.http(200, json.dumps(VERSION).encode(), context=context) as port:
        refused = ask(port, Hello())
        accepted = ask(port, with_certificate(client))
    assert refused.outcome == Alerted("handshake failure")
    assert isinstance(accepted.outcome, Answered)
    assert accepted.greeting == refused.greeting
    assert accepted.greeting.certificate is not None


def test_alert_is_read_before_the_request_is_written(
    server: Path, recording_poll: RecordingPoll
) -> None:
    """If the client writes first, the server's reset discards the alert.

    The server delays its alert until the probe listens, or has written without listening.
    """
    context = servers.server_context(server, verify=True)
    with servers.talking(servers.refusing_late(context, recording_poll.listening)) as port:
        outcome = ask(port, Hello()).outcome
    assert outcome == Alerted("certificate required")
    assert recording_poll.waited == [250]


def test_foreign_ca_gives_the_unknown_ca_alert(server: Path) -> None:
    """The outcome has OpenSSL's name of the alert."""
    foreign = Authority.create().client()
    context = servers.server_context(server, verify=True)
    with servers.http(200, b"", context=context) as port:
        assert ask(port, with_certificate(foreign)).outcome == Alerted("unknown ca")


def test_reset_is_retried_once_and_then_reported(
    server: Path, recording_poll: RecordingPoll
) -> None:
    """With a longer wait for an alert; after that, only the reset is known."""
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
    assert recording_poll.waited == [250, 2000]


def test_server_is_verified_with_our_roots_only(
    server: Path, authority: Authority, client: Issued
) -> None:
    """Another root gives an objection; the connection continues either way."""
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


def test_ca_pem_with_only_an_intermediate_is_trusted_as_in_go(tmp_path: Path) -> None:
    """Docker accepts it, so we do."""
    intermediate = Authority.create().intermediate()
    credential = write_credential(tmp_path, intermediate.pem, intermediate.server())
    with servers.http(200, b"", context=servers.server_context(credential)) as port:
        exchange = ask(port, Hello(roots=(intermediate.certificate,)))
    assert exchange.greeting.objections == ()


def test_intermediate_in_ca_pem_is_not_sent(tmp_path: Path) -> None:
    """Docker sends only cert.pem; a chain completed by OpenSSL would hide its failure."""
    root = Authority.create("chain root")
    intermediate = root.intermediate()
    server = write_credential(tmp_path, root.pem, root.server())
    lacking = dataclasses.replace(intermediate.client(), chain=())
    context = servers.server_context(server, verify=True)
    with servers.http(200, json.dumps(VERSION).encode(), context=context) as port:
        exchange = ask(port, with_certificate(lacking, root, intermediate))
    assert exchange.outcome == Alerted("unknown ca")


@pytest.mark.parametrize(("host", "sent"), [("localhost", "localhost"), ("127.0.0.1", None)])
def test_sni_is_sent_for_names_only(host: str, sent: str | None, server: Path) -> None:
    """Addresses are not allowed in it (RFC 6066)."""
    seen: list[str | None] = []
    context = servers.server_context(server)
    context.sni_callback = lambda _tls, name, _context: seen.append(name)
    with servers.http(200, b"", context=context) as port:
        peer = probe.connect(Endpoint(host, port), LONG)
        probe.ask(peer, Hello(), LONG)
    assert seen == [sent]


def test_certificate_is_not_sent_after_the_handshake(server: Path, client: Issued) -> None:
    """Docker does not either; a server that answers without one answers everyone."""
    with servers.talking(servers.asking_late(server)) as port:
        assert ask(port, with_certificate(client)).outcome == Alerted("handshake failure")


def test_tls_1_1_is_not_offered(server: Path) -> None:
    """Docker does not speak it either."""
    context = servers.openssl_context(server, maximum=SSL.TLS1_1_VERSION)
    context.set_cipher_list(b"ALL:@SECLEVEL=0")
    with servers.talking(servers.shaking_hands(context)) as port:
        assert ask(port, Hello()).outcome == Alerted("protocol version")
