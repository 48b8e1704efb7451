"""The way back from a plan that failed: to the set-up before, or to none."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dockertls_vault.docker.daemon_json import parse
from dockertls_vault.errors import ConfigurationError

from .order import closing, has_live_restore, opening
from .originals import put_back, taken_back
from .set_up_files import Files
from .steps import Forget, Keep

if TYPE_CHECKING:
    from dockertls_vault.host.steps import Step

    from .inspection import Inspection
    from .plan import Plan
    from .record import Record


def steps(made: Plan, current: Inspection) -> tuple[tuple[Step, ...], Step]:
    """Plan the way back from a plan that failed; the last step is for when dockerd answers again.

    It leads to the set-up before, if that was proven or made by hand, and else to none.
    """
    host, before, record = made.host, made.current, made.current.record
    restart = before.service.is_running and (
        current.live_restore is None or current.is_listening or current.is_held
    )
    if current.live_restore is None and restart:
        # dockerd does not run: containers that live-restore kept are to survive its start, too.
        current = replace(current, live_restore=_had_live_restore(made, current), can_reload=False)
    original = before.files.daemon_json
    undone = tuple(edit.reversed() for edit in reversed(made.edits))
    if before.by_hand:
        written = current.files.daemon_json
        content = original if written == made.target.daemon_json else written
        target = replace(before.files, daemon_json=content)
        back = tuple(opening(host, current, target, undone, restart=restart))
        return back, Forget(host.records, ())
    if record is not None:
        original = taken_back(original, record)
    kept = _with_edits(original, current, record)
    if record is not None and record.proven:
        target = before.files
        if kept != original:
            merged = parse(kept).merged(record.added)
            target = replace(target, daemon_json=merged)
        back = tuple(opening(host, current, target, undone, restart=restart))
        return back, Keep(host.records, record)
    # The record has what a run that was killed had edited, too.
    edits = put_back(current.record, current.edited) if current.record else ()
    back = tuple(closing(host, current, Files(kept, None, None), edits, restart=restart))
    return back, Forget(host.records, current.record.directories if current.record else ())


def _had_live_restore(made: Plan, current: Inspection) -> bool:
    """Tell whether a dockerd that does not run had live-restore in effect."""
    try:
        return has_live_restore(current.files.daemon_json)
    except ConfigurationError:  # others broke the file, which is why it does not run
        return made.restores


def _with_edits(original: bytes | None, current: Inspection, before: Record | None) -> bytes | None:
    """Return the original daemon.json with what others have edited meanwhile.

    It stays, unless they broke it. ``before`` is the record of the set-up before: a run that was
    stopped may have replaced it, and not the file.
    """
    back = current.files.daemon_json
    try:
        for record in filter(None, (current.record, before)):
            back = taken_back(back, record)
        return original if parse(back).values == parse(original).values else back
    except ConfigurationError:
        return original
