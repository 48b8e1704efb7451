"""Servers as child processes: they end with the tests, and a failure has their log."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

# Seconds for a server to start or end; far more than needed, so that only a hang fails.
LIMIT = 120.0
_PAUSE = 0.02
# Below the ephemeral ports (net.ipv4.ip_local_port_range begins at 32768).
_PORTS = range(10000, 32000)


def wait_until(done: Callable[[], bool], state: Callable[[], str] = str) -> None:
    """Return once ``done`` returns true; fail with ``state()`` after LIMIT."""
    deadline = time.monotonic() + LIMIT
    while not done():
        assert time.monotonic() < deadline, f"not done after {LIMIT:.0f} s: {state()}"
        time.sleep(_PAUSE)


class ServerFailed(Exception):
    """A server exited; the text has its log."""


class Server:
    """A running process and its log, which gets stdout and stderr."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self.log = log

    def wait_for(self, ready: Callable[[], bool]) -> None:
        """Return once ``ready`` returns true; raise ServerFailed if the server exits first."""

        def is_ready() -> bool:
            if ready():
                return True
            if self.process.poll() is not None:
                raise ServerFailed(f"ended with status {self.process.returncode}: {self._story()}")
            return False

        wait_until(is_ready, self._story)

    def says(self, text: str) -> bool:
        """Tell whether ``text`` is in the log."""
        return text in self.log.read_text(errors="replace")

    def _story(self) -> str:
        return f"{self.process.args!r}\n{self.log.read_text(errors='replace')}"


@contextmanager
def serving(
    command: Sequence[str], directory: Path, *, environ: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """Run ``command`` in ``directory``, its HOME, which gets the log; end it with SIGTERM.

    Its environment is the tester's PATH and ``environ``.
    """
    log = directory / "server.log"
    environment = {"PATH": os.environ["PATH"], "HOME": str(directory), **(environ or {})}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*_die_with_the_tester(), *command],
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        yield Server(process, log)
    finally:
        process.terminate()
        try:
            process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_ports(count: int = 1) -> int:
    """Return a port that is free on 127.0.0.1, as are the ``count`` - 1 after it.

    It is not an ephemeral port, so another process is unlikely to take it before its use.
    """
    while True:
        first = secrets.choice(_PORTS)
        if all(_is_free(first + more) for more in range(count)):
            return first


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def _die_with_the_tester() -> list[str]:
    """Return the start of a command line that makes Linux send SIGTERM when the tests die."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM"] if setpriv else []
