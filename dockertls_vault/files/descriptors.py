"""A file descriptor that is closed when its block ends."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def opened(path: Path | str, flags: int, within: int | None = None) -> Iterator[int]:
    """Open ``path``, relative to the directory ``within`` if it is given."""
    descriptor = os.open(path, flags, dir_fd=within)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
