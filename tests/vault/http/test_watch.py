"""A long wait is said, once, and never when it is over."""

from __future__ import annotations

import queue
import threading
import time

from dockertls_vault.vault.http.watch import Watch

LIMIT = 60.0  # seconds; far more than any of it takes


def test_a_long_wait_is_said_once() -> None:
    """Each one anew, by the same thread."""
    said: queue.Queue[str] = queue.Queue()
    watch = Watch(said.put, 0.05)
    for text in ("first", "second"):
        with watch.waiting(text):
            assert said.get(timeout=LIMIT) == text
            time.sleep(0.15)
    watch.end()
    assert said.empty()


def test_short_waits_are_not_said() -> None:
    """Neither alone nor because they come one after another."""
    said: list[str] = []
    watch = Watch(said.append, 10.0)
    for _ in range(1000):
        with watch.waiting("x"):
            pass
    watch.end()
    assert said == []


def test_a_wait_that_is_over_is_not_said() -> None:
    """Not once the block has ended, however long that took."""
    over = threading.Event()
    late: list[str] = []
    watch = Watch(lambda text: late.append(text) if over.is_set() else None, 0.05)
    with watch.waiting("over"):
        pass
    over.set()
    time.sleep(0.2)
    watch.end()
    assert late == []
