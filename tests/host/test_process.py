"""Running a command: its exit status and its signals."""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING

import pytest

from dockertls_vault import stop
from dockertls_vault.cli import signals
from dockertls_vault.errors import CannotRun, CommandNotFound
from dockertls_vault.host.process import Child
from tests.test_dev import wait

if TYPE_CHECKING:
    from pathlib import Path

# Prints "ready", and exits with 42 on a signal.
TRAPS = 'trap "exit 42" TERM INT HUP; echo ready >"$0"; while :; do sleep 0.02; done'


@pytest.mark.parametrize(
    ("command", "status"),
    [(["true"], 0), (["sh", "-c", "exit 7"], 7), (["sh", "-c", "kill -9 $$"], 128 + 9)],
)
def test_exit_status_of_a_command_is_returned(command: list[str], status: int) -> None:
    """It is the status that a shell reports."""
    assert Child(command, os.environ).run() == status


def test_command_that_cannot_be_started_is_an_error(tmp_path: Path) -> None:
    """It may be missing or not executable."""
    with pytest.raises(CommandNotFound):
        Child(["no-such-command"], os.environ).run()
    file = tmp_path / "plain"
    file.touch(0o644)
    with pytest.raises(CannotRun) as not_executable:
        Child([str(file)], os.environ).run()
    assert not_executable.type is CannotRun


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signal_is_passed_to_the_command(number: signal.Signals, tmp_path: Path) -> None:
    """Its own status counts, and the signal handlers are restored."""
    ready = tmp_path / "ready"

    def interrupt() -> None:
        wait(ready.exists)
        os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    thread = threading.Thread(target=interrupt)
    thread.start()
    child = Child(["sh", "-c", TRAPS, str(ready)], os.environ)
    with signals.forwarded(child.forward):
        assert child.run() == 42
    thread.join()
    assert signal.getsignal(number) is before


def test_signal_before_the_start_prevents_the_command(tmp_path: Path) -> None:
    """The command is not started any more."""
    with stop.heeded() as asking:
        asking.request()
        with pytest.raises(stop.Stopped):
            Child(["touch", str(tmp_path / "started")], os.environ).run()
    assert not (tmp_path / "started").exists()
