"""What was there before the set-up: how daemon.json and the other files are taken back to it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from dockertls_vault.docker import daemon_json
from dockertls_vault.errors import ConflictingState
from dockertls_vault.host import unit_origin

from .desired import HOSTS, LIVE_RESTORE, UNIX_SOCKET
from .edit import Edited

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from .edit import Edit
    from .record import Record


def taken_back(current: bytes | None, record: Record) -> bytes | None:
    """Return daemon.json without what the set-up added; what others have edited since stays.

    None if it would not exist. Raises ConfigurationError if it can no longer be parsed.
    """
    if current is None:
        return None
    if current == record.written:
        return record.original
    document = daemon_json.parse(current)
    ours = {
        key for key, value in record.added.items() if _is_ours(key, value, document.values.get(key))
    }
    before = {key: value for key, value in record.replaced.items() if key in ours}
    if HOSTS in record.added and HOSTS not in ours:
        hosts = _hosts_without_ours(document.values.get(HOSTS), record)
        if hosts is not None:
            ours.add(HOSTS)
        if hosts and (hosts != [UNIX_SOCKET] or HOSTS in record.replaced):
            before[HOSTS] = hosts
    back = daemon_json.parse(document.merged(before)).without(ours - before.keys())
    if record.original is None and not daemon_json.parse(back).values:
        return None
    return back


def _hosts_without_ours(current: object, record: Record) -> list[str] | None:
    """Return what others made of our ``hosts``, without what is ours; None if that is no list.

    Our Unix socket stays: it is dockerd's own without ``hosts``, which they did not mean to close.
    """
    if not isinstance(current, list):
        return None
    ours, before = record.added[HOSTS], record.replaced.get(HOSTS, [UNIX_SOCKET])
    back = [each for each in before if each not in ours or each in current]
    return back + [each for each in current if each not in ours and each not in back]


def _is_ours(key: str, added: object, value: object) -> bool:
    """Tell whether a value is what we set, or what a removal that was killed has set."""
    return value == added or (key == LIVE_RESTORE and value is False)


def with_first_originals(record: Record | None, edits: Sequence[Edit]) -> tuple[Edited, ...]:
    """Return what is to be kept of the other files, the last edit last.

    A file that the set-up of ``record`` has edited before keeps its first original, unless it was
    ``replaced`` since. Raises ConflictingState if others have edited it since: then there is no
    file to go back to.
    """
    known = {each.path: each for each in record.edited} if record else {}
    if record is not None:
        _refuse_changed(record, {edit.path: edit.before for edit in edits})
    new = {
        edit.path: Edited(
            edit.path, edit.after, _original(known.get(edit.path), edit), edit.is_unit
        )
        for edit in edits
    }
    return (*(each for each in known.values() if each.path not in new), *new.values())


def _original(known: Edited | None, edit: Edit) -> bytes:
    return known.original if known and known.is_known(edit.before) else edit.before


def put_back(record: Record, contents: Mapping[Path, bytes | None]) -> tuple[Edit, ...]:
    """Return the edits that put back the other files, the last one first.

    ``contents`` are the present ones: a file that is missing, or was ``replaced``, stays so. Raises
    ConflictingState if others have edited them since.
    """
    _refuse_changed(record, contents)
    return tuple(
        each.taking_back()
        for each in reversed(record.edited)
        if contents[each.path] == each.written != each.original
    )


def replaced(record: Record, contents: Mapping[Path, bytes | None]) -> tuple[Path, ...]:
    """Return the unit files of packages that are neither as we wrote them nor as they were before.

    An upgrade of Docker does that, and does not ask: they are no configuration files to dpkg.
    """
    return tuple(
        each.path
        for each in record.edited
        if unit_origin.is_packaged(each.path) and not each.is_known(contents[each.path])
    )


def _refuse_changed(record: Record, contents: Mapping[Path, bytes | None]) -> None:
    changed = tuple(
        f"{each.path}: `{_copying(record.kept_original(each), each.path)}` puts its original back"
        for each in record.edited
        if not each.is_known(contents.get(each.path)) and not unit_origin.is_packaged(each.path)
    )
    if changed:
        raise ConflictingState(
            "files that the set-up has edited were changed since",
            problems=changed,
            hint="save your changes, put the originals back, then try again; repeat your changes "
            "afterwards",
        )


def _copying(original: Path, path: Path) -> str:
    return shlex.join(("sudo", "cp", str(original), str(path)))
