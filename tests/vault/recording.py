"""Servers that record every request: Vault, an agent, proxies and a Unix socket.

Each answers every request with the same list, which also passes for GitHub's JWT.
"""

from __future__ import annotations

import contextlib
import json
import socket
import socketserver
import ssl
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_LIMIT = 30.0  # seconds; far more than anything here takes
# The first byte of a SOCKS5 client, and the length of an address by its type (RFC 1928).
_SOCKS = b"\x05"
_ADDRESS_LENGTHS = {1: 4, 4: 16}
_HEADERS = (
    "Host",
    "Authorization",
    "Proxy-Authorization",
    "X-Vault-MFA",
    "X-Vault-Namespace",
    "X-Vault-Request",
    "X-Vault-Token",
    "X-Vault-Wrap-TTL",
)
_TUNNEL_HEADERS = ("Proxy-Authorization",)


@dataclass(frozen=True)
class Arrival:
    """A request, reduced to what matters; ``door`` is the server that received it."""

    door: str
    request: str
    headers: tuple[tuple[str, str], ...]
    server_name: str | None = None
    client: str | None = None


@dataclass
class Recorder:
    """The addresses of the servers by name, and the requests that they received.

    A server in ``redirects`` sends whoever comes to the same path below the URL there, and
    answers whom it sent to itself, below /moved.
    """

    addresses: dict[str, str] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    arrivals: list[Arrival] = field(default_factory=list)


@contextlib.contextmanager
def recording(directory: Path, credentials: Mapping[str, Path]) -> Iterator[Recorder]:
    """Run the servers; each of ``credentials`` is a TLS server that requests a certificate.

    ``vault``, ``agent`` and ``standby`` speak HTTP, ``proxy`` too; a tunnel through it ends at the
    first of the TLS servers, whatever host is asked for. Who speaks SOCKS to any of these comes to
    ``socks``. ``h2`` is the first of the TLS servers with HTTP/2, of which it sees no more than
    that it is chosen. ``unix`` is a socket in ``directory``.
    """
    found = Recorder()
    first = next(iter(credentials))
    doors = [
        *((name, None) for name in ("vault", "agent", "standby", "proxy")),
        *credentials.items(),
        ("h2", credentials[first]),
    ]
    with contextlib.ExitStack() as running:
        for name, credential in doors:
            server = _Server(("127.0.0.1", 0), found, name, credential, credentials[first])
            running.enter_context(_serving(server))
            scheme = "http" if credential is None else "https"
            found.addresses[name] = f"{scheme}://127.0.0.1:{server.server_address[1]}"
        path = directory / "vault.sock"
        running.enter_context(_serving(_UnixServer(str(path), found, "unix", None, None)))
        found.addresses["unix"] = f"unix://{path}"
        yield found


class _Recording:
    """What a server knows: its name, its certificate, and where a tunnel through it ends."""

    daemon_threads = True

    def __init__(
        self, address: Any, found: Recorder, name: str, own: Path | None, tunnel: Path | None
    ) -> None:
        self.found = found
        self.name = name
        self.own = own
        self.tunnel = tunnel
        super().__init__(address, _Handler)  # type: ignore[call-arg]  # socketserver's

    def handle_error(self, *_: object) -> None:
        """Stay silent: the tests include clients that break off."""


class _Server(_Recording, socketserver.ThreadingTCPServer):
    allow_reuse_address = True


class _UnixServer(_Recording, socketserver.ThreadingUnixStreamServer):
    pass


@contextlib.contextmanager
def _serving(server: _Server | _UnixServer) -> Iterator[None]:
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join(_LIMIT)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server | _UnixServer

    def setup(self) -> None:
        self.request.settimeout(_LIMIT)
        self._door = self.server.name
        if self.request.recv(1, socket.MSG_PEEK) == _SOCKS:
            self._speak_socks()
        self._server_name: str | None = None
        if self.server.own is not None:
            self._start_tls(self.server.own)
        super().setup()

    def do_GET(self) -> None:
        self._record()
        target = self.server.found.redirects.get(self._door)
        if target is not None and not self.path.startswith("/moved"):
            self.send_response(307)
            self.send_header("Location", target + self.path)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        raw = json.dumps({"data": {"keys": ["one"]}, "value": "a.b.c"}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    do_POST = do_PUT = do_LIST = do_GET  # noqa: N815 - named by http.server

    def do_CONNECT(self) -> None:
        self._record(_TUNNEL_HEADERS)  # what else there is, is up to the version of HTTP
        self.send_response(200)
        self.end_headers()
        self.close_connection = False
        assert self.server.tunnel is not None
        self._door = "tunnel"
        self._start_tls(self.server.tunnel)
        super().setup()

    def address_string(self) -> str:
        return self._door

    def log_message(self, *_: object) -> None:
        """Stay silent."""

    def _record(self, names: tuple[str, ...] = _HEADERS) -> None:
        # Vault ignores a slash after a namespace.
        headers = tuple(
            (name, self.headers[name].strip("/")) for name in names if name in self.headers
        )
        request = f"{self.command} {self.path}"
        self.server.found.arrivals.append(
            Arrival(self._door, request, headers, self._server_name, self._client())
        )

    def _speak_socks(self) -> None:
        """Let a SOCKS client connect to any host, which is this server (RFC 1928)."""
        stream = self.request.makefile("rb", buffering=0)
        _version, methods = stream.read(2)
        stream.read(methods)
        self.request.sendall(_SOCKS + b"\0")
        kind = stream.read(4)[-1]
        stream.read(_ADDRESS_LENGTHS.get(kind) or stream.read(1)[0])
        stream.read(2)
        self.request.sendall(_SOCKS + b"\0\0\1" + bytes(6))
        self._door = "socks"

    def _start_tls(self, credential: Path) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(credential / "cert.pem", credential / "key.pem")
        context.load_verify_locations(credential / "ca.pem")
        context.verify_mode = ssl.CERT_OPTIONAL

        def note(_connection: object, name: str | None, _context: object) -> None:
            self._server_name = name

        context.sni_callback = note
        if self._door == "h2":
            context.set_alpn_protocols(["h2"])
        self.request = context.wrap_socket(self.request, server_side=True)
        if self.request.selected_alpn_protocol() == "h2":
            self.server.found.arrivals.append(Arrival(self._door, "HTTP/2", ()))
            raise ConnectionAbortedError

    def _client(self) -> str | None:
        """Return the common name of the client's certificate."""
        if not isinstance(self.request, ssl.SSLSocket):
            return None
        der = self.request.getpeercert(binary_form=True)
        if der is None:
            return None
        names = x509.load_der_x509_certificate(der).subject
        return str(names.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def unused_port() -> int:
    """Return a loopback port without a listener."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port
