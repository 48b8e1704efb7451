"""The names of this machine, the defaults of a server's certificate."""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING

import ifaddr
import pytest

from dockertls_vault.certificate.names import LONGEST_COMMON_NAME, parse_common_name, parse_names
from dockertls_vault.host import identity
from tests.resolvers import LIMIT, swallowing

if TYPE_CHECKING:
    import threading


def test_own_names_include_the_local_ones() -> None:
    """All are valid in a request, and local clients are always covered."""
    names = identity.names(LIMIT)
    assert parse_names(names.all) == names
    assert "localhost" in names.dns
    assert {"127.0.0.1", "::1"} <= set(names.addresses)


def test_only_reachable_addresses_are_found() -> None:
    """No link-local ones, and of loopback only 127.0.0.1 and ::1."""
    found = set(identity.names(LIMIT).addresses) - {"127.0.0.1", "::1"}
    for address in map(ipaddress.ip_address, found):
        assert not address.is_loopback
        assert not address.is_link_local


@pytest.mark.parametrize(
    ("adapter", "reached"),
    [
        ("docker0", False),
        ("docker_gwbridge", False),
        ("br-3f1c9a0b7d21", False),
        ("veth1a2b3c4", False),
        ("virbr0", False),
        ("lxcbr0", False),
        ("lxdbr0", False),
        ("podman0", False),
        ("cni0", False),
        ("cali12ab34cd56e", False),
        ("flannel.1", False),
        ("eth0", True),
        ("wlp2s0", True),
        ("br0", True),
        ("bond0.100", True),
        ("wg0", True),
    ],
)
def test_container_bridges_are_left_out(
    adapter: str, reached: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of Docker, libvirt, LXC and Kubernetes, but not an operator's own."""
    addresses = [
        ifaddr.IP("198.51.100.7", 24, adapter),
        ifaddr.IP(("2001:db8::7", 0, 0), 64, adapter),
    ]
    monkeypatch.setattr(
        ifaddr, "get_adapters", lambda: [ifaddr.Adapter(adapter, adapter, addresses)]
    )
    found = identity.names(LIMIT).addresses
    assert ("198.51.100.7" in found, "2001:db8::7" in found) == (reached, reached)


@pytest.mark.parametrize(
    ("address", "ours"),
    [
        ("127.0.1.1", True),
        ("::1", True),
        ("172.17.0.1", True),
        ("fe80::7%docker0", True),
        ("2001:db8::7", True),
        ("192.0.2.1", False),
        ("2001:db8::8", False),
    ],
)
def test_address_of_this_machine_is_recognized(
    address: str, ours: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Including all loopback addresses and container bridges."""
    addresses = [ifaddr.IP("172.17.0.1", 16, "docker0")]
    addresses += [ifaddr.IP((ip, 0, 2), 64, "docker0") for ip in ("2001:db8::7", "fe80::7")]
    adapter = ifaddr.Adapter("docker0", "docker0", addresses)
    monkeypatch.setattr(ifaddr, "get_adapters", lambda: [adapter])
    assert identity.has_address(address) is ours


@pytest.mark.parametrize(
    ("host", "canonical", "expected"),
    [
        ("web1", "web1.example.internal", ["web1", "web1.example.internal", "localhost"]),
        ("WEB1", "web1", ["web1", "localhost"]),
        ("my_host", "my_host", ["my_host", "localhost"]),
        ("my host", "-", ["localhost"]),
        ("web1", None, ["web1", "localhost"]),
        ("a" * 64, "-", ["localhost"]),
    ],
)
def test_host_name_and_fqdn_are_found(
    host: str, canonical: str | None, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each once; an invalid one is left out; a resolver may be missing."""

    def resolve(*_arguments: object, **_options: object) -> list[tuple[object, ...]]:
        if canonical is None:
            raise socket.gaierror(socket.EAI_AGAIN, "no resolver")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, canonical, ("192.0.2.1", 0))]

    monkeypatch.setattr(socket, "gethostname", lambda: host)
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    assert list(identity.names(LIMIT).dns) == expected


def test_unresponsive_dns_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, over: threading.Event
) -> None:
    """Only the FQDN is missing then."""
    monkeypatch.setattr(socket, "gethostname", lambda: "web1")
    monkeypatch.setattr(socket, "getaddrinfo", swallowing(over))
    assert identity.names(0.05).dns == ("web1", "localhost")
    assert not over.is_set()


@pytest.mark.parametrize("host", ["web1", "a" * 200])
def test_default_identity_fits_into_a_common_name(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``user@host``, truncated if the host name is long."""
    monkeypatch.setattr(socket, "gethostname", lambda: host)
    found = identity.user_at_host()
    assert f"@{host}"[:20] in found
    assert len(parse_common_name(found)) <= LONGEST_COMMON_NAME


def test_user_without_a_name_is_shown_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """Containers often run under unknown UIDs."""
    monkeypatch.setattr("os.geteuid", lambda: 987654321)
    assert identity.user_at_host().startswith("987654321@")
