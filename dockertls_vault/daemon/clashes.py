"""What of dockerd's settings clashes with a set-up, and the edits that take it over; pure.

dockerd does not start if a setting is both a flag and in daemon.json (moby#22339, moby#25471), and
it ignores the sockets of systemd unless ``fd://`` is among its hosts.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from dockertls_vault.docker.endpoint import Endpoint
from dockertls_vault.docker.flags import TLS, arguments, parse
from dockertls_vault.docker.hosts import FD, in_force, is_fd, is_tcp, serves_tls, tcp_address
from dockertls_vault.errors import ConflictingState, InvalidInput
from dockertls_vault.host import systemd

from .desired import DEFAULT, EVERY_IPV4, LIVE_RESTORE, UNIX_SOCKET, Listen, parse_listen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from dockertls_vault.docker.daemon_json import Document
    from dockertls_vault.docker.flags import Argument

    from .sources import Source

HOSTS = "hosts"
_HOST = "host"

_BOTH = "dockerd refuses to start if daemon.json has {}, too"
_TWICE = _BOTH.format("it")
_HOSTS_TWICE = "dockerd refuses to start with both this and -H"
_LISTENS = "dockerd would close this port when it restarts, and systemd cannot hold it"
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
class Edit:
    """A file that is edited; ``is_unit`` if systemd has to read it again."""

    path: Path
    before: bytes = field(repr=False)
    after: bytes = field(repr=False)
    is_unit: bool

    def reversed(self) -> Edit:
        """Return the edit that takes this one back."""
        return replace(self, before=self.after, after=self.before)


@dataclass(frozen=True)
class TakenOver:
    """What takes the place of the settings that clash.

    ``listen`` are the addresses at which dockerd listened, ``edits`` the files without the flags,
    in the order in which none of them leaves a TCP port without TLS, and ``hosts`` those of
    daemon.json, None if it has none.
    """

    listen: tuple[Listen, ...]
    edits: tuple[Edit, ...]
    hosts: tuple[str, ...] | None


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
        given = tuple(flag.value or "" for _, flag, _ in self.flags if flag.name == _HOST)
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
        given = any(flag.name == _HOST for _, flag, _ in self.flags)
        return given and HOSTS in self.document.values and HOSTS not in self.ours


def find(existing: Existing, wanted: Mapping[str, Any]) -> tuple[Clash, ...]:
    """Return all that clashes with a set-up, which has the ``wanted`` values in daemon.json."""
    return tuple(_clashes(existing, wanted))


def with_flags(argv: Sequence[str], wanted: Mapping[str, Any]) -> tuple[Clash, ...]:
    """Return what clashes if dockerd keeps its arguments, and daemon.json has the ``wanted``."""
    given = ((HOSTS if each.name == _HOST else each.name, each) for each in arguments(argv))
    return tuple(
        Clash("flag of dockerd", " ".join(each.words), _BOTH.format(key))
        for key, each in given
        if key in wanted
    )


def remaining(argv: Sequence[str]) -> tuple[str, ...]:
    """Return the arguments of dockerd that stay."""
    return tuple(word for each in arguments(argv) if not _is_taken(each) for word in each.words)


def take_over(existing: Existing) -> TakenOver:
    """Return the edits that take over all that clashes; raises ConflictingState if none can."""
    _refuse_scattered(existing)
    _refuse_hosts_twice(existing)
    removed: dict[Source, list[int]] = {}
    for source, flag, words in existing.flags:
        if _is_taken(flag):
            _refuse_fixed(source, flag, words)
            removed.setdefault(source, []).extend(words)
    given = [(source, flag) for source, flag, _ in existing.flags if flag.name == _HOST]
    staying = [each for each in given if not _is_taken(each[1])]
    added = _missing_fd(existing, given, staying)
    return TakenOver(
        listen=_listens(existing),
        edits=_edits(existing, removed, added),
        hosts=None if staying or added else _hosts(existing),
    )


def beside(listed: object, listen: Sequence[Listen]) -> tuple[str, ...]:
    """Return the ``listed`` hosts that dockerd can serve beside ``listen``."""
    found = listed if isinstance(listed, list) else ()
    return tuple(
        host
        for host in map(str, found)
        if not is_tcp(host) or not any(map(_listen(host).overlaps, listen))
    )


def _clashes(existing: Existing, wanted: Mapping[str, Any]) -> Iterator[Clash]:
    values, line = existing.document.values, existing.document.line
    for source, flag, _ in existing.flags:
        if flag.name in TLS:
            yield Clash(str(source), " ".join(flag.words), _TWICE)
        elif flag.name == _HOST and is_tcp(flag.value or ""):
            yield Clash(str(source), " ".join(flag.words), _LISTENS)
    if existing.has_hosts_twice:
        yield Clash(f"{existing.path}, line {line(HOSTS)}", HOSTS, _HOSTS_TWICE)
    for host in filter(is_tcp, existing.listed):
        yield Clash(f"{existing.path}, line {line(HOSTS)}", f"{HOSTS}: {host}", _LISTENS)
    if not any(map(is_fd, existing.hosts)):
        said = ", ".join(existing.hosts) or "no -H"
        yield Clash(str(existing.sources[0]), said, _IGNORES)
    for key, value in values.items():
        is_ours = key == LIVE_RESTORE or existing.ours.get(key) == value
        if key in wanted and not is_ours and value != wanted[key]:
            what = f"{key}: {json.dumps(value)}"
            yield Clash(f"{existing.path}, line {line(key)}", what, _OTHER)


def _is_taken(flag: Argument) -> bool:
    return flag.name in TLS or (flag.name == _HOST and is_tcp(flag.value or ""))


def _listens(existing: Existing) -> tuple[Listen, ...]:
    """Return where dockerd listens on TCP, without what another address includes."""
    given = parse([word for _, flag, _ in existing.flags for word in flag.words])
    tls = serves_tls(given, existing.document.values, {})
    hosts = in_force(existing.hosts, tls=tls)
    found = dict.fromkeys(map(_listen, filter(is_tcp, hosts)))
    return tuple(
        each for each in found if not any(one != each and one.includes(each) for one in found)
    )


def _missing_fd(
    existing: Existing,
    given: Sequence[tuple[Source, Argument]],
    staying: Sequence[tuple[Source, Argument]],
) -> Mapping[Source, tuple[str, ...]]:
    """Return the words to add, and where, if no -H among those that stay is ``fd://``.

    Nothing if daemon.json is to name it. A package's unit gets it as a flag: an upgrade may bring
    back -H, which dockerd rejects beside ``hosts``.
    """
    start = existing.sources[0]
    if any(is_fd(flag.value or "") for _, flag in staying):
        return {}
    if staying:
        source, flag = staying[0]
        _refuse_fixed(source, flag, (0,))
        return {source: ("-H", FD)}
    if HOSTS in existing.document.values:
        return {}
    if given:
        return {given[0][0]: ("-H", FD)}
    if systemd.is_packaged(start.path) and not start.fixed:
        return {start: ("-H", UNIX_SOCKET, "-H", FD)}
    return {}


def _hosts(existing: Existing) -> tuple[str, ...]:
    """Return ``hosts`` of daemon.json, with ``fd://`` and without TCP."""
    local = [host for host in existing.listed if not is_tcp(host)]
    return tuple(dict.fromkeys((*(local if existing.hosts else [UNIX_SOCKET]), FD)))


def _edits(
    existing: Existing,
    removed: Mapping[Source, Sequence[int]],
    added: Mapping[Source, tuple[str, ...]],
) -> tuple[Edit, ...]:
    """Return the edits that remove and add these words; the one that removes TLS is the last."""
    changed = [source for source in existing.sources if source in removed or source in added]
    edits = []
    for path in dict.fromkeys(source.path for source in changed):
        here = [source for source in changed if source.path == path]
        content = here[0].content
        for source in sorted(here, key=lambda each: each.words[0].start, reverse=True):
            content = source.edited(content, removed.get(source, ()), added.get(source, ()))
        edit = Edit(path, here[0].content, content, here[0].is_unit)
        edits.append((any(map(_has_tls, here)), edit))
    return tuple(edit for _, edit in sorted(edits, key=lambda each: each[0]))


def _has_tls(source: Source) -> bool:
    return any(flag.name in TLS for flag in _flags(source))


def _listen(host: str) -> Listen:
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


def _refuse_fixed(source: Source, flag: Argument, words: tuple[int, ...]) -> None:
    reason = source.fixed or ("" if words else "it shares a word with another flag")
    if reason:
        raise ConflictingState(
            f"{source}: {' '.join(flag.words)} cannot be taken over",
            hint=f"remove it yourself, then try again; {reason}",
        )


def _refuse_scattered(existing: Existing) -> None:
    """Raise ConflictingState if no order of the edits keeps every TCP port behind TLS."""
    holders = [source for source in existing.sources if any(map(_is_taken, _flags(source)))]
    with_tls = {source.path for source in holders if _has_tls(source)}
    is_listed = any(map(is_tcp, existing.listed))
    if len(with_tls) > 1 or (with_tls and is_listed):
        raise ConflictingState(
            "TLS settings in several places cannot be taken over",
            problems=tuple(map(str, holders)),
            hint="move all of them to one place, then try again",
        )


def _refuse_hosts_twice(existing: Existing) -> None:
    if existing.has_hosts_twice:
        raise ConflictingState(
            f"{existing.path}: {HOSTS} cannot be taken over: {_HOSTS_TWICE}",
            hint=f"remove {HOSTS} from this file, then try again; --listen chooses addresses",
        )


def _flags(source: Source) -> Iterator[Argument]:
    return (flag for flag, _ in source.arguments())
