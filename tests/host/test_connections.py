"""Who is connected to a port."""

from __future__ import annotations

import socket

import pytest

from dockertls_vault.host.connections import peers


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
    assert peers(port) == ()
