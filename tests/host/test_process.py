"""A command that is run, its status and its signals."""

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

# Says that it is ready, and ends with 42 when it is told to end.
TRAPS = 'trap "exit 42" TERM INT HUP; echo ready >"$0"; while :; do sleep 0.02; done'


@pytest.mark.parametrize(
    ("command", "status"),
    [(["true"], 0), (["sh", "-c", "exit 7"], 7), (["sh", "-c", "kill -9 $$"], 128 + 9)],
)
def test_a_commands_status_is_returned(command: list[str], status: int) -> None:
    """As a shell tells it."""
    assert Child(command, os.environ).run() == status


def test_a_command_that_cannot_be_started_is_an_error(tmp_path: Path) -> None:
    """Not there, or not executable."""
    with pytest.raises(CommandNotFound):
        Child(["no-such-command"], os.environ).run()
    file = tmp_path / "plain"
    file.touch(0o644)
    with pytest.raises(CannotRun) as not_executable:
        Child([str(file)], os.environ).run()
    assert not_executable.type is CannotRun


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_is_the_commands_to_answer(number: signal.Signals, tmp_path: Path) -> None:
    """It is passed on, and the command's own status counts; the handlers are put back."""
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


def test_a_signal_of_before_is_no_affair_of_the_commands(tmp_path: Path) -> None:
    """It is not started any more."""
    with stop.heeded() as asking:
        asking.request()
        with pytest.raises(stop.Stopped):
            Child(["touch", str(tmp_path / "started")], os.environ).run()
    assert not (tmp_path / "started").exists()
