"""Run a server until standard input closes; then stop it and leave nothing behind.

The tests hold the other end of that pipe. The kernel closes it even if they are killed with
SIGKILL, so the server is always stopped and cleaned up. Usage, as JSON in one argument: the
server's command, a command to run before it is stopped, one to run afterwards, and the directory
to remove. If the server exits by itself, the directory is kept for its log.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
from typing import NoReturn

_LIMIT = 60.0  # seconds for each step; dockerd gives its containers 15


def main() -> NoReturn:
    """Exit with the server's status."""
    command, before_stop, after_stop, directory = json.loads(sys.argv[1])
    ended_by_itself = False
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        while server.poll() is None and not select.select([sys.stdin], [], [], 0.1)[0]:
            pass
        ended_by_itself = server.poll() is not None
        if not ended_by_itself:
            _run(before_stop)
    finally:
        status = _stop(server)
        _run(after_stop)
        if not ended_by_itself:
            shutil.rmtree(directory, ignore_errors=True)
    sys.exit(status)


def _run(command: list[str]) -> None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run(command, timeout=_LIMIT, check=False)


def _stop(server: subprocess.Popen[bytes]) -> int:
    """Stop the server and its children, and return its status."""
    server.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        server.wait(_LIMIT)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
    return server.wait()


if __name__ == "__main__":
    # sys.exit runs the cleanup; the default action of the signal would not.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    main()
