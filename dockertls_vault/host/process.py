"""Run a command as a shell would: pass on signals and return its exit status."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING

from dockertls_vault import stop
from dockertls_vault.errors import CannotRun, CommandNotFound

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# The terminal sends these to the whole foreground process group for Ctrl-C and Ctrl-\.
_KEYBOARD_SIGNALS = frozenset({signal.SIGINT, signal.SIGQUIT})


class Child:
    """A command to run with ``environment``; signals are forwarded to it."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._command = command
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._pending: list[int] = []

    def forward(self, number: int) -> None:
        """Forward a signal, as soon as the command runs; called by our signal handler."""
        if self._process is None:
            self._pending.append(number)
        elif number not in _KEYBOARD_SIGNALS or not _in_foreground():
            self._process.send_signal(number)
        # else the terminal already sent it to the command

    def run(self) -> int:
        """Run the command; return its exit status, or 128 + n if signal n terminated it.

        Raises CannotRun if it cannot be started, and Stopped if a signal arrived before.
        """
        stop.check()  # earlier signals are for us, later ones for the command
        try:
            self._process = subprocess.Popen(self._command, env=dict(self._environment))
        except OSError as error:
            kind = CommandNotFound if isinstance(error, FileNotFoundError) else CannotRun
            raise kind(f"cannot run {self._command[0]!r}: {error.strerror}") from None
        for number in self._pending:
            self._process.send_signal(number)
        status = self._process.wait()
        return status if status >= 0 else 128 - status


def _in_foreground() -> bool:
    """Return whether we are in the terminal's foreground process group, with our children."""
    with suppress(OSError), open("/dev/tty", "rb", buffering=0) as terminal:  # noqa: PTH123 - Path.open would add nothing
        return os.tcgetpgrp(terminal.fileno()) == os.getpgrp()
    return False
