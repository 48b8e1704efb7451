"""One request to a port: connect, with or without TLS, get ``/version`` and classify the outcome.

In TLS 1.3 a server judges the client's certificate only after the handshake is complete for the
client (RFC 8446 §4.4.2.4), so only a response proves that it was accepted. A server that rejects it
sends an alert and closes the connection. If a request is written meanwhile, the server's reset can
hide the alert, so the probe listens for a moment after the handshake.
"""

from __future__ import annotations

import contextlib
import io
import json
import socket
import time
from dataclasses import dataclass, replace
from functools import partial
from http.client import HTTPException, HTTPResponse, IncompleteRead
from typing import TYPE_CHECKING, Any, cast

from dockertls_vault import stop
from dockertls_vault.errors import DockerUnavailable
from dockertls_vault.host.resolver import resolve

from .channel import SHORTEST_TIMEOUT, Channel, ChannelFault, Hello, seconds_left
from .outcome import (
    DENIED_BY_PLUGIN,
    Answered,
    Closed,
    Engine,
    Exchange,
    Greeting,
    NotHTTP,
    Silent,
    Version,
    one_line,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from dockertls_vault.docker.endpoint import Endpoint

    from .outcome import Outcome

# Seconds in which a server may send its alert or its session tickets before we write. The second
# value is for another try, if the first was too short and a reset hid the alert.
_PATIENCE = (0.25, 2.0)
_LONGEST_ANSWER = 64 * 1024
# The first component in Podman's /version.
_PODMAN = "Podman Engine"


@dataclass(frozen=True)
class Peer:
    """An endpoint, and which of its addresses accepted a connection."""

    endpoint: Endpoint
    family: int
    address: tuple[Any, ...]

    @property
    def ip(self) -> str:
        """The IP address."""
        return str(self.address[0])

    @property
    def server_name(self) -> str | None:
        """The SNI to send; RFC 6066 §3 allows no IP address."""
        return None if self.endpoint.is_address else self.endpoint.host


def connect(endpoint: Endpoint, timeout: timedelta) -> Peer:
    """Return the first address of ``endpoint`` that accepts a connection.

    ``timeout`` is for DNS and all addresses together; each address gets its share of what is left.
    Raises DockerUnavailable.
    """
    deadline = time.monotonic() + timeout.total_seconds()
    try:
        found = resolve(endpoint.host, endpoint.port, timeout.total_seconds())
    except OSError as error:
        raise DockerUnavailable(
            f"the name {endpoint.host!r} cannot be resolved ({error.strerror})",
            hint="check the name, or try the daemon's IP address",
        ) from None
    failures = []
    for number, (family, _, _, _, address) in enumerate(found):
        share = max(SHORTEST_TIMEOUT, (deadline - time.monotonic()) / (len(found) - number))
        peer = Peer(endpoint, family, tuple(address))
        try:
            open_connection(peer, share).close()
        except OSError as error:
            failures.append(f"{peer.ip}: {error.strerror or 'no answer'}")
        else:
            return peer
    raise DockerUnavailable(f"cannot connect to {endpoint.authority} ({'; '.join(failures)})")


def ask(peer: Peer, hello: Hello | None, timeout: timedelta) -> Exchange:
    """Request ``/version`` from ``peer``, over TLS if there is a ``hello``; never raises.

    A connection that is merely closed is inconclusive, so it is tried once more. ``timeout`` is
    for each of the two tries.
    """
    exchange = _ask(peer, hello, timeout, _PATIENCE[0])
    if isinstance(exchange.outcome, Closed):
        return _ask(peer, hello, timeout, _PATIENCE[1])
    return exchange


def greet(peer: Peer, timeout: timedelta) -> Greeting:
    """Return what ``peer`` shows to a client without a certificate; never raises.

    The connection ends with the handshake: nothing is requested.
    """
    deadline = time.monotonic() + timeout.total_seconds()
    try:
        with (
            open_connection(peer, timeout.total_seconds()) as connection,
            stop.cutting(partial(stop.shut, connection)),
        ):
            channel = Channel(connection, Hello(), peer.server_name)
            # In TLS 1.2 the server has shown everything before it rejects us.
            with contextlib.suppress(OSError):
                channel.handshake(deadline)
            host, port, *_ = connection.getsockname()
            return replace(channel.greeting, source=(host, port))
    except OSError:
        return Greeting()


def _ask(peer: Peer, hello: Hello | None, timeout: timedelta, patience: float) -> Exchange:
    deadline = time.monotonic() + timeout.total_seconds()
    try:
        with (
            open_connection(peer, timeout.total_seconds()) as connection,
            stop.cutting(partial(stop.shut, connection)),
        ):
            if hello is None:
                return Exchange(_ask_in_plaintext(connection, peer, deadline))
            channel = Channel(connection, hello, peer.server_name)
            outcome = _ask_within_tls(channel, peer, deadline, patience)
            return Exchange(outcome, channel.greeting)
    except OSError as error:
        return Exchange(_classify(error), Greeting())


def open_connection(peer: Peer, timeout: float) -> socket.socket:
    """Connect to ``peer`` within ``timeout`` seconds; raise OSError."""
    connection = socket.socket(peer.family, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout)
        with stop.cutting(partial(stop.shut, connection)):
            connection.connect(peer.address)
    except OSError:
        connection.close()
        raise
    return connection


def _ask_in_plaintext(connection: socket.socket, peer: Peer, deadline: float) -> Outcome:
    def receive() -> bytes:
        connection.settimeout(seconds_left(deadline))
        return connection.recv(_LONGEST_ANSWER)

    # If the server has closed the connection, what it sent before can still be read.
    with contextlib.suppress(ConnectionError):
        connection.sendall(_request(peer))
    return _read_answer(receive)


def _ask_within_tls(channel: Channel, peer: Peer, deadline: float, patience: float) -> Outcome:
    try:
        channel.handshake(deadline)
        channel.await_alert(min(patience, deadline - time.monotonic()), deadline)
        channel.sendall(_request(peer), deadline)
    except OSError as error:
        return _classify(error)
    return _read_answer(lambda: channel.receive(deadline))


def _request(peer: Peer) -> bytes:
    return (
        f"GET /version HTTP/1.1\r\nHost: {peer.endpoint.authority}\r\n"
        "User-Agent: dockertls-vault\r\nConnection: close\r\n\r\n"
    ).encode()


def _read_answer(receive: Callable[[], bytes]) -> Outcome:
    """Read until the server closes the connection, or until the deadline."""
    data = b""
    while len(data) < _LONGEST_ANSWER:
        try:
            part = receive()
        except OSError as error:
            if not data:
                return _classify(error)
            break
        if not part:
            break
        data += part
    return _parse_answer(data) if data else Closed()


def _parse_answer(data: bytes) -> Outcome:
    response = HTTPResponse(cast("socket.socket", _Received(data)))
    try:
        response.begin()
        body = response.read()
    except IncompleteRead as error:
        body = error.partial
    except (HTTPException, ValueError, OverflowError):  # OverflowError: an absurd Content-Length
        return NotHTTP(data[:80])
    text = body.decode("utf-8", "replace")
    version = _parse_version(text)
    engine = version.engine if version else _engine(response, text)
    return Answered(response.status, response.reason, text, engine, version)


def _engine(response: HTTPResponse, text: str) -> Engine | None:
    """Return who sent a response without a version; Podman sends Docker's header too."""
    if response.headers.get("Libpod-Api-Version") is not None:
        return Engine.PODMAN
    if response.headers.get("Api-Version") is not None or DENIED_BY_PLUGIN in text:
        return Engine.DOCKER
    return None


class _Received:
    """Stands in for a socket, so that http.client parses bytes that were received."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(self._data)


def _parse_version(text: str) -> Version | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):  # RecursionError: thousands of nested brackets
        return None
    if not isinstance(found, dict) or not found.get("ApiVersion"):
        return None
    reported = {key: one_line(str(value)) for key, value in found.items() if value}
    return Version(
        engine=Engine.PODMAN if _PODMAN in str(found.get("Components")) else Engine.DOCKER,
        version=reported.get("Version"),
        api_version=reported["ApiVersion"],
        os=reported.get("Os"),
        arch=reported.get("Arch"),
    )


def _classify(error: OSError) -> Outcome:
    """Return the outcome that an error of the connection means."""
    match error:
        case ChannelFault(outcome=outcome):
            return outcome
        case TimeoutError():
            return Silent()
    return Closed()
