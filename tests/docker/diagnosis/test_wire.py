"""Whether a daemon presents the certificate that is on its disk."""

from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from OpenSSL import SSL

from dockertls_vault.certificate.certificate import describe
from dockertls_vault.certificate.names import Names
from dockertls_vault.docker.diagnosis import wire
from dockertls_vault.docker.diagnosis.wire import Presented, Sighting
from dockertls_vault.docker.endpoint import DEFAULT_PORT, Endpoint
from tests.certificates import BIT_STRING, Authority, Issued, in_t61, write_credential
from tests.docker import servers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NOW = datetime.now(UTC)
LONG = timedelta(seconds=30)
SHORT = timedelta(milliseconds=300)
LOOPBACK = Endpoint("localhost", DEFAULT_PORT)
ROOT = Authority.create("wire root")
KNOWN = Endpoint("docker.example", 4242)


def at(port: int) -> Endpoint:
    """Return the endpoint of a server of these tests."""
    return Endpoint("127.0.0.1", port)


def older(by: int, *names: str) -> Issued:
    """Return a server certificate that is ``by`` days older."""
    return ROOT.issue("a.example", dns=names or ["a.example"], not_before=NOW - timedelta(days=by))


@pytest.mark.parametrize(
    ("names", "known", "expected"),
    [
        (["docker.example", "localhost"], KNOWN, KNOWN),
        (["*.example"], KNOWN, KNOWN),
        (["localhost"], KNOWN, LOOPBACK),
        (["127.0.0.1"], None, LOOPBACK),
        (["::1"], None, LOOPBACK),
        (["this.example"], None, LOOPBACK),
        (["192.0.2.1"], None, LOOPBACK),
        (["other.example"], KNOWN, None),
        (["other.example"], None, None),
    ],
)
def test_daemon_is_asked_only_at_a_name_of_its_certificate(
    names: list[str], known: Endpoint | None, expected: Endpoint | None
) -> None:
    """That is DOCKER_HOST or this host; otherwise no daemon is asked."""
    here = Names(("this.example",), ("192.0.2.1",))
    certificate = ROOT.server(*names).certificate
    assert wire.endpoint_of(certificate, known, lambda: here) == expected


def test_names_of_this_host_are_detected_only_if_they_matter() -> None:
    """Detection may take a DNS lookup."""

    def detect() -> Names:
        raise AssertionError

    assert wire.endpoint_of(ROOT.server().certificate, None, detect) == LOOPBACK
    assert wire.endpoint_of(ROOT.server("docker.example").certificate, KNOWN, detect) == KNOWN


@pytest.mark.parametrize("version", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])
def test_certificate_is_seen_without_one_and_without_a_request(
    version: int, tmp_path: Path
) -> None:
    """A daemon that requires a client certificate shows its own first, and gets none."""
    issued = ROOT.server()
    files = write_credential(tmp_path / "tls", ROOT.pem, issued)
    context = servers.openssl_context(files, maximum=version)
    received: list[object] = []

    def then(tls: SSL.Connection) -> None:
        received.append(tls.get_peer_certificate())
        try:
            received.append(tls.recv(4096))
        except SSL.Error as error:
            received.append(type(error))

    context.set_verify(SSL.VERIFY_PEER)  # requests a certificate, and takes none for an answer
    with servers.talking(servers.shaking_hands(context, then)) as port:
        seen = wire.look(at(port), LONG)
    assert seen == Sighting(at(port), "127.0.0.1", issued.certificate)
    assert received[0] is None
    assert not any(isinstance(each, bytes) and each for each in received)


@pytest.mark.parametrize("version", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])
def test_certificate_is_seen_even_if_the_daemon_rejects_us(version: int, tmp_path: Path) -> None:
    """Dockerd with tlsverify does so."""
    issued = ROOT.server()
    files = write_credential(tmp_path / "tls", ROOT.pem, issued)
    with servers.talking(servers.asking(files, authorities=None, maximum=version)) as port:
        assert wire.look(at(port), LONG).certificate == issued.certificate


def _closing(connection: socket.socket) -> None:
    connection.recv(1)


def _in_plaintext(connection: socket.socket) -> None:
    connection.sendall(servers.GO)


@pytest.mark.parametrize("talk", [_closing, _in_plaintext])
def test_port_without_tls_has_no_certificate(talk: Callable[[socket.socket], None]) -> None:
    """The reason is in the result, since nothing is raised."""
    with servers.talking(talk) as port:
        seen = wire.look(at(port), LONG)
        assert seen == Sighting(at(port), reason=f"127.0.0.1:{port} presents no certificate")
    found = wire.compare(seen, [ROOT.server().certificate], NOW)
    assert (found.presented, found.certificate, found.reason) == (
        Presented.UNREACHABLE,
        None,
        seen.reason,
    )


def test_certificate_that_cannot_be_parsed_is_unreachable(tmp_path: Path) -> None:
    """OpenSSL accepts a BIT STRING as a name, and cryptography does not."""
    odd = Authority.create("an odd root")
    issued = Issued(odd.certificate, odd.key)
    files = write_credential(tmp_path / "tls", ROOT.pem, issued)
    (files / "cert.pem").write_bytes(in_t61(odd, tag=BIT_STRING))
    with servers.talking(servers.answering(servers.server_context(files))) as port:
        seen = wire.look(at(port), LONG)
    assert (seen.certificate, seen.address) == (None, None)
    assert "cannot be read" in str(seen.reason)


def test_silent_port_ends_with_the_timeout() -> None:
    """No certificate is seen."""
    with servers.silent() as port:
        assert wire.look(at(port), SHORT).certificate is None


def test_closed_port_is_unreachable() -> None:
    """The reason is that of the system."""
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    seen = wire.look(at(port), LONG)
    assert "refused" in str(seen.reason)
    assert seen.certificate is None


USED, BEFORE, ANCIENT = older(1), older(2), older(3)


@pytest.mark.parametrize(
    ("shown", "address", "presented"),
    [
        (USED, "127.0.0.1", Presented.SAME),
        (BEFORE, "192.0.2.1", Presented.REPLACED),
        (ANCIENT, "127.0.0.1", Presented.REPLACED),
        (ANCIENT, "192.0.2.1", Presented.OTHER),
        (older(3, "b.example"), "127.0.0.1", Presented.OTHER),
        (older(0), "127.0.0.1", Presented.OTHER),
    ],
)
def test_what_is_presented_is_compared_with_what_is_kept(
    shown: Issued, address: str, presented: Presented
) -> None:
    """One that is no longer kept was replaced if it is of this host, and has the same names."""
    endpoint = Endpoint("h", 1)
    installed = [USED.certificate, BEFORE.certificate]
    found = wire.compare(Sighting(endpoint, address, shown.certificate), installed, NOW)
    assert found.presented is presented
    assert (found.endpoint, found.certificate) == ("tcp://h:1", describe(shown.certificate))
