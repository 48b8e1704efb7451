"""A real dockerd on this machine, on TCP ports alone and with no network of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Without TLS it waits for 15 s, on purpose, before it listens.
START_LIMIT = 120.0  # seconds
_READY = "API listen on"

needs_dockerd = pytest.mark.skipif(
    shutil.which("dockerd") is None or os.geteuid() != 0,
    reason="needs dockerd on this machine, and root to start it",
)


@contextlib.contextmanager
def dockerd(
    directory: Path, *options: str, hosts: tuple[str, ...] = ("127.0.0.1",)
) -> Iterator[int]:
    """Run dockerd with ``options``; yield the port on which it listens at each of ``hosts``."""
    port = _free_port()
    log = directory / "dockerd.log"
    command = ["dockerd", "--bridge=none", "--iptables=false", "--storage-driver=vfs"]
    command += ["--data-root", str(directory / "data"), "--exec-root", str(directory / "exec")]
    command += ["--pidfile", str(directory / "pid"), *options]
    for host in hosts:
        command += ["-H", f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}"]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        _wait(process, log, len(hosts))
        yield port
    finally:
        process.terminate()
        process.wait(START_LIMIT)


def tls(credential: Path) -> list[str]:
    """Return the options for TLS with ca.pem, cert.pem and key.pem in ``credential``."""
    return [
        f"--tlscacert={credential / 'ca.pem'}",
        f"--tlscert={credential / 'cert.pem'}",
        f"--tlskey={credential / 'key.pem'}",
    ]


def _wait(process: subprocess.Popen[bytes], log: Path, listeners: int) -> None:
    deadline = time.monotonic() + START_LIMIT
    while log.read_text().count(_READY) < listeners:
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"dockerd did not start:\n{log.read_text()}")
        time.sleep(0.05)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port
