"""A command that is run as a shell would run it: its signals are its own, and so is its status."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import FrameType

from dockertls_vault import stop
from dockertls_vault.errors import CannotRun, CommandNotFound

_PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


def run(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a command and return its status as a shell would: 128 + n if signal n ended it.

    It gets the signals that this process gets, and decides itself whether it ends. Raises
    CannotRun if it cannot be started; to be called in the main thread.
    """
    waiting: list[int] = []
    process: subprocess.Popen[bytes] | None = None

    def pass_on(number: int, _frame: FrameType | None) -> None:
        if process is None:
            waiting.append(number)
        elif number not in {signal.SIGINT, signal.SIGQUIT} or not _in_foreground():
            process.send_signal(number)
        # else the key that was pressed sent it to the command as well

    before = {
        number: signal.signal(number, pass_on)
        for number in _PASSED_ON
        if signal.getsignal(number) is not signal.SIG_IGN  # as under nohup
    }
    try:
        stop.check()  # whatever came before is for us; from here on it is for the command
        process = subprocess.Popen(command, env=dict(environment))
        for number in waiting:
            process.send_signal(number)
        status = process.wait()
    except OSError as error:
        kind = CommandNotFound if isinstance(error, FileNotFoundError) else CannotRun
        raise kind(f"cannot run {command[0]!r}: {error.strerror}") from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return status if status >= 0 else 128 - status


def _in_foreground() -> bool:
    """Tell whether a terminal sends the signals of its keys to this process and its children."""
    with suppress(OSError), open("/dev/tty", "rb", buffering=0) as terminal:  # noqa: PTH123 - a Path has no more to offer here
        return os.tcgetpgrp(terminal.fileno()) == os.getpgrp()
    return False
