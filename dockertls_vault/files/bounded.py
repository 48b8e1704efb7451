"""Read a file that a user names: a token, a CA certificate, a configuration file.

It may be a pipe, such as the shell's ``<(…)``. Reading one has a timeout and stops on a signal, and
the size is limited, in case the file is endless.
"""

from __future__ import annotations

import os
import stat
import time
from typing import TYPE_CHECKING

from dockertls_vault import stop

from .descriptors import opened

if TYPE_CHECKING:
    from pathlib import Path

# Bytes; far more than a bundle of all public CAs.
LARGEST = 4 << 20
# Seconds; the program that writes to the pipe may first have to query a keyring.
PIPE_TIMEOUT = 30.0
OPEN = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_CHUNK = 1 << 16


def read(path: Path) -> bytes:
    """Return the content of a file.

    Raises OSError, among them TimeoutError for a pipe that does not end within PIPE_TIMEOUT, and
    ValueError for more than LARGEST bytes.
    """
    with opened(path, OPEN) as descriptor:
        return read_opened(descriptor)


def read_opened(descriptor: int) -> bytes:
    """Return what ``read`` does, from a descriptor opened with the flags OPEN."""
    waits = not stat.S_ISREG(os.fstat(descriptor).st_mode)
    found = bytearray()
    deadline = time.monotonic() + PIPE_TIMEOUT
    while True:
        if waits and not stop.readable(descriptor, max(0.0, deadline - time.monotonic())):
            raise TimeoutError(0, f"no end of file within {PIPE_TIMEOUT:.0f} s")
        part = os.read(descriptor, _CHUNK)
        found += part
        if len(found) > LARGEST:
            raise ValueError(f"it has more than {LARGEST >> 20} MiB")
        if not part:
            return bytes(found)
