"""What a supervisor hears: systemd's protocol, in paths and abstract sockets."""

from __future__ import annotations

import os
import secrets
import socket
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from dockertls_vault.host.supervisor import Supervisor

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("abstract", [False, True])
def test_states_are_one_message(tmp_path: Path, *, abstract: bool) -> None:
    """Each is a line of it."""
    name = f"{secrets.token_hex(8)}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0{name}" if abstract else name)
        listener.setblocking(False)  # what was sent has arrived
        Supervisor({"NOTIFY_SOCKET": f"@{name}" if abstract else name}).tell("READY=1", "STATUS=ok")
        assert listener.recv(100) == b"READY=1\nSTATUS=ok"


@pytest.mark.parametrize("variables", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "/none"}])
def test_missing_supervisor_is_ignored(variables: dict[str, str]) -> None:
    """So is one that is gone."""
    Supervisor(variables).tell("READY=1")


@pytest.mark.parametrize(
    ("variables", "interval"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "20000000"}, timedelta(seconds=10)),
        ({"WATCHDOG_USEC": "20000000", "WATCHDOG_PID": str(os.getpid())}, timedelta(seconds=10)),
        ({"WATCHDOG_USEC": "20000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "9" * 26}, None),
        ({"WATCHDOG_USEC": "9" * 5000}, None),
    ],
)
def test_watchdog_interval_is_halved(variables: dict[str, str], interval: timedelta | None) -> None:
    """A variable for another process is ignored."""
    assert Supervisor(variables).interval == interval
