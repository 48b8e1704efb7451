"""A long wait is reported once, and never after it is over."""

from __future__ import annotations

import logging
import queue
import threading
import time

import pytest

from dockertls_vault.vault.http import watch
from dockertls_vault.vault.progress import Logged
from tests.vault.waits import Waits

LIMIT = 60.0  # seconds; far more than any of it takes


class Queued(Waits):
    """A Progress that passes what it is told to another thread."""

    def __init__(self) -> None:
        super().__init__()
        self.queue: queue.Queue[str] = queue.Queue()

    def waiting(self, what: str) -> None:
        """Put the text into the queue."""
        self.queue.put(what)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Report what takes a twentieth of a second."""
    monkeypatch.setattr(watch, "PATIENCE", 0.05)


@pytest.mark.usefixtures("impatient")
def test_long_wait_is_reported_once() -> None:
    """The next one is reported again, by the same thread."""
    waits = Queued()
    watched = watch.Watch(waits)
    for text in ("first", "second"):
        with watched.waiting(text):
            assert waits.queue.get(timeout=LIMIT) == text
            time.sleep(0.15)
    watched.end()
    assert waits.queue.empty()


def test_wait_of_two_seconds_is_long() -> None:
    """A shorter one is not reported."""
    assert [watch.is_long(seconds) for seconds in (1.9, 2.0)] == [False, True]


def test_short_waits_are_not_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither one during which the thread wakes nor many in a row are reported."""
    waits = Queued()
    watched = watch.Watch(waits)
    with monkeypatch.context() as impatient:
        impatient.setattr(watch, "PATIENCE", 0.05)
        with watched.waiting("long"):
            assert waits.queue.get(timeout=LIMIT) == "long"
    monkeypatch.setattr(watch, "PATIENCE", LIMIT)
    with watched.waiting("short"):
        time.sleep(0.3)
    for _ in range(1000):
        with watched.waiting("short"):
            pass
    watched.end()
    assert waits.queue.empty()


@pytest.mark.usefixtures("impatient")
def test_wait_that_is_over_is_not_reported() -> None:
    """Not after the block has ended, however long it took."""
    over = threading.Event()
    late: list[str] = []

    class Late(Waits):
        """Records what it is told after the end."""

        def waiting(self, what: str) -> None:
            """Keep it."""
            if over.is_set():
                late.append(what)

    watched = watch.Watch(Late())
    with watched.waiting("over"):
        pass
    over.set()
    time.sleep(0.2)
    watched.end()
    assert late == []


def test_wait_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """At level INFO: a slow Vault is not a warning."""
    caplog.set_level(logging.INFO, "dockertls_vault")
    logged = Logged()
    for what in ("for Vault", "for Vault at 100 %s", "for Vault"):
        logged.waiting(what)
        logged.over()
    assert caplog.messages == ["for Vault", "for Vault at 100 %s"]
    assert {record.levelname for record in caplog.records} == {"INFO"}
