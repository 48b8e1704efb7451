"""The private Docker engine of the tests: it answers, and nothing of it survives its tests."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .harness.dockerd import find_dockerd
from .harness.engine import private_engine
from .harness.process import LIMIT

# A tester of its own, which starts an engine with a network and then waits to be killed.
_TESTER = """
from tests.harness.engine import private_engine
with private_engine() as engine:
    engine.docker("network", "create", "left-behind")
    print(engine.environ["DOCKER_HOST"], flush=True)
    input()
"""


def test_nothing_of_an_engine_survives_its_stop() -> None:
    """Its network, its processes and its directory are gone at the end of the block."""
    find_dockerd()
    before = _interfaces()
    with private_engine() as engine:
        network = engine.docker("network", "create", "left-behind").strip()
        directory = _directory(engine.environ["DOCKER_HOST"])
        assert f"br-{network[:12]}" in _interfaces() - before
        assert _processes(directory)
    assert f"br-{network[:12]}" not in _interfaces()
    assert not _processes(directory)
    assert not directory.exists()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_of_an_engine_survives_a_killed_tester(number: signal.Signals) -> None:
    """Even where the tests had no chance to clean up."""
    find_dockerd()
    before = _bridges()
    with subprocess.Popen(
        [sys.executable, "-c", _TESTER],
        cwd=Path(__file__).parents[1],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as tester:
        assert tester.stdout is not None
        directory = _directory(tester.stdout.readline().strip())
        assert _bridges() - before
        tester.send_signal(number)
    deadline = time.monotonic() + LIMIT
    while (directory.exists() or _processes(directory)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not directory.exists()
    assert not _processes(directory)
    assert not _bridges() - before


def _directory(host: str) -> Path:
    return Path(host.removeprefix("unix://")).parent


def _interfaces() -> set[str]:
    return {interface.name for interface in Path("/sys/class/net").iterdir()}


def _bridges() -> set[str]:
    return {name for name in _interfaces() if name.startswith("br-")}


def _processes(directory: Path) -> list[str]:
    """Return the command lines that name ``directory``."""
    lines = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):  # it ended
            continue
        if str(directory) in line:
            lines.append(line)
    return lines
