"""What `daemon configure` brings about: where dockerd listens, and its settings; pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_address
from typing import TYPE_CHECKING, Any

from dockertls_vault.docker.endpoint import DEFAULT_PORT, Endpoint, parse_endpoint
from dockertls_vault.docker.flags import TLS_FILES
from dockertls_vault.docker.hosts import DEFAULT_SOCKET
from dockertls_vault.errors import InvalidInput
from dockertls_vault.host.listening import Listener

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

HOSTS = "hosts"
LIVE_RESTORE = "live-restore"
UNIX_SOCKET = f"unix://{DEFAULT_SOCKET}"
EVERY_IPV4 = "0.0.0.0"  # noqa: S104 - compared with
# Of both families, as in Go and in systemd: BindIPv6Only=both.
_EVERY = "::"
_BROADCAST = IPv4Address("255.255.255.255")
_PORT = re.compile("[0-9]+")


@dataclass(frozen=True)
class Listen:
    """An address and a port at which dockerd serves TLS; ``::`` is every address, IPv4 too."""

    address: str
    port: int

    def __str__(self) -> str:
        return Endpoint(self.address, self.port).authority

    @property
    def stream(self) -> str:
        """The value of ListenStream=; a port alone also works on a host without IPv6."""
        return str(self.port) if self.is_every else str(self)

    @property
    def is_every(self) -> bool:
        """Whether it is every address of the host, of both families."""
        return self.address == _EVERY

    @property
    def endpoint(self) -> Endpoint:
        """Where this host itself reaches it, by IPv4 if it can be reached by both families."""
        return self.endpoints[-1]

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """Where this host reaches it by each family; it need not have an address of IPv6."""
        addresses = Listener(self.address, self.port).dialable
        return tuple(Endpoint(address, self.port) for address in addresses)

    def is_opened_as(self, address: str) -> bool:
        """Tell whether its socket listens there; without IPv6, every address is that of IPv4."""
        opened = (_EVERY, EVERY_IPV4) if self.is_every else (self.address,)
        return address in opened

    def includes(self, other: Listen) -> bool:
        """Tell whether the kernel refuses ``other`` as in use while this one is open."""
        every = self.address == _EVERY or (self.address == EVERY_IPV4 and ":" not in other.address)
        return self.port == other.port and (every or self.address == other.address)

    def overlaps(self, other: Listen) -> bool:
        """Tell whether only one of the two can be open."""
        return self.includes(other) or other.includes(self)


DEFAULT = Listen(_EVERY, DEFAULT_PORT)


@dataclass(frozen=True)
class Wanted:
    """The set-up that was asked for: the directory of the credential, and where dockerd listens.

    ``listen`` is empty for where it was set up before, or the addresses that are taken over, or the
    default. With ``take_over``, settings that clash are moved.
    """

    certificates: Path
    listen: tuple[Listen, ...] = ()
    take_over: bool = False


def parse_listen(text: str) -> Listen:
    """Parse a port, an IP address, or both (``10.0.0.7:2376``, ``[::1]:2376``).

    Raises InvalidInput for anything else, including names: they could resolve to another host.
    """
    found = parse_endpoint(f"[{_EVERY}]:{text}" if _PORT.fullmatch(text) else text)
    if not found.is_address:
        raise InvalidInput(
            f"neither an IP address nor a port: {text!r}",
            hint="write it as 2376, 10.0.0.7:2376 or [2001:db8::7]:2376",
        )
    address = ip_address(found.host)
    if address.is_multicast or address == _BROADCAST:
        raise InvalidInput(
            f"not an address of a host: {text!r}", hint="choose one that `ip address` shows"
        )
    return Listen(found.host, found.port)


def parse_listens(texts: Iterable[str]) -> tuple[Listen, ...]:
    """Parse each, without repetitions; raises InvalidInput if one of them includes another."""
    found = tuple(dict.fromkeys(map(parse_listen, texts)))
    for one in found:
        for other in found:
            if one != other and one.includes(other):
                raise InvalidInput(f"{one} includes {other}", hint=f"leave out {other}")
    return found


def settings(files: Sequence[Path], *, live_restore: bool) -> Mapping[str, Any]:
    """Return the settings of daemon.json for the public paths of ca.pem, certificate and key."""
    # Without tlscacert, dockerd accepts the clients of every public CA, so that all are set.
    paths = dict(zip(TLS_FILES, map(str, files), strict=True))
    return {"tlsverify": True} | paths | ({LIVE_RESTORE: True} if live_restore else {})


def hosts(listens: Iterable[Listen]) -> list[str]:
    """Return the values of -H, or of ``hosts``: the Unix socket, and each of ``listens``."""
    return [UNIX_SOCKET, *(f"tcp://{listen}" for listen in listens)]
