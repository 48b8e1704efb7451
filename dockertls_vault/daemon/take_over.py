"""Take over the settings of dockerd that clash with a set-up: what takes their place; pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dockertls_vault.docker.flags import HOST, TLS, arguments, parse
from dockertls_vault.docker.hosts import FD, in_force, is_fd, is_tcp, serves_tls
from dockertls_vault.errors import ConflictingState
from dockertls_vault.host import unit_origin

from .clashes import HOSTS_TWICE, address_of
from .desired import HOSTS, UNIX_SOCKET
from .edit import Edit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dockertls_vault.docker.flags import Argument

    from .clashes import Existing
    from .desired import Listen
    from .sources import Source


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


def remaining(argv: Sequence[str]) -> tuple[str, ...]:
    """Return the arguments of dockerd that stay."""
    return tuple(word for each in arguments(argv) if not _is_taken(each) for word in each.words)


def resolve(existing: Existing) -> TakenOver:
    """Return what takes the place of all that clashes; raises ConflictingState if nothing can."""
    _refuse_scattered(existing)
    _refuse_hosts_twice(existing)
    removed: dict[Source, list[int]] = {}
    for source, flag, words in existing.flags:
        if _is_taken(flag):
            _refuse_fixed(source, flag, words)
            removed.setdefault(source, []).extend(words)
    given = [(source, flag) for source, flag, _ in existing.flags if flag.name == HOST]
    staying = [each for each in given if not _is_taken(each[1])]
    added = _missing_fd(existing, given, staying)
    return TakenOver(
        listen=_listens(existing),
        edits=_edits(existing, removed, added),
        hosts=None if staying or added else _hosts(existing),
    )


def _is_taken(flag: Argument) -> bool:
    return flag.name in TLS or (flag.name == HOST and is_tcp(flag.value or ""))


def _listens(existing: Existing) -> tuple[Listen, ...]:
    """Return where dockerd listens on TCP, without what another address includes."""
    given = parse([word for _, flag, _ in existing.flags for word in flag.words])
    tls = serves_tls(given, existing.document.values, {})
    hosts = in_force(existing.hosts, tls=tls)
    found = dict.fromkeys(map(address_of, filter(is_tcp, hosts)))
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
    if unit_origin.is_packaged(start.path) and not start.fixed:
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


def _refuse_fixed(source: Source, flag: Argument, words: tuple[int, ...]) -> None:
    reason = source.fixed or ("" if words else "it is combined with another flag, as in -DH")
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
            f"{existing.path}: {HOSTS} cannot be taken over: {HOSTS_TWICE}",
            hint=f"remove {HOSTS} from this file, then try again; --listen chooses addresses",
        )


def _flags(source: Source) -> Iterator[Argument]:
    return (flag for flag, _ in source.arguments())
