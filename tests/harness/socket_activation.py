"""Open the sockets of a unit and become its service, as systemd does (sd_listen_fds(3)).

python3 socket_activation.py UNIT.socket COMMAND…
"""

from __future__ import annotations

import configparser
import os
import socket
import sys

_FIRST = 3  # SD_LISTEN_FDS_START


def main(unit: str, *command: str) -> None:
    """Listen where ``unit`` says (ListenStream, a port), and run ``command`` with that socket."""
    parser = configparser.ConfigParser()
    with open(unit, encoding="utf-8") as file:  # noqa: PTH123 - this runs on its own
        parser.read_file(file)
    listener = socket.create_server(
        ("", int(parser["Socket"]["ListenStream"])), family=socket.AF_INET6, dualstack_ipv6=True
    )
    os.dup2(listener.fileno(), _FIRST)
    os.set_inheritable(_FIRST, True)
    environ = {**os.environ, "LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
    os.execvpe(command[0], command, environ)  # noqa: S606 - the arguments are the test's own


if __name__ == "__main__":
    main(*sys.argv[1:])
