"""Call a daemon until SIGTERM, and print what became of the calls, as JSON.

python3 callers.py DIR, on a host: ``DIR`` holds ca.pem, cert.pem and key.pem of a client. Each kind
of caller lists the containers, again and again, each time on a connection of its own: over TLS
without pause, so that they have the processors; at the Unix socket ten times a second. A line says
that each has had a response since the line before; each begins another call after SIGTERM.
"""

from __future__ import annotations

import faulthandler
import hashlib
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import traceback
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_ADDRESS = ("127.0.0.1", 2376)
_SOCKET = "/run/docker.sock"
_REQUEST = b"GET /containers/json HTTP/1.0\r\nHost: docker\r\n\r\n"
_PAUSE = 0.1  # seconds between two calls at the Unix socket
_LIMIT = 60.0  # seconds, many times what a restart takes
# What the docker CLI prints if nobody listens, and if the daemon ends a connection.
_NOBODY = ("Cannot connect to the Docker daemon", "connection refused", "no such file")
_ENDED = ("EOF", "reset by peer", "broken pipe")


class Refused(Exception):
    """Nobody listened."""


class Lost(Exception):
    """The daemon accepted the connection, and ended it without a complete response."""


def main(directory: str) -> None:
    """Call until SIGTERM; print the duration, the certificates seen, and each caller's counts."""
    context = ssl.create_default_context(cafile=f"{directory}/ca.pem")
    context.load_cert_chain(f"{directory}/cert.pem", f"{directory}/key.pem")
    seen: set[str] = set()
    os.environ["DOCKER_CERT_PATH"] = directory
    address = "tcp://{}:{}".format(*_ADDRESS)
    callers: dict[str, Callable[[], None]] = {
        "Python, TLS": lambda: _over_tls(context, seen),
        "docker, TLS": lambda: _docker("--tlsverify", "-H", address),
        "Python, Unix socket": lambda: _paused(_over_unix),
        "docker, Unix socket": lambda: _paused(_docker, "-H", f"unix://{_SOCKET}"),
    }
    found: dict[str, Counter[str]] = {name: Counter() for name in callers}
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    faulthandler.register(signal.SIGUSR1)  # prints what each thread does
    threads = [
        threading.Thread(target=_call, args=(call, found[name], ended))
        for name, call in callers.items()
    ]
    start = time.monotonic()
    for thread in threads:
        thread.start()
    # A join() without a limit would only end by a signal that this very thread gets.
    while not ended.is_set():
        before = {name: counts["answered"] for name, counts in found.items()}
        while not ended.is_set() and any(found[name]["answered"] == before[name] for name in found):
            time.sleep(0.05)
        sys.stdout.write("answered\n")
        sys.stdout.flush()
    for thread in threads:
        thread.join()
    seconds = time.monotonic() - start
    json.dump({"seconds": seconds, "certificates": len(seen), "callers": found}, sys.stdout)


def _call(call: Callable[[], None], found: Counter[str], ended: threading.Event) -> None:
    is_last = False
    while not is_last:
        is_last = ended.is_set()  # it begins after what was to be seen
        try:
            call()
        except Refused:
            found["refused"] += 1
        except Lost:
            found["lost"] += 1
        except Exception as error:  # noqa: BLE001 - it is counted
            steps = [step.name for step in traceback.extract_tb(error.__traceback__)]
            ours = [name for name in steps if name in globals()]
            found[f"other: {error!r} in {ours[-1]}"] += 1
        else:
            found["answered"] += 1


def _paused(call: Callable[..., None], *arguments: str) -> None:
    time.sleep(_PAUSE)
    call(*arguments)


def _over_tls(context: ssl.SSLContext, seen: set[str]) -> None:
    with socket.socket() as connection:
        _connect(connection, _ADDRESS)
        try:
            with context.wrap_socket(connection, server_hostname=_ADDRESS[0]) as secured:
                certificate = secured.getpeercert(binary_form=True)
                _ask(secured)
        except (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError):
            raise Lost from None
        seen.add(hashlib.sha256(certificate or b"").hexdigest())


def _over_unix() -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        _connect(connection, _SOCKET)
        try:
            _ask(connection)
        except ConnectionError:
            raise Lost from None


def _connect(connection: socket.socket, address: tuple[str, int] | str) -> None:
    connection.settimeout(_LIMIT)
    try:
        connection.connect(address)
    except (ConnectionRefusedError, FileNotFoundError):
        raise Refused from None


def _ask(connection: socket.socket) -> None:
    connection.sendall(_REQUEST)
    with connection.makefile("rb") as file:
        response = file.read()
    head, _, body = response.partition(b"\r\n\r\n")
    if not body.rstrip().endswith(b"]"):
        raise Lost
    if b" 200 " not in head:
        raise ValueError(response)


def _docker(*options: str) -> None:
    run = subprocess.run(
        ["docker", *options, "ps"],
        capture_output=True,
        text=True,
        timeout=_LIMIT,
        check=False,
    )
    if run.returncode:
        if any(words in run.stderr for words in _NOBODY):
            raise Refused
        if any(words in run.stderr for words in _ENDED):
            raise Lost
        raise ValueError(run.stderr)


if __name__ == "__main__":
    main(sys.argv[1])
