"""Report long waits for Vault, from one thread per session."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from dockertls_vault.vault.progress import Progress

# Seconds; a wait that takes longer is reported.
PATIENCE = 2.0


def is_long(seconds: float) -> bool:
    """Tell whether a wait that is known to take ``seconds`` is reported."""
    return seconds >= PATIENCE


class Watch:
    """Reports to ``progress`` each wait that takes longer than PATIENCE.

    A thread for each request would cost more than the request. The single thread wakes only every
    PATIENCE seconds, or when a wait is due, so that a short wait wakes no thread.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._started = False
        self._text: str | None = None
        self._due = 0.0

    @contextmanager
    def waiting(self, text: str) -> Iterator[None]:
        """Report ``text`` if the block takes long, but not after the block."""
        with self._lock:
            self._text, self._due = text, time.monotonic() + PATIENCE
        if not self._started:
            self._started = True
            with suppress(RuntimeError):  # no more threads are allowed: waits are not reported
                threading.Thread(target=self._watch, daemon=True).start()
        try:
            yield
        finally:
            with self._lock:
                self._text = None

    def tell(self, text: str) -> None:
        """Report ``text`` at once, for a wait that is known to be long."""
        self._progress.waiting(text)

    def over(self) -> None:
        """Report that the wait is over."""
        self._progress.over()

    def end(self) -> None:
        """Stop reporting."""
        self._ended.set()

    def _watch(self) -> None:
        pause = PATIENCE
        while not self._ended.wait(pause):
            with self._lock:
                pause = self._due - time.monotonic() if self._text else PATIENCE
                if self._text and pause <= 0:
                    self._progress.waiting(self._text)
                    self._text, pause = None, PATIENCE


class Unwatched:
    """Reports nothing, because another thread waits for this one and reports that."""

    def waiting(self, _text: str) -> AbstractContextManager[None]:
        return nullcontext()

    def tell(self, _text: str) -> None:
        """Do nothing."""

    def over(self) -> None:
        """Do nothing."""

    def end(self) -> None:
        """Do nothing."""
