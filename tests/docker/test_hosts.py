"""Where dockerd listens for a host of ``-H``; the ports were seen with dockerd 20.10."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dockertls_vault.docker import hosts
from dockertls_vault.docker.flags import Flags
from dockertls_vault.errors import InvalidInput


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("tcp://192.0.2.7:2376", "192.0.2.7:2376"),
        ("192.0.2.7:1", "192.0.2.7:1"),
        ("tcp://[2001:DB8::7]:1", "[2001:db8::7]:1"),
        ("tcp://docker1:2", "docker1:2"),
        ("tcp://192.0.2.7", "192.0.2.7:2375"),
        ("192.0.2.7:", "192.0.2.7:2375"),
        ("tcp://", "127.0.0.1:2375"),
        (":", "127.0.0.1:2375"),
        (":7", "127.0.0.1:7"),
        ("tcp://localhost", "127.0.0.1:2375"),
        ("localhost:0", "127.0.0.1:0"),
    ],
)
def test_tcp_host_has_an_address_and_a_port(host: str, address: str) -> None:
    """The default port is that without TLS, with TLS too; the default address is IPv4 only."""
    assert hosts.is_tcp(host)
    assert hosts.tcp_address(host).authority == address


@pytest.mark.parametrize("host", ["tcp://[::1", "tcp://a:99999", "a:b", "::1"])
def test_malformed_host_is_refused(host: str) -> None:
    """Dockerd does not start with it."""
    with pytest.raises(InvalidInput, match="not an address and a port"):
        hosts.tcp_address(host)


@pytest.mark.parametrize(
    ("host", "path"),
    [
        ("unix://", "/var/run/docker.sock"),
        ("unix:///run/x.sock", "/run/x.sock"),
        ("fd://", None),
        ("npipe://x", None),
        ("tcp://:1", None),
    ],
)
def test_unix_socket_has_a_path(host: str, path: str | None) -> None:
    """Other hosts have none; only a TCP host is one of TCP."""
    assert hosts.unix_socket(host) == (path and Path(path))
    assert hosts.is_tcp(host) == host.startswith("tcp:")
    assert hosts.is_fd(host) == host.startswith("fd:")


@pytest.mark.parametrize(
    ("flags", "values", "environ", "tls"),
    [
        (Flags(), {}, {}, False),
        (Flags(tls=True), {}, {}, True),
        (Flags(tls=False), {"tls": False, "tlscert": "/c"}, {"DOCKER_TLS_VERIFY": ""}, False),
        (Flags(tlsverify=False), {}, {}, True),
        (Flags(), {"tls": True}, {}, True),
        (Flags(), {"tlsverify": False}, {}, True),
        (Flags(), {"tlsverify": None}, {}, True),
        (Flags(), {}, {"DOCKER_TLS_VERIFY": "0"}, True),
    ],
)
def test_tlsverify_turns_tls_on_whatever_its_value_is(
    flags: Flags, values: dict[str, Any], environ: dict[str, str], tls: bool
) -> None:
    """As a flag, in daemon.json, or as a variable; tls is a plain switch."""
    assert hosts.serves_tls(flags, values, environ) is tls


def test_without_hosts_tls_decides() -> None:
    """With TLS, dockerd has no Unix socket then."""
    assert hosts.in_force((), tls=False) == ("unix:///var/run/docker.sock",)
    assert hosts.in_force((), tls=True) == ("tcp://127.0.0.1:2376",)
    assert hosts.in_force(("fd://",), tls=True) == ("fd://",)
