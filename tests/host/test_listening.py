"""The sockets on which a process listens."""

from __future__ import annotations

import os
import socket
from contextlib import closing

import pytest

from dockertls_vault.host import listening
from dockertls_vault.host.listening import Listener

IPV4, IPV6 = socket.AF_INET, socket.AF_INET6


@pytest.mark.parametrize(
    ("family", "address", "shown"),
    [
        (IPV4, "127.0.0.1", "127.0.0.1"),
        (IPV4, "0.0.0.0", "0.0.0.0"),  # noqa: S104 - what others bind
        (IPV6, "::1", "[::1]"),
        (IPV6, "::", "[::]"),
        (IPV6, "::ffff:127.0.0.2", "127.0.0.2"),
    ],
)
def test_own_sockets_are_found(family: int, address: str, shown: str) -> None:
    """Their addresses are as others write them; a connection is no socket of this kind."""
    with closing(socket.socket(family, socket.SOCK_STREAM)) as server:
        try:
            server.bind((address, 0))
        except OSError:
            pytest.skip(f"this machine has no {address}")
        server.listen()
        port = server.getsockname()[1]
        found = [each for each in listening.of_process(os.getpid()) if each.port == port]
        assert [str(each) for each in found] == [f"{shown}:{port}"]
        assert set(found) <= set(listening.on_port(port))
        with socket.create_connection((found[0].dialable[0], port)):
            again = [each for each in listening.of_process(os.getpid()) if each.port == port]
            assert again == found
    assert port not in [each.port for each in listening.of_process(os.getpid())]
    assert str(found[0]) not in map(str, listening.on_port(port))


def test_process_that_is_gone_or_not_ours_is_refused() -> None:
    """The error is the system's."""
    with pytest.raises(OSError, match="No such file"):
        listening.of_process(2**22 + 1)


def test_every_address_is_dialed_at_a_loopback_address() -> None:
    """A container may have no ::1, and then IPv4 is tried."""
    assert Listener("::", 1).dialable == ("::1", "127.0.0.1")
    assert Listener("0.0.0.0", 1).dialable == ("127.0.0.1",)  # noqa: S104 - what others bind
    assert Listener("192.0.2.1", 1).dialable == ("192.0.2.1",)


def test_address_of_this_host_is_told_from_others() -> None:
    """Whatever its family; 192.0.2.0/24 and 2001:db8::/32 are nobody's."""
    assert listening.is_dialable("127.0.0.1")
    assert not listening.is_dialable("192.0.2.1")
    assert not listening.is_dialable("2001:db8::1")


@pytest.mark.parametrize("bound", ["127.0.0.1", "0.0.0.0"])  # noqa: S104 - this host alone connects
def test_socket_is_that_of_a_user_of_this_host(bound: str) -> None:
    """Another user may have bound the port before, and another host may have the address."""
    user = os.geteuid()
    with socket.create_server((bound, 0)) as server:
        port = server.getsockname()[1]
        assert listening.is_opened_by(user, "127.0.0.1", port)
        assert not listening.is_opened_by(user + 1, "127.0.0.1", port)
        assert not listening.is_opened_by(user, "192.0.2.1", port)
        assert listening.is_opened_by(user, "127.0.0.2", port) == (bound != "127.0.0.1")
    assert not listening.is_opened_by(user, "127.0.0.1", port)
