"""After a request to stop, waits end, but nothing is interrupted in the middle of a step."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import pytest

from dockertls_vault import stop
from dockertls_vault.check import check
from dockertls_vault.docker.endpoint import Endpoint
from dockertls_vault.files import atomic, reading
from dockertls_vault.host.resolver import resolve
from dockertls_vault.settings.address import Target
from dockertls_vault.vault.http import transport
from tests.docker.servers import silent
from tests.resolvers import swallowing
from tests.vault.operator import settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NOW = datetime.now(UTC)
LIMIT = 60.0  # seconds; far more than any of it takes


def test_stop_is_raised_only_at_a_check() -> None:
    """A request by itself raises nothing."""
    with stop.heeded() as asked:
        stop.check()
        asked.request()
        with pytest.raises(stop.Stopped):
            stop.check()
    stop.check()


def receive() -> None:
    """Wait for data that never arrives."""
    ours, theirs = socket.socketpair()
    with ours, theirs, stop.cutting(partial(stop.shut, ours)):
        ours.recv(1)


@pytest.mark.parametrize("waiting", [lambda: stop.wait(LIMIT), receive], ids=["sleep", "socket"])
def test_wait_has_a_limit_of_its_own(waiting: Callable[[], None]) -> None:
    """A request to stop is heeded all the same, and nothing is cut afterwards."""
    with pytest.raises(TimeoutError), stop.limited(0.1):
        waiting()
    with stop.heeded() as asked:
        with stop.limited(0.1):
            stop.check()
        stop.wait(0.2)
        timer = threading.Timer(0.1, asked.request)
        timer.start()
        with pytest.raises(stop.Stopped), stop.limited(LIMIT):
            waiting()
        timer.join()


_TICKING = """
import signal, time
from dockertls_vault import stop
signal.signal(signal.SIGALRM, lambda *_: None)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.00037)
for _ in range(1000):
    stop.wait(0.0005)
signal.setitimer(signal.ITIMER_REAL, 0)
"""


def test_wait_ends_although_signals_interrupt_it() -> None:
    """Even one at its very end, as the tick that cli/signals.py has each second may come."""
    subprocess.run([sys.executable, "-c", _TICKING], check=True, timeout=LIMIT)


@pytest.mark.parametrize("waiting", [lambda: stop.wait(LIMIT), receive], ids=["sleep", "socket"])
def test_wait_ends_on_a_request(waiting: Callable[[], None]) -> None:
    """The request may come from another thread or from a signal handler."""
    with stop.heeded() as asked:
        timer = threading.Timer(0.1, asked.request)
        timer.start()
        started = time.monotonic()
        with pytest.raises(stop.Stopped):
            waiting()
        assert time.monotonic() - started < LIMIT / 2
        timer.join()


def test_patient_wait_ends_on_a_second_request() -> None:
    """The answer of a login is awaited until then, and reports how it ended."""
    with stop.heeded() as asked:
        ours, theirs = socket.socketpair()
        with ours, theirs, stop.patiently(), stop.cutting(partial(stop.shut, ours)):
            asked.request()
            stop.check()
            theirs.send(b"t")
            assert ours.recv(1) == b"t"
            asked.insist()
            assert ours.recv(1) == b""


def test_connecting_ends_at_once_and_cleanup_never() -> None:
    """Before the request is sent, nothing can be left behind."""
    with stop.heeded() as asked:
        asked.request()
        with stop.patiently(), stop.at_once(), pytest.raises(stop.Stopped):
            stop.check()
        asked.insist()
        with stop.shielded():
            stop.check()
            with stop.at_once():
                stop.wait(0)


def test_other_threads_are_not_stopped() -> None:
    """A request concerns only the thread that heeds it."""
    errors: list[BaseException] = []

    def look() -> None:
        try:
            stop.check()
        except stop.Stopped as error:
            errors.append(error)

    with stop.heeded() as asked:
        asked.request()
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
    assert errors == []


def test_check_ends_during_any_connection() -> None:
    """It does not wait for the timeouts of its connections."""
    with silent() as port, stop.heeded() as asked:
        timer = threading.Timer(0.2, asked.request)
        timer.start()
        started = time.monotonic()
        with pytest.raises(stop.Stopped):
            check(Endpoint("127.0.0.1", port), None, timeout=timedelta(seconds=LIMIT), now=NOW)
        assert time.monotonic() - started < LIMIT / 2
        timer.join()


def test_wait_for_a_lock_ends(tmp_path: Path) -> None:
    """Another run may hold it for long."""
    with (
        stop.heeded() as asked,
        reading.opened(str(tmp_path)) as directory,
        atomic.locked("lock", directory, wait=1),
    ):
        asking = threading.Timer(0.2, asked.request)
        asking.start()
        with pytest.raises(stop.Stopped), atomic.locked("lock", directory, wait=LIMIT):
            pytest.fail("it was not locked")
    asking.join()


def test_dns_lookup_is_abandoned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Getaddrinfo cannot be interrupted; its thread is left behind."""
    over = threading.Event()
    with stop.heeded() as asked:
        monkeypatch.setattr(socket, "getaddrinfo", swallowing(over, asked.request))
        with pytest.raises(stop.Stopped):
            resolve("vault.example", None, LIMIT)
    over.set()


def test_handshake_with_vault_ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was sent that could leave something behind, not even in a patient block."""
    monkeypatch.setattr(transport, "_CONNECTING", LIMIT)
    with silent() as port, stop.heeded() as asked:
        address = f"https://127.0.0.1:{port}"
        sender = transport.Transport(settings(address))
        target = Target.parse(f"{address}/v1/sys/health")
        timer = threading.Timer(0.5, asked.request)
        timer.start()
        started = time.monotonic()
        with pytest.raises(stop.Stopped), stop.patiently():
            sender.send("GET", target, headers={}, body=None, params=None, timeout=LIMIT)
        assert time.monotonic() - started < LIMIT / 2
        timer.join()
        sender.close()
