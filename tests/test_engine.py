"""The private Docker engine of the tests works, and leaves nothing behind."""

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

pytestmark = pytest.mark.slow

# A separate test process that starts an engine with a network and waits to be killed.
_TESTER = """
from tests.harness.engine import private_engine
with private_engine() as engine:
    print(engine.docker("network", "create", "left-behind").strip())
    print(engine.environ["DOCKER_HOST"], flush=True)
    input()
"""


def test_stopped_engine_leaves_nothing() -> None:
    """Its network, processes and directory are gone at the end of the block."""
    find_dockerd()
    with private_engine() as engine:
        network = engine.docker("network", "create", "left-behind").strip()
        directory = _directory(engine.environ["DOCKER_HOST"])
        assert _bridge(network).exists()
        assert _processes(directory)
    assert not _bridge(network).exists()
    assert not _processes(directory)
    assert not directory.exists()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_engine_of_a_killed_test_run_leaves_nothing(number: signal.Signals) -> None:
    """This works although the tests cannot clean up."""
    find_dockerd()
    with subprocess.Popen(
        [sys.executable, "-c", _TESTER],
        cwd=Path(__file__).parents[1],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as tester:
        assert tester.stdout is not None
        network = tester.stdout.readline().strip()
        directory = _directory(tester.stdout.readline().strip())
        assert _bridge(network).exists()
        tester.send_signal(number)
    deadline = time.monotonic() + LIMIT
    while (directory.exists() or _processes(directory)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not directory.exists()
    assert not _processes(directory)
    assert not _bridge(network).exists()


def _directory(host: str) -> Path:
    return Path(host.removeprefix("unix://")).parent


def _bridge(network: str) -> Path:
    """Return the sysfs path of a network's interface."""
    return Path("/sys/class/net", f"br-{network[:12]}")


def _processes(directory: Path) -> list[str]:
    """Return the command lines that contain ``directory``."""
    lines = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):  # it ended
            continue
        if str(directory) in line:
            lines.append(line)
    return lines
