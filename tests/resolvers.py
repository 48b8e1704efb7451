"""A resolver that swallows questions, as one behind a firewall does."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LIMIT = 60.0  # seconds; nothing that is tested waits that long


@pytest.fixture
def over() -> Iterator[threading.Event]:
    """Return what ends the waiting of a resolver that swallows questions."""
    event = threading.Event()
    yield event
    event.set()


def swallowing(
    over: threading.Event, then: Callable[[], object] = lambda: None
) -> Callable[..., list[object]]:
    """Return a getaddrinfo that does ``then`` and does not answer."""

    def resolve(*_arguments: object, **_options: object) -> list[object]:
        then()
        over.wait(LIMIT)
        return []

    return resolve
