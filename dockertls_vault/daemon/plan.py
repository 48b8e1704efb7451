"""The plan of a set-up: which files and steps lead from what is there to what is desired."""

from __future__ import annotations

import difflib
import os
from dataclasses import astuple, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from dockertls_vault.docker import daemon_json
from dockertls_vault.docker.flags import HOST
from dockertls_vault.errors import ConflictingState, UnmanagedFiles
from dockertls_vault.host import unit_origin
from dockertls_vault.host.steps import Write

from . import clashes, take_over, units
from .clashes import Existing
from .desired import DEFAULT, HOSTS, hosts, settings
from .distrusted import Distrusted
from .edit import Edit
from .order import closing, opening
from .originals import put_back, taken_back, with_first_originals
from .pickup import Pickup
from .record import Record
from .set_up_files import Files
from .steps import Forget, Keep, Restart, SwitchLiveRestore
from .take_over import TakenOver

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from dockertls_vault.host.steps import Step

    from .desired import Listen, Wanted
    from .inspection import Host, Inspection
    from .served import Served
    from .sources import Source

_CLASH = "dockerd has settings that clash with the set-up"


@dataclass(frozen=True)
class Plan:
    """The steps from ``current`` to the ``target``; ``record`` is that of the target.

    ``edits`` are those of other files, ``freed`` the addresses at which dockerd listens by itself
    until it is restarted, ``distrusted`` the CAs whose clients it rejects from then on.
    """

    host: Host
    current: Inspection
    target: Files
    record: Record | None
    steps: tuple[Step, ...]
    edits: tuple[Edit, ...] = ()
    freed: tuple[Listen, ...] = ()
    distrusted: Distrusted = field(default_factory=Distrusted)

    @property
    def diffs(self) -> tuple[str, ...]:
        """What changes in each file, as a unified diff."""
        files = [(edit.path, edit.before, edit.after) for edit in self.edits]
        files += zip(
            self.host.paths, astuple(self.current.files), astuple(self.target), strict=True
        )
        return tuple(_diff(path, *texts) for path, *texts in files if texts[0] != texts[1])

    @property
    def configuration(self) -> Edit:
        """What changes in daemon.json."""
        before, after = self.current.files.daemon_json or b"", self.target.daemon_json or b""
        return Edit(self.host.daemon_json, before, after, is_unit=False)

    @property
    def restarts(self) -> bool:
        """Whether docker.service is restarted."""
        return any(isinstance(step, Restart) for step in self.steps)

    @property
    def restores(self) -> bool:
        """Whether live-restore is in effect when docker.service is restarted."""
        switched_on = any(isinstance(step, SwitchLiveRestore) and step.on for step in self.steps)
        return bool(self.current.live_restore) or switched_on

    @property
    def stops(self) -> tuple[str, ...]:
        """The containers that the restart stops."""
        if not self.restarts:
            return ()
        return self.current.fleeting if self.restores else self.current.running


def configure(
    host: Host,
    current: Inspection,
    served: Served,
    wanted: Wanted,
    sources: tuple[Source, ...],
) -> Plan:
    """Plan the set-up; ``sources`` are where the arguments of dockerd are.

    Raises UnmanagedFiles, ConfigurationError as ``parse`` does, and ConflictingState for what
    clashes, unless it is to be taken over.
    """
    _refuse_foreign(host, current.files)
    document = daemon_json.parse(current.files.daemon_json, str(host.daemon_json))
    values = settings(served.paths, live_restore=_wants_live_restore(current))
    ours = current.record.added if current.record else {}
    existing = Existing(sources, host.daemon_json, document, ours)
    taken = _taken_over(existing, values, asked=wanted.take_over)
    if taken.hosts is not None:
        values = {**values, HOSTS: list(taken.hosts)}
    merged = document.merged(values)
    if current.record is not None and (unwanted := current.record.added.keys() - values.keys()):
        merged = daemon_json.parse(merged).without(unwanted)
    before = current.record.listen if current.record else current.by_hand or taken.listen
    listen = wanted.listen or before or (DEFAULT,)
    record = _record(host, current, replace(wanted, listen=listen), values, merged, taken.edits)
    target = Files(merged, units.socket(listen), units.drop_in())
    if target == current.files and not taken.edits and _is_done(current, record):
        return Plan(host, current, target, record, ())
    steps = opening(host, current, target, taken.edits, restart=current.service.is_running)
    every = (Keep(host.records, record), *steps)
    return Plan(host, current, target, record, every, taken.edits, taken.listen)


def configure_file(host: Host, current: Inspection, served: Served, wanted: Wanted) -> Plan:
    """Plan the set-up of a dockerd that systemd does not run.

    Nothing on this host is known to restart it. Hosts of others stay, and have TLS then, too.
    Raises ConfigurationError as ``parse`` does, and ConflictingState if it has flags for the same
    settings.
    """
    document = daemon_json.parse(current.files.daemon_json, str(host.daemon_json))
    listen = wanted.listen or (current.record.listen if current.record else (DEFAULT,))
    others = clashes.beside(daemon_json.parse(_original(current)).values.get(HOSTS), listen)
    every = list(dict.fromkeys((*hosts(listen), *others)))
    live_restore = _wants_live_restore(current)
    values = {HOSTS: every, **settings(served.paths, live_restore=live_restore)}
    if clashing := clashes.with_flags(current.service.arguments, values):
        raise ConflictingState(
            _CLASH,
            problems=tuple(map(str, clashing)),
            hint="stop dockerd, remove these flags from what starts it, then try again; or keep "
            "all settings as flags: see --print flags",
        )
    merged = document.merged(values)
    record = _record(host, current, replace(wanted, listen=listen), values, merged, ())
    made = tuple(each for each in record.directories if each != host.drop_in.parent)
    record = replace(record, directories=made, pickup=Pickup.NONE)
    target = replace(current.files, daemon_json=merged)
    if (target, record) == (current.files, current.record):
        return Plan(host, current, target, record, ())
    write = Write(host.daemon_json, current.files.daemon_json, merged)
    return Plan(host, current, target, record, (Keep(host.records, record), write))


def remove(host: Host, current: Inspection) -> Plan:
    """Plan to take the set-up back: what it added, and nothing that others did since."""
    if current.record is None:
        return Plan(host, current, current.files, None, ())
    target = Files(taken_back(current.files.daemon_json, current.record), None, None)
    edits = put_back(current.record, current.edited)
    restart = current.service.is_running and (
        current.is_listening or current.is_held or bool(edits)
    )
    forget = Forget(host.records, current.record.directories)
    steps = (*closing(host, current, target, edits, restart=restart), forget)
    return Plan(host, current, target, None, steps, edits)


def _original(current: Inspection) -> bytes | None:
    """Return daemon.json as it would be without the set-up."""
    original = current.files.daemon_json
    return original if current.record is None else taken_back(original, current.record)


def _taken_over(existing: Existing, wanted: Mapping[str, Any], *, asked: bool) -> TakenOver:
    """Return what takes the place of what clashes; raises ConflictingState if that is not asked."""
    clashing = clashes.find(existing, wanted)
    if not clashing:
        # An upgrade of Docker may have brought -H back, beside which dockerd rejects hosts.
        is_flag = any(flag.name == HOST for _, flag, _ in existing.flags)
        listed = existing.listed if HOSTS in existing.ours and not is_flag else ()
        return TakenOver((), (), listed or None)
    if asked:
        return take_over.resolve(existing)
    hint = "change them with --take-over (see the plan with --dry-run), or by hand"
    try:
        take_over.resolve(existing)
    except ConflictingState as error:
        hint = f"{error.message}; {error.hint}"
    raise ConflictingState(_CLASH, problems=tuple(map(str, clashing)), hint=hint)


def _record(
    host: Host,
    current: Inspection,
    wanted: Wanted,
    values: Mapping[str, Any],
    merged: bytes,
    edits: Sequence[Edit],
) -> Record:
    """Return the record of a set-up that writes ``merged``, which has the ``values``."""
    original = (
        _without(current.files.daemon_json, values) if current.by_hand else _original(current)
    )
    return Record(
        certificates=wanted.certificates,
        listen=wanted.listen,
        daemon_json=host.daemon_json,
        written=merged,
        original=original,
        directories=_directories(host, current.record),
        edited=with_first_originals(current.record, edits),
    )


def _without(content: bytes | None, values: Mapping[str, Any]) -> bytes | None:
    """Return daemon.json without these values; None if nothing else is in it."""
    document = daemon_json.parse(content)
    ours = {key for key, value in values.items() if document.values.get(key) == value}
    return None if ours == document.values.keys() else document.without(ours)


def _refuse_foreign(host: Host, files: Files) -> None:
    foreign = [
        str(path)
        for path, text in ((host.socket, files.socket), (host.drop_in, files.drop_in))
        if text is not None and not unit_origin.is_ours(text)
    ]
    if foreign:
        raise UnmanagedFiles(
            f"not written by dockertls-vault: {', '.join(foreign)}",
            hint="if you no longer need them, remove them, run `systemctl daemon-reload`, and try "
            "again",
        )


def _wants_live_restore(current: Inspection) -> bool:
    """Tell whether daemon.json is to have live-restore: not in a swarm, nor as a flag, too."""
    return not current.in_swarm and current.service.flags.live_restore is None


def _is_done(current: Inspection, record: Record) -> bool:
    """Tell whether this is set up, and dockerd, if it runs, has passed its check with it."""
    known = current.record
    if known is None or current.is_stale:
        return False
    is_same = (known.certificates, known.listen, known.daemon_json) == (
        record.certificates,
        record.listen,
        record.daemon_json,
    )
    serves = known.proven and current.is_listening and current.is_open
    return is_same and (serves or not current.service.is_running)


def _directories(host: Host, record: Record | None) -> tuple[Path, ...]:
    """Return the directories that the set-up makes, deepest first."""
    known = record.directories if record else ()
    wanted = (host.drop_in.parent, host.daemon_json.parent)
    return tuple(each for each in wanted if each in known or not each.exists())


def _diff(path: Path, before: bytes | None, after: bytes | None) -> str:
    lines = difflib.unified_diff(
        (before or b"").decode(errors="replace").splitlines(),
        (after or b"").decode(errors="replace").splitlines(),
        os.devnull if before is None else str(path),
        os.devnull if after is None else str(path),
        lineterm="",
    )
    return "\n".join(lines)
