"""Connecting within a limit, even if DNS or an address does not answer."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from dockertls_vault import stop
from dockertls_vault.errors import VaultUnreachable
from dockertls_vault.vault.http import dialing
from dockertls_vault.vault.token_info import lookup
from tests.resolvers import LIMIT, swallowing
from tests.vault.operator import session
from tests.vault.waits import Waits

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_timeout_covers_a_dns_that_hangs(
    monkeypatch: pytest.MonkeyPatch, over: threading.Event
) -> None:
    """The error does not blame Vault."""
    monkeypatch.setattr(socket, "getaddrinfo", swallowing(over))
    started = time.monotonic()
    variables = {"VAULT_TOKEN": "t", "DOCKERTLS_TIMEOUT": "200ms"}
    with (
        session("http://vault.example:8200", Waits(), **variables) as opened,
        pytest.raises(VaultUnreachable, match="cannot be resolved: DNS timed out") as caught,
    ):
        lookup(opened)
    assert "and DNS" in caught.value.hint
    assert time.monotonic() - started < LIMIT / 2


@contextmanager
def full() -> Iterator[tuple[str, int]]:
    """Yield an address whose accept queue is full: it neither accepts nor refuses."""
    with ExitStack() as opened:
        listener = opened.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = opened.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()


def test_addresses_of_a_name_share_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that hangs, as IPv6 without a route does, leaves time for the next."""
    with full() as hanging, socket.create_server(("127.0.0.1", 0)) as listener:
        found = [
            (socket.AF_INET, socket.SOCK_STREAM, 0, "", address)
            for address in (hanging, listener.getsockname())
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        with dialing.connect("vault.example", 8200, 2.0) as connection:
            assert connection.getpeername() == listener.getsockname()
            assert 0 < (connection.gettimeout() or 0.0) <= 1.0


def test_failure_of_the_last_address_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty answer of DNS is a failure, too."""
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [])
    with pytest.raises(OSError, match=r"vault\.example has no address"):
        dialing.connect("vault.example", 8200, 1.0)


def test_interrupt_ends_a_pending_connection() -> None:
    """The program stops although the network does not respond."""
    with full() as (host, port), stop.heeded() as asked:
        timer = threading.Timer(0.2, asked.request)
        timer.start()
        started = time.monotonic()
        with pytest.raises(stop.Stopped):
            dialing.connect(host, port, LIMIT)
        assert time.monotonic() - started < LIMIT / 2
        timer.join()
