"""What of dockerd's settings clashes with a set-up; pure.

dockerd does not start if a setting is both a flag and in daemon.json (moby#22339, moby#25471), and
it ignores the sockets of systemd unless ``fd://`` is among its hosts.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dockertls_vault.docker.endpoint import Endpoint
from dockertls_vault.docker.flags import HOST, TLS, arguments
from dockertls_vault.docker.hosts import is_fd, is_tcp, tcp_address
from dockertls_vault.errors import ConflictingState, InvalidInput

from .desired import DEFAULT, EVERY_IPV4, HOSTS, LIVE_RESTORE, Listen, parse_listen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from dockertls_vault.docker.daemon_json import Document
    from dockertls_vault.docker.flags import Argument

    from .sources import Source

_BOTH = "dockerd refuses to start if daemon.json has {}, too"
_TWICE = _BOTH.format("it")
HOSTS_TWICE = "dockerd refuses to start with both this and -H"
_LISTENS = (
    "dockerd opens this port itself, so that it is closed while dockerd restarts; systemd is to "
    "hold it"
)
_IGNORES = "without fd:// among its hosts, dockerd ignores the sockets of systemd"
_OTHER = "the set-up would replace it"


@dataclass(frozen=True)
class Clash:
    """A setting that clashes: where it is, what it says, and why it clashes."""

    where: str
    what: str
    why: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}: {self.why}"


@dataclass(frozen=True)
class Existing:
    """The settings of dockerd: its flags in their ``sources``, and its daemon.json, at ``path``.

    ``ours`` are the values of daemon.json that an earlier set-up wrote.
    """

    sources: tuple[Source, ...]
    path: Path
    document: Document
    ours: Mapping[str, Any]

    @property
    def flags(self) -> tuple[tuple[Source, Argument, tuple[int, ...]], ...]:
        """Each flag, where it is, and the numbers of its words there."""
        return tuple((each, *found) for each in self.sources for found in each.arguments())

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts of dockerd, from the flags or daemon.json; dockerd rejects both."""
        given = tuple(flag.value or "" for _, flag, _ in self.flags if flag.name == HOST)
        return given or self.listed

    @property
    def listed(self) -> tuple[str, ...]:
        """The hosts in daemon.json."""
        found = self.document.values.get(HOSTS)
        return tuple(map(str, found)) if isinstance(found, list) else ()

    @property
    def has_hosts_twice(self) -> bool:
        """Whether dockerd does not start: it has hosts both as flags and in daemon.json.

        Those of an earlier set-up do not count: if it was killed, the flags are still to be edited.
        """
        given = any(flag.name == HOST for _, flag, _ in self.flags)
        return given and HOSTS in self.document.values and HOSTS not in self.ours


def find(existing: Existing, wanted: Mapping[str, Any]) -> tuple[Clash, ...]:
    """Return all that clashes with a set-up, which has the ``wanted`` values in daemon.json."""
    return tuple(_clashes(existing, wanted))


def with_flags(argv: Sequence[str], wanted: Mapping[str, Any]) -> tuple[Clash, ...]:
    """Return what clashes if dockerd keeps its arguments, and daemon.json has the ``wanted``."""
    given = ((HOSTS if each.name == HOST else each.name, each) for each in arguments(argv))
    return tuple(
        Clash("flag of dockerd", " ".join(each.words), _BOTH.format(key))
        for key, each in given
        if key in wanted
    )


def beside(listed: object, listen: Sequence[Listen]) -> tuple[str, ...]:
    """Return the ``listed`` hosts that dockerd can serve beside ``listen``."""
    found = listed if isinstance(listed, list) else ()
    return tuple(
        host
        for host in map(str, found)
        if not is_tcp(host) or not any(map(address_of(host).overlaps, listen))
    )


def address_of(host: str) -> Listen:
    """Return where dockerd listens with this host; raises ConflictingState for a name."""
    try:
        found = tcp_address(host)
        # Here, too, Go listens at every address of both families.
        address = DEFAULT.address if found.host == EVERY_IPV4 else found.host
        return parse_listen(Endpoint(address, found.port).authority)
    except InvalidInput as error:
        raise ConflictingState(
            f"{host} cannot be taken over: {error.message}",
            hint="write the IP address in place of the name (`getent ahosts NAME` shows it), then "
            "try again",
        ) from None


def _clashes(existing: Existing, wanted: Mapping[str, Any]) -> Iterator[Clash]:
    values, line = existing.document.values, existing.document.line
    for source, flag, _ in existing.flags:
        if flag.name in TLS:
            yield Clash(str(source), " ".join(flag.words), _TWICE)
        elif flag.name == HOST and is_tcp(flag.value or ""):
            yield Clash(str(source), " ".join(flag.words), _LISTENS)
    if existing.has_hosts_twice:
        yield Clash(f"{existing.path}, line {line(HOSTS)}", HOSTS, HOSTS_TWICE)
    for host in filter(is_tcp, existing.listed):
        yield Clash(f"{existing.path}, line {line(HOSTS)}", f"{HOSTS}: {host}", _LISTENS)
    if not any(map(is_fd, existing.hosts)):
        yield _without_fd(existing)
    for key, value in values.items():
        is_ours = key == LIVE_RESTORE or existing.ours.get(key) == value
        if key in wanted and not is_ours and value != wanted[key]:
            what = f"{key}: {json.dumps(value)}"
            yield Clash(f"{existing.path}, line {line(key)}", what, _OTHER)


def _without_fd(existing: Existing) -> Clash:
    """Return the clash of hosts without ``fd://``, at the place where they are to be changed."""
    hosts = ", ".join(existing.hosts)
    if given := [source for source, flag, _ in existing.flags if flag.name == HOST]:
        return Clash(str(given[0]), hosts, _IGNORES)
    if HOSTS in existing.document.values:
        where = f"{existing.path}, line {existing.document.line(HOSTS)}"
        return Clash(where, f"{HOSTS}: {hosts or 'none'}", _IGNORES)
    return Clash(str(existing.sources[0]), "no -H", _IGNORES)
