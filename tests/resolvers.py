"""A resolver that never answers, as behind a firewall that drops packets."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LIMIT = 60.0  # seconds; nothing that is tested waits that long


@pytest.fixture
def over() -> Iterator[threading.Event]:
    """Return the event that ends the wait of such a resolver."""
    event = threading.Event()
    yield event
    event.set()


def swallowing(
    over: threading.Event, then: Callable[[], object] = lambda: None
) -> Callable[..., list[object]]:
    """Return a getaddrinfo that calls ``then`` and never answers."""

    def resolve(*_arguments: object, **_options: object) -> list[object]:
        then()
        over.wait(LIMIT)
        return []

    return resolve
