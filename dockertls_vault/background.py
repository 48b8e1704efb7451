"""Work in a background thread that never outlives the block that started it."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from contextvars import copy_context
from typing import TYPE_CHECKING, TypeVar

from . import stop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")
NAME = "dockertls-background"


@contextmanager
def in_background(work: Callable[[], T]) -> Iterator[Callable[[], T]]:
    """Run ``work`` in a thread; yield a function that waits for its result, or raises its error.

    A request to stop cuts both threads, and leaving the block cuts the work, wherever it is; what
    the work does patiently is waited for (stop.py). If no thread may be started (``ulimit -u``, a
    container's limit), the work runs when it is waited for.
    """
    own, context = stop.Stop(), copy_context()
    results: list[T] = []
    errors: list[BaseException] = []

    def heed_and_work() -> T:
        with stop.heeded(own):
            return work()

    def run() -> None:
        try:
            results.append(context.run(heed_and_work))
        except BaseException as error:  # noqa: BLE001 - it is raised where the result is waited for
            errors.append(error)

    with stop.passed_on(own):
        thread = _started(run)

        def result() -> T:
            if thread:
                thread.join()
            elif not (results or errors):
                run()
            if errors:  # also where the end was asked for: it may have left something
                raise errors[0]
            stop.check()
            return results[0]

        try:
            yield result
        finally:
            own.request()
            if thread:
                thread.join()


def _started(run: Callable[[], None]) -> threading.Thread | None:
    """Start a thread, or return None if this process may have no more of them."""
    thread = threading.Thread(target=run, name=NAME, daemon=True)
    try:
        thread.start()
    except RuntimeError:
        return None
    return thread
