"""Read a file that a user names: a token's, a CA's, a configuration file.

It may be what a shell makes of ``<(…)``, or another pipe, so those are waited for, but neither for
ever nor beyond a signal; and nothing without an end is read to it.
"""

from __future__ import annotations

import os
import stat
import time
from typing import TYPE_CHECKING

from dockertls_vault import stop

if TYPE_CHECKING:
    from pathlib import Path

# Far more than the bundle of all public CAs has.
LARGEST = 4 << 20
# Seconds for a pipe, of which a program at its other end may have to ask a keyring.
PATIENCE = 30.0
OPEN = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_AT_ONCE = 1 << 16


def read(path: Path) -> bytes:
    """Return what is in a file; raises OSError, and ValueError for more than LARGEST bytes.

    TimeoutError, an OSError, is for a pipe that did not end within PATIENCE.
    """
    descriptor = os.open(path, OPEN)
    try:
        return read_opened(descriptor)
    finally:
        os.close(descriptor)


def read_opened(descriptor: int) -> bytes:
    """Return what ``read`` does, of what was opened with OPEN."""
    waits = not stat.S_ISREG(os.fstat(descriptor).st_mode)
    found = bytearray()
    deadline = time.monotonic() + PATIENCE
    while True:
        if waits and not stop.readable(descriptor, max(0.0, deadline - time.monotonic())):
            raise TimeoutError(0, f"no more data within {PATIENCE:.0f} s")
        part = os.read(descriptor, _AT_ONCE)
        found += part
        if len(found) > LARGEST:
            raise ValueError(f"it has more than {LARGEST >> 20} MiB")
        if not part:
            return bytes(found)
