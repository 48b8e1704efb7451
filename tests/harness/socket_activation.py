"""Open the sockets of a unit and become its service, as systemd does (sd_listen_fds(3)).

python3 socket_activation.py UNIT.socket COMMAND…
"""

from __future__ import annotations

import configparser
import errno
import os
import socket
import sys
import time

_FIRST = 3  # SD_LISTEN_FDS_START
_LEAVING = 60.0  # seconds


def main(unit: str, *command: str) -> None:
    """Listen on the port of ``unit`` (ListenStream), and run ``command`` with that socket."""
    parser = configparser.ConfigParser()
    with open(unit, encoding="utf-8") as file:  # noqa: PTH123 - this runs on its own
        parser.read_file(file)
    listener = _listen(int(parser["Socket"]["ListenStream"]))
    os.dup2(listener.fileno(), _FIRST)
    os.set_inheritable(_FIRST, True)
    environ = {**os.environ, "LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
    os.execvpe(command[0], command, environ)  # noqa: S606 - the arguments are the test's own


def _listen(port: int) -> socket.socket:
    """Listen on ``port`` of every address, waiting for a daemon that is just ending."""
    until = time.monotonic() + _LEAVING
    while True:
        try:
            return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() > until:
                raise
            time.sleep(0.5)


if __name__ == "__main__":
    main(*sys.argv[1:])
