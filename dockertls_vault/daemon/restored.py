"""What the previous settings would bring back: a dockerd that does not start, or without TLS."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from dockertls_vault.docker import daemon_json
from dockertls_vault.docker.flags import HOST, TLS_FILES, arguments, parse
from dockertls_vault.docker.hosts import is_tcp, serves_tls
from dockertls_vault.errors import ConflictingState
from dockertls_vault.host import command_line, environment_file, unit_file

from .desired import HOSTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from dockertls_vault.docker.flags import Argument

    from .edit import Edit
    from .record import Record


def refuse_lost(edits: Iterable[Edit], configuration: Edit) -> None:
    """Raise ConflictingState if these bring back settings that name files which are missing.

    ``configuration`` is the edit of daemon.json, ``edits`` those of files with flags.
    """
    named = [(edit.path, _flags(edit, edit.after) - _flags(edit, edit.before)) for edit in edits]
    back = _values(configuration.after) - _values(configuration.before)
    lost = tuple(
        f"{path}: {file}"
        for path, files in (*named, (configuration.path, back))
        for file in sorted(files)
        if not Path(file).exists()
    )
    if lost:
        raise ConflictingState(
            "dockerd would not start with its previous settings: they name files that are missing",
            problems=lost,
            hint="put these files back, then try again, or keep the set-up",
        )


def plaintext(given: Sequence[str], edits: Iterable[Edit], configuration: Edit) -> tuple[str, ...]:
    """Return the TCP hosts of dockerd after these edits, if it has no TLS then.

    ``given`` are its flags now, the edits those of ``refuse_lost``.
    """
    values = daemon_json.parse(configuration.after).values
    back = [each for edit in edits for each in _arguments(edit, edit.after)]
    flags = parse([*given, *(word for each in back for word in each.words)])
    if serves_tls(flags, values, {}):
        return ()
    listed = values.get(HOSTS)
    hosts = (*flags.hosts, *map(str, listed if isinstance(listed, list) else ()))
    return tuple(dict.fromkeys(filter(is_tcp, hosts)))


def refuse_plaintext(
    record: Record, given: Sequence[str], edits: Iterable[Edit], configuration: Edit
) -> None:
    """Raise ConflictingState if a TCP host that others added to the set-up would lose its TLS.

    Whoever reaches it would be root on this host. ``given`` are the flags of dockerd now, the edits
    those of ``refuse_lost``. What was there before the set-up is restored as it was.
    """
    now = plaintext(given, edits, configuration)
    before = {*map(str, record.replaced.get(HOSTS, ())), *_hosts_before(record)}
    if added := tuple(host for host in now if host not in before):
        raise ConflictingState(
            "without the set-up, dockerd would serve its API in plaintext to whoever connects",
            problems=added,
            hint=f"remove them from {HOSTS} in {configuration.path}, or from dockerd's flags, "
            "then try again; --listen adds addresses to the set-up",
        )


def _hosts_before(record: Record) -> Iterator[str]:
    """Yield the hosts in the files that the set-up has edited, as they were before it."""
    for each in record.edited:
        before = _arguments(each.taking_back(), each.original)
        yield from (flag.value or "" for flag in before if flag.name == HOST)


def _values(content: bytes) -> set[str]:
    """Return the absolute paths of TLS files in daemon.json."""
    values = daemon_json.parse(content).values
    return _absolute(values.get(name) for name in TLS_FILES)


def _flags(edit: Edit, content: bytes) -> set[str]:
    """Return those in the flags of another file."""
    return _absolute(each.value for each in _arguments(edit, content) if each.name in TLS_FILES)


def _absolute(values: Iterable[Any]) -> set[str]:
    return {value for value in values if isinstance(value, str) and value.startswith("/")}


def _arguments(edit: Edit, content: bytes) -> Iterator[Argument]:
    for line in _lines(edit, content):
        yield from arguments([word.value for word in command_line.words(line)])


def _lines(edit: Edit, content: bytes) -> Iterator[str]:
    """Yield each command line, or value of a variable."""
    if edit.is_unit:
        for setting in unit_file.settings(content.decode("utf-8", "surrogateescape")):
            if setting.name == "ExecStart":
                yield setting.value
            elif setting.name == "Environment":
                yield from (each.value for each in unit_file.variables(setting))
    else:
        yield from environment_file.parse(content).values.values()
