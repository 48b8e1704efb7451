"""Who is connected to a port, as the kernel prints it."""

from __future__ import annotations

import socket
import sys

import pytest

from dockertls_vault.host.connections import parse, peers

HEADING = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid"
LISTENS = "   0: 00000000:0948 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0"
ESTABLISHED = "   1: 0700000A:0948 0500000A:AC0C 01 00000000:00000000 00:00000000 00000000     0"
MAPPED = (
    "   2: 0000000000000000FFFF00000700000A:0948 0000000000000000FFFF00000600000A:AC0C 01 "
    "00000000:00000000 00:00000000 00000000     0"
)
V6 = (
    "   3: B80D0120000000000000000007000000:0948 B80D0120000000000000000005000000:AC0C 01 "
    "00000000:00000000 00:00000000 00000000     0"
)


@pytest.mark.skipif(sys.byteorder == "big", reason="the lines are those of a little-endian host")
def test_established_connections_to_the_port_are_found() -> None:
    """Of both families; an IPv4 client of an IPv6 socket has its usual address."""
    others = [ESTABLISHED.replace(":0948", ":0949"), ESTABLISHED.replace(" 01 ", " 06 ")]
    lines = [HEADING, LISTENS, ESTABLISHED, ESTABLISHED, MAPPED, HEADING, V6, *others]
    found = ("10.0.0.5", "10.0.0.5", "10.0.0.6", "2001:db8::5")
    assert parse(lines, 2376) == found


def test_port_on_which_nothing_listens_is_told_from_one_without_clients() -> None:
    """It may be in another network namespace."""
    assert parse([HEADING, LISTENS], 2376) == ()
    assert parse([HEADING, ESTABLISHED], 2376) is None


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_connection_of_this_kernel_is_found(family: socket.AddressFamily) -> None:
    """With the address that the server sees, too."""
    address = "127.0.0.1" if family is socket.AF_INET else "::1"
    try:
        server = socket.create_server((address, 0), family=family)
    except OSError:
        pytest.skip("no such address on this machine")
    with server:
        port = server.getsockname()[1]
        assert peers(port) == ()
        with socket.create_connection((address, port)):
            assert peers(port) == (address,)
    assert peers(port) is None
