"""A child process: a command that is run as a shell would run it, its signals and its status."""

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

# A terminal sends these to all that run in its foreground when Ctrl-C or Ctrl-\ is pressed.
_OF_KEYS = frozenset({signal.SIGINT, signal.SIGQUIT})


class Child:
    """A command to run with ``environment``; it decides itself what a signal means to it."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._command = command
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._kept: list[int] = []

    def pass_on(self, number: int) -> None:
        """Send it a signal that this process got, once it runs; to be called by the handler."""
        if self._process is None:
            self._kept.append(number)
        elif number not in _OF_KEYS or not _in_foreground():
            self._process.send_signal(number)
        # else the key that was pressed sent it to the command as well

    def run(self) -> int:
        """Run it and return its status as a shell would: 128 + n if signal n ended it.

        Raises CannotRun if it cannot be started, and Stopped if the end was asked for before.
        """
        stop.check()  # whatever came before is for us; from here on it is for the command
        try:
            self._process = subprocess.Popen(self._command, env=dict(self._environment))
        except OSError as error:
            kind = CommandNotFound if isinstance(error, FileNotFoundError) else CannotRun
            raise kind(f"cannot run {self._command[0]!r}: {error.strerror}") from None
        for number in self._kept:
            self._process.send_signal(number)
        status = self._process.wait()
        return status if status >= 0 else 128 - status


def _in_foreground() -> bool:
    """Tell whether a terminal sends the signals of its keys to this process and its children."""
    with suppress(OSError), open("/dev/tty", "rb", buffering=0) as terminal:  # noqa: PTH123 - a Path has no more to offer here
        return os.tcgetpgrp(terminal.fileno()) == os.getpgrp()
    return False
