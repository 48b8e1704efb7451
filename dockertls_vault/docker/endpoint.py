"""The endpoint of a Docker daemon, as in DOCKER_HOST and ``docker -H``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from dockertls_vault.certificate.names import parse_address, parse_dns_name
from dockertls_vault.errors import InvalidInput

# The port that IANA registered for the Docker API with TLS ("docker-s").
DEFAULT_PORT = 2376
_HIGHEST_PORT = 65535
_SCHEME = re.compile(r"(?P<scheme>[a-zA-Z][a-zA-Z0-9+.-]*)://(?P<rest>.*)", re.DOTALL)
_HOST_AND_PORT = re.compile(r"(?P<host>\[[^\]]*\]|[^:\[\]]*)(:(?P<port>[^:]*))?")
_PORT = re.compile(r"[0-9]{1,5}")
_EXAMPLE = "write it as tcp://docker.example.com:2376"
_WITHOUT_TLS = {
    "unix": "a local socket has no TLS to check; file permissions protect it",
    "npipe": "a named pipe has no TLS to check",
    "fd": "use the address that it listens on; this is systemd's socket activation",
    "ssh": "use a TLS endpoint; this connection uses SSH",
    "http": "write tcp:// to check that this plaintext is rejected",
}


@dataclass(frozen=True)
class Endpoint:
    """A host, which is a DNS name or an address without brackets, and a TCP port."""

    host: str
    port: int

    @property
    def is_address(self) -> bool:
        """Whether the host is an IP address and not a name."""
        return parse_address(self.host) is not None

    def __str__(self) -> str:
        return f"tcp://{self.authority}"

    @property
    def authority(self) -> str:
        """Host and port as in a URL: ``[::1]:2376``."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_endpoint(text: str) -> Endpoint:
    """Parse ``tcp://h:p``, ``https://h:p``, ``h:p``, ``h``, ``[v6]:p`` or ``v6``.

    The default port is 2376. Raises InvalidInput for anything else, including ``unix://`` and
    ``ssh://``.
    """
    scheme, rest = _split_scheme(text)
    if scheme not in {"", "tcp", "https"}:
        raise InvalidInput(f"not a TLS endpoint: {text!r}", hint=_WITHOUT_TLS.get(scheme, _EXAMPLE))
    rest = rest.removesuffix("/")
    if "/" in rest or "@" in rest:
        raise InvalidInput(f"more than a host and a port: {text!r}", hint=_EXAMPLE)
    if ":" in rest and not rest.startswith("[") and (address := parse_address(rest)):
        return Endpoint(address, DEFAULT_PORT)
    match = _HOST_AND_PORT.fullmatch(rest)
    if match is None:
        raise InvalidInput(
            f"neither a host nor a host and a port: {text!r}",
            hint="an IPv6 address with a port is written as [::1]:2376",
        )
    host = match["host"]
    return Endpoint(parse_address(host) or parse_dns_name(host), _parse_port(match["port"], text))


def _split_scheme(text: str) -> tuple[str, str]:
    match = _SCHEME.fullmatch(text)
    return (match["scheme"].lower(), match["rest"]) if match else ("", text)


def _parse_port(port: str | None, text: str) -> int:
    if port is None:
        return DEFAULT_PORT
    if _PORT.fullmatch(port) and 0 < int(port) <= _HIGHEST_PORT:
        return int(port)
    raise InvalidInput(
        f"not a port: {port!r} in {text!r}", hint=f"a port is a number from 1 to {_HIGHEST_PORT}"
    )
