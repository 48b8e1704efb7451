"""A long wait is said, once, and never when it is over."""

from __future__ import annotations

import logging
import queue
import threading
import time
from typing import TYPE_CHECKING

from dockertls_vault.vault.http.watch import Watch
from dockertls_vault.vault.progress import Logged
from tests.vault.waits import NoWaits, Waits

if TYPE_CHECKING:
    import pytest

LIMIT = 60.0  # seconds; far more than any of it takes


class Queued(Waits):
    """Gives what it is told to another thread."""

    def __init__(self) -> None:
        super().__init__()
        self.queue: queue.Queue[str] = queue.Queue()

    def waiting(self, what: str) -> None:
        """Put it into the queue."""
        self.queue.put(what)


def test_a_long_wait_is_said_once() -> None:
    """Each one anew, by the same thread."""
    waits = Queued()
    watch = Watch(waits, 0.05)
    for text in ("first", "second"):
        with watch.waiting(text):
            assert waits.queue.get(timeout=LIMIT) == text
            time.sleep(0.15)
    watch.end()
    assert waits.queue.empty()


def test_short_waits_are_not_said() -> None:
    """Neither alone nor because they come one after another."""
    watch = Watch(NoWaits(), 10.0)
    for _ in range(1000):
        with watch.waiting("x"):
            pass
    watch.end()


def test_a_wait_that_is_over_is_not_said() -> None:
    """Not once the block has ended, however long that took."""
    over = threading.Event()
    late: list[str] = []

    class Late(Waits):
        """Keeps what it is told when all is over."""

        def waiting(self, what: str) -> None:
            """Keep it."""
            if over.is_set():
                late.append(what)

    watch = Watch(Late(), 0.05)
    with watch.waiting("over"):
        pass
    over.set()
    time.sleep(0.2)
    watch.end()
    assert late == []


def test_where_nobody_shows_a_wait_it_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """As info: it is no warning that Vault takes its time."""
    caplog.set_level(logging.INFO, "dockertls_vault")
    logged = Logged()
    for what in ("for Vault", "for Vault at 100 %s", "for Vault"):
        logged.waiting(what)
        logged.over()
    assert caplog.messages == ["for Vault", "for Vault at 100 %s"]
    assert {record.levelname for record in caplog.records} == {"INFO"}
