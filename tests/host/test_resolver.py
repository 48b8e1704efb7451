"""DNS lookups with a time limit."""

from __future__ import annotations

import signal
import socket
import threading

import pytest

from dockertls_vault.host.resolver import resolve
from tests.resolvers import LIMIT, swallowing


def test_unresponsive_dns_times_out(monkeypatch: pytest.MonkeyPatch, over: threading.Event) -> None:
    """The message names DNS."""
    monkeypatch.setattr(socket, "getaddrinfo", swallowing(over))
    with pytest.raises(socket.gaierror, match="DNS timed out"):
        resolve("vault.example", 8200, 0.05)
    assert not over.is_set()


def test_interrupt_during_a_dns_lookup_is_immediate(
    monkeypatch: pytest.MonkeyPatch, over: threading.Event
) -> None:
    """Ctrl-C does not wait for the answer."""
    main = threading.main_thread().ident or 0
    interrupt = swallowing(over, lambda: signal.pthread_kill(main, signal.SIGINT))
    monkeypatch.setattr(socket, "getaddrinfo", interrupt)
    with pytest.raises(KeyboardInterrupt):
        resolve("vault.example", 8200, LIMIT)
    assert not over.is_set()


@pytest.mark.parametrize("host", [f"{'a' * 64}.example", "a..example"])
def test_invalid_host_name_does_not_exist(host: str) -> None:
    """An empty or overlong label, which Python cannot encode, is no other kind of error."""
    with pytest.raises(socket.gaierror, match="not a valid host name") as caught:
        resolve(host, 8200, LIMIT)
    assert caught.value.errno == socket.EAI_NONAME
