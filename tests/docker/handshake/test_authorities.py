"""What a server discloses to every client: its certificate and its list of CAs."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL

from dockertls_vault.docker.endpoint import Endpoint
from dockertls_vault.docker.handshake import probe
from dockertls_vault.docker.handshake.authorities import public_authorities
from dockertls_vault.docker.handshake.channel import Hello
from dockertls_vault.docker.handshake.outcome import Greeting
from tests.certificates import BIT_STRING, T61, Authority, in_t61, write_credential
from tests.docker import servers

if TYPE_CHECKING:
    from pathlib import Path

LONG = timedelta(seconds=30)
SHORT = timedelta(milliseconds=300)
ROOTS = (Authority.create("first root"), Authority.create("second root"))
SERVER = ROOTS[0].server()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of a server credential with both roots in its ca.pem."""
    bundle = b"".join(root.pem for root in ROOTS)
    return write_credential(tmp_path_factory.mktemp("server"), bundle, SERVER)


def greet_port(port: int, timeout: timedelta = LONG, host: str = "127.0.0.1") -> Greeting:
    """Greet a port of this machine."""
    return probe.ask(probe.connect(Endpoint(host, port), LONG), Hello(), timeout).greeting


@pytest.mark.parametrize("version", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])
@pytest.mark.parametrize("named", [True, False])
def test_ca_list_is_read_although_the_client_is_refused(
    version: int, named: bool, server: Path
) -> None:
    """In TLS 1.2, too, where the handshake fails."""
    authorities = server / "ca.pem" if named else None
    talk = servers.asking(server, authorities=authorities, maximum=version)
    with servers.talking(talk) as port:
        greeting = greet_port(port)
    names = tuple(root.certificate.subject for root in ROOTS)
    assert greeting.asks is True
    assert greeting.authorities == (names if named else ())
    assert greeting.certificate == SERVER.certificate.public_bytes(Encoding.DER)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_server_that_requests_no_certificate_has_no_ca_list(
    version: ssl.TLSVersion, server: Path
) -> None:
    """That differs from a request with an empty list."""
    context = servers.server_context(server)
    context.maximum_version = version
    with servers.http(200, b"", context=context) as port:
        greeting = greet_port(port)
    assert greeting.asks is False
    assert greeting.certificate is not None


def test_server_without_tls_has_no_ca_list() -> None:
    """It may speak another protocol, be silent, or be gone."""
    nothing = Greeting()
    with servers.talking(lambda connection: connection.sendall(b"SSH-2.0\r\n")) as port:
        peer = probe.connect(Endpoint("127.0.0.1", port), LONG)
        assert probe.ask(peer, Hello(), LONG).greeting == nothing
    assert probe.ask(peer, Hello(), LONG).greeting == nothing
    with servers.silent() as port:
        assert greet_port(port, SHORT) == nothing


def test_slow_greeting_times_out() -> None:
    """A server that sends single bytes does not hold up the probe."""
    over = threading.Event()

    def drip(connection: socket.socket) -> None:
        record = b"\x16\x03\x03\x40\x00" + b"\x0b" * 0x4000
        for byte in record:
            if over.wait(0.02):
                return
            connection.sendall(bytes([byte]))

    with servers.talking(drip) as port:
        started = time.monotonic()
        greeting = greet_port(port, SHORT)
        took = time.monotonic() - started
        over.set()
    assert greeting == Greeting()
    assert took < servers.LIMIT


@pytest.mark.parametrize("tag", [T61, BIT_STRING])
def test_unreadable_name_does_not_hide_the_others(server: Path, tmp_path: Path, tag: int) -> None:
    """Old CAs may use T.61, which cryptography decodes as ASCII only.

    A BIT STRING is not a name at all, and fails differently.
    """
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(ROOTS[0].pem + in_t61(Authority.create("old root"), tag=tag) + ROOTS[1].pem)
    with servers.talking(servers.asking(server, authorities=bundle)) as port:
        greeting = greet_port(port)
    names = tuple(root.certificate.subject for root in ROOTS)
    shown = SERVER.certificate.public_bytes(Encoding.DER)
    assert greeting == Greeting(shown, True, names, unreadable=1)


@pytest.mark.parametrize(("dropped", "asks"), [(0, True), (1, True), (2, None)])
def test_handshake_that_is_cut_short_is_retried_once(
    dropped: int, asks: bool | None, server: Path
) -> None:
    """A connection limit may close one; after two, nothing is known."""
    talk = servers.dropping(servers.asking(server, authorities=None), range(dropped))
    with servers.talking(talk) as port:
        assert greet_port(port).asks is asks


@pytest.mark.parametrize(("host", "sent"), [("localhost", "localhost"), ("127.0.0.1", None)])
def test_sni_is_sent_for_names_only(host: str, sent: str | None, server: Path) -> None:
    """A proxy for many hosts selects the certificate by it."""
    seen: list[str | None] = []
    context = servers.server_context(server)
    context.sni_callback = lambda _tls, name, _context: seen.append(name)
    with servers.http(200, b"", context=context) as port:
        greet_port(port, host=host)
    assert seen == [sent]


def test_public_cas_are_mozillas() -> None:
    """There are over a hundred, including a well-known one."""
    names = {name.rfc4514_string() for name in public_authorities()}
    assert "CN=ISRG Root X1,O=Internet Security Research Group,C=US" in names
    assert "CN=first root" not in names


def test_certificate_without_proof_of_its_key_does_not_count(server: Path) -> None:
    """A recorded message can be replayed, but its signature covers another handshake."""
    recorded: list[bytes] = []
    genuine = servers.asking(server, authorities=server / "ca.pem", maximum=SSL.TLS1_2_VERSION)

    def replay(connection: socket.socket) -> None:
        hello = connection.recv(65536)
        if not hello:  # whoever only looks whether somebody answers
            return
        if not recorded:
            with socket.create_connection(("127.0.0.1", behind), servers.LIMIT) as daemon:
                daemon.sendall(hello)
                recorded.append(daemon.recv(65536))
        connection.sendall(recorded[0])
        connection.recv(65536)
        # A connection that merely closes would be retried.
        connection.sendall(bytes.fromhex("15 0303 0002 0228"))  # the alert handshake_failure

    with servers.talking(genuine) as behind, servers.talking(replay) as port:
        live, again = greet_port(port), greet_port(port)
    assert live.asks
    assert again == Greeting()
