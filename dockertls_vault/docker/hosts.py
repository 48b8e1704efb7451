"""The hosts of dockerd, as in ``-H`` and in ``hosts`` of daemon.json: moby, opts/hosts.go.

That is where dockerd listens. Where a client connects (DOCKER_HOST) is in endpoint.py: its port has
another default.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from dockertls_vault.certificate.names import parse_address
from dockertls_vault.errors import InvalidInput

from .endpoint import DEFAULT_PORT, Endpoint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .flags import Flags

FD = "fd://"
DEFAULT_SOCKET = Path("/var/run/docker.sock")
_UNIX = "unix://"
_TCP = "tcp://"
_LOCAL = (_UNIX, FD, "npipe://")
# Of a TCP host without a port, with TLS too (DefaultTCPHost).
_PORT = 2375
# Of a TCP host without an address, and of localhost: Go listens at its IPv4 address.
_ADDRESS = "127.0.0.1"


def serves_tls(flags: Flags, values: Mapping[str, Any], environ: Mapping[str, str]) -> bool:
    """Tell whether a dockerd with these flags, daemon.json and environment serves TLS on TCP.

    A tlsverify turns it on whatever its value is, and so does any value of DOCKER_TLS_VERIFY.
    """
    is_verify_set = flags.tlsverify is not None or "tlsverify" in values
    on = flags.tls or values.get("tls") or environ.get("DOCKER_TLS_VERIFY")
    return is_verify_set or bool(on)


def in_force(hosts: tuple[str, ...], *, tls: bool) -> tuple[str, ...]:
    """Return the hosts, or the only one that dockerd has without any: with TLS, it is on TCP."""
    default = f"{_TCP}{_ADDRESS}:{DEFAULT_PORT}" if tls else f"{_UNIX}{DEFAULT_SOCKET}"
    return hosts or (default,)


def is_fd(host: str) -> bool:
    """Tell whether this host stands for the sockets that systemd hands over."""
    return host.startswith(FD)


def is_tcp(host: str) -> bool:
    """Tell whether dockerd serves this host on TCP, as it does one without a scheme, too."""
    return bool(host) and not host.startswith(_LOCAL)


def tcp_address(host: str) -> Endpoint:
    """Return where dockerd listens for a host that ``is_tcp``.

    Raises InvalidInput for a malformed one, with which dockerd does not start.
    """
    try:
        parts = urlsplit(f"//{host.removeprefix(_TCP)}")
        port = _PORT if parts.port is None else parts.port
    except ValueError:
        raise InvalidInput(
            f"not an address and a port: {host!r}", hint="write it as tcp://192.0.2.7:2376"
        ) from None
    name = parts.hostname or _ADDRESS
    return Endpoint(_ADDRESS if name == "localhost" else parse_address(name) or name, port)


def unix_socket(host: str) -> Path | None:
    """Return the path of a Unix socket, None for a host of another kind."""
    if not host.startswith(_UNIX):
        return None
    path = host.removeprefix(_UNIX)
    return Path(path) if path else DEFAULT_SOCKET
