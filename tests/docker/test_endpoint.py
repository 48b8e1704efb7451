"""The address of a daemon in every form that people write."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockertls_vault.docker.endpoint import Endpoint, parse_endpoint
from dockertls_vault.errors import InvalidInput


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("tcp://docker.example.com:2376", "docker.example.com", 2376),
        ("tcp://docker.example.com", "docker.example.com", 2376),
        ("TCP://Docker.Example.com:1", "docker.example.com", 1),
        ("https://docker.example.com:65535/", "docker.example.com", 65535),
        ("docker.example.com", "docker.example.com", 2376),
        ("localhost:2377", "localhost", 2377),
        ("192.0.2.7", "192.0.2.7", 2376),
        ("192.0.2.7:99", "192.0.2.7", 99),
        ("[::1]:99", "::1", 99),
        ("[::1]", "::1", 2376),
        ("::1", "::1", 2376),
        ("2001:DB8:0::1", "2001:db8::1", 2376),
        ("tcp://[2001:db8::1]:2376", "2001:db8::1", 2376),
        ("[::ffff:192.0.2.7]:99", "192.0.2.7", 99),
        ("app_docker_1:99", "app_docker_1", 99),
        ("bücher.example:99", "xn--bcher-kva.example", 99),
    ],
)
def test_endpoint_is_parsed_in_every_form(text: str, host: str, port: int) -> None:
    """Every form of a TCP address that DOCKER_HOST and docker -H accept."""
    assert parse_endpoint(text) == Endpoint(host, port)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("unix:///var/run/docker.sock", "no TLS"),
        ("npipe:////./pipe/docker_engine", "no TLS"),
        ("ssh://root@docker.example.com", "SSH"),
        ("fd://", "systemd"),
        ("http://docker.example.com:2375", "tcp://"),
        ("ftp://docker.example.com", "tcp://"),
        ("", "a DNS name or an IP address"),
        ("tcp://", "a DNS name or an IP address"),
        (":2376", "a DNS name or an IP address"),
        ("docker.example.com:", "65535"),
        ("docker.example.com:0", "65535"),
        ("docker.example.com:65536", "65535"),
        ("docker.example.com:port", "65535"),
        ("docker.example.com:٢", "65535"),
        ("docker.example.com:1:2", "[::1]:2376"),
        ("::1]:99", "[::1]:2376"),
        ("[::1]99", "[::1]:2376"),
        ("tcp://docker.example.com:2376/v1.41", "tcp://"),
        ("tcp://user@docker.example.com:2376", "tcp://"),
        ("docker.example.com.:2376", "docker.example.com"),
        ("a b", "letters"),
    ],
)
def test_invalid_endpoint_is_refused_with_a_hint(text: str, words: str) -> None:
    """Before any connection; the hint says what to write instead."""
    with pytest.raises(InvalidInput) as refused:
        parse_endpoint(text)
    assert words in refused.value.hint


@given(st.ip_addresses(), st.integers(1, 65535))
def test_printed_endpoint_parses_to_the_same_endpoint(address: object, port: int) -> None:
    """This holds for any host and port."""
    endpoint = parse_endpoint(f"[{address}]:{port}" if ":" in str(address) else f"{address}:{port}")
    assert parse_endpoint(str(endpoint)) == endpoint
    assert endpoint.is_address


@given(st.text(max_size=40))
def test_any_text_is_an_endpoint_or_invalid_input(text: str) -> None:
    """No other exception is raised."""
    try:
        endpoint = parse_endpoint(text)
    except InvalidInput:
        return
    assert 0 < endpoint.port < 65536
    assert endpoint.host
