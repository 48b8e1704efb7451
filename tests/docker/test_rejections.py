"""Lines of dockerd's log about handshakes that failed, as Docker 20.10 and 26.1 write them."""

from __future__ import annotations

import pytest

from dockertls_vault.docker.rejections import Reason, Rejection, is_of, parse

FROM = "http: TLS handshake error from "


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("tls: client didn't provide a certificate\n", Reason.NO_CERTIFICATE),
        (
            (
                "tls: failed to verify client certificate: x509: certificate signed by unknown "
                "authority"
            ),
            Reason.UNKNOWN_CA,
        ),
        (
            (
                "tls: failed to verify certificate: x509: certificate signed by unknown authority "
                '(possibly because of "x509: ECDSA verification failure" while trying to verify '
                'candidate authority certificate "docker CA")'
            ),
            Reason.UNKNOWN_CA,
        ),
        ("remote error: tls: bad certificate", Reason.SERVER_REJECTED),
        ("remote error: tls: unknown certificate authority", Reason.SERVER_REJECTED),
        ("remote error: tls: unknown authority", Reason.SERVER_REJECTED),
        (
            "tls: failed to verify certificate: x509: certificate has expired or is not yet valid",
            Reason.INVALID,
        ),
        (
            (
                "tls: failed to verify client certificate: x509: certificate specifies an "
                "incompatible key usage"
            ),
            Reason.INVALID,
        ),
        ("EOF", Reason.OTHER),
        ("local error: tls: bad record MAC", Reason.OTHER),
        ("client sent an HTTP request to an HTTPS server", Reason.OTHER),
        ("tls: client offered only unsupported versions: [302 301]", Reason.OTHER),
    ],
)
def test_reason_is_found_in_the_words_of_go(line: str, reason: Reason) -> None:
    """With the prefix of dockerd's own log, or without."""
    for before in ("", "2026/11/27 13:31:40 ", 'time="2026-11-27T13:31:40Z" level=info msg="'):
        assert parse(f"{before}{FROM}10.0.0.5:44044: {line}") == Rejection("10.0.0.5", reason)


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("10.0.0.5:1", "10.0.0.5"),
        ("[2001:db8::5]:44044", "2001:db8::5"),
        ("[::ffff:10.0.0.5]:44044", "10.0.0.5"),
        ("[fe80::1%eth0]:44044", "fe80::1"),
    ],
)
def test_address_is_without_its_port(peer: str, address: str) -> None:
    """So that the connections of a client count together."""
    assert parse(f"{FROM}{peer}: EOF") == Rejection(address, Reason.OTHER)


@pytest.mark.parametrize(
    "message",
    [
        "",
        "API listen on [::]:2376",
        f"{FROM}@: EOF",
        f"{FROM}nowhere:1: EOF",
        FROM,
        f"worker dockerd[189]: {FROM}203.0.113.9:1: EOF",
        f'time="2026-11-27T13:31:40Z" level=error msg="no such image: {FROM}203.0.113.9:1: EOF"',
    ],
)
def test_other_line_tells_of_nobody(message: str) -> None:
    """A Unix socket has no address either, and what a line repeats is not dockerd's own."""
    assert parse(message) is None


@pytest.mark.parametrize(
    ("message", "address", "is_ours"),
    [
        (f"{FROM}127.0.0.1:44044: EOF", "127.0.0.1", True),
        (f"2026/11/27 13:31:40 {FROM}[::1]:44044: EOF", "::1", True),
        (f"{FROM}[fe80::1%eth0]:44044: EOF", "fe80::1%eth0", True),
        (f"{FROM}127.0.0.1:4404: EOF", "127.0.0.1", False),
        (f"{FROM}10.0.0.5:44044: EOF", "127.0.0.1", False),
        (f"worker dockerd[189]: {FROM}127.0.0.1:44044: EOF", "127.0.0.1", False),
        ("API listen on 127.0.0.1:44044", "127.0.0.1", False),
    ],
)
def test_line_about_a_connection_is_found(message: str, address: str, *, is_ours: bool) -> None:
    """By both the address and the port of the client."""
    assert is_of(message, address, 44044) is is_ours
