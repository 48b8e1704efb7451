"""Asking DNS within a limit."""

from __future__ import annotations

import signal
import socket
import threading

import pytest

from dockertls_vault.host.resolver import resolve
from tests.resolvers import LIMIT, swallowing


def test_dns_that_swallows_questions(
    monkeypatch: pytest.MonkeyPatch, over: threading.Event
) -> None:
    """It is given up when the time is over, and the words name it."""
    monkeypatch.setattr(socket, "getaddrinfo", swallowing(over))
    with pytest.raises(socket.gaierror, match="DNS timed out"):
        resolve("vault.example", 8200, 0.05)
    assert not over.is_set()


def test_an_interrupt_while_dns_is_asked(
    monkeypatch: pytest.MonkeyPatch, over: threading.Event
) -> None:
    """Ctrl-C does not wait for the answer."""
    main = threading.main_thread().ident or 0
    interrupt = swallowing(over, lambda: signal.pthread_kill(main, signal.SIGINT))
    monkeypatch.setattr(socket, "getaddrinfo", interrupt)
    with pytest.raises(KeyboardInterrupt):
        resolve("vault.example", 8200, LIMIT)
    assert not over.is_set()


def test_a_name_that_cannot_be_one() -> None:
    """A label that is too long for DNS is a mistake in the address, and nothing is asked."""
    with pytest.raises(UnicodeError):
        resolve(f"{'a' * 64}.example", 8200, 1.0)
