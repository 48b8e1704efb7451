"""Says what is waited for where it takes long; one thread does it for all waits of a session."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockertls_vault.vault.progress import Progress


class Watch:
    """Tells ``progress`` of a wait that is longer than ``patience``, in seconds.

    The thread looks as often as that, or when a wait is due, so that one which is over in
    milliseconds wakes nobody: a thread for each request would cost more than the request.
    """

    def __init__(self, progress: Progress, patience: float) -> None:
        self._progress = progress
        self._patience = patience
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._started = False
        self._text: str | None = None
        self._due = 0.0

    @contextmanager
    def waiting(self, text: str) -> Iterator[None]:
        """Have ``text`` said if it takes long until the block ends, and not after that."""
        with self._lock:
            self._text, self._due = text, time.monotonic() + self._patience
        if not self._started:
            self._started = True
            with suppress(RuntimeError):  # no more threads are allowed: then no wait is said
                threading.Thread(target=self._look, daemon=True).start()
        try:
            yield
        finally:
            with self._lock:
                self._text = None

    def end(self) -> None:
        """Watch no more."""
        self._ended.set()

    def _look(self) -> None:
        pause = self._patience
        while not self._ended.wait(pause):
            with self._lock:
                pause = self._due - time.monotonic() if self._text else self._patience
                if self._text and pause <= 0:
                    self._progress.waiting(self._text)
                    self._text, pause = None, self._patience
