"""Run a program of this host for what it prints: it has no terminal, and a limited time."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# In seconds: poll(2) counts milliseconds in a signed 32-bit integer.
_LONGEST = 24 * 86400.0


def run(
    command: Sequence[str], limit: float, environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, with this process's environment unless it has an ``environ``.

    Raises OSError if it cannot be started, and subprocess.TimeoutExpired after ``limit`` seconds,
    when it is killed.
    """
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=min(limit, _LONGEST),
        check=False,
        env=environ,
        # Ctrl-C is for us: the program would seem to have failed, or leave halfway what it does.
        start_new_session=True,
    )
