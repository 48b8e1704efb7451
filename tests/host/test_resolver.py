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


def test_impossible_host_name_is_refused_without_a_lookup() -> None:
    """A label longer than DNS allows is an error in the address."""
    with pytest.raises(UnicodeError):
        resolve(f"{'a' * 64}.example", 8200, 1.0)
