"""What is said only once, from whichever thread."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable


class Once:
    """Tells the first time from all later ones, for each key."""

    def __init__(self) -> None:
        self._seen: set[Hashable] = set()
        self._lock = threading.Lock()

    def first(self, key: Hashable) -> bool:
        """Return whether this is the first call with ``key``."""
        with self._lock:
            is_first = key not in self._seen
            self._seen.add(key)
        return is_first
