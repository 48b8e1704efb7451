"""The way back from a plan that failed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dockertls_vault.daemon import undo, units
from dockertls_vault.daemon.desired import parse_listens
from dockertls_vault.daemon.edit import Edited
from dockertls_vault.daemon.plan import Plan
from dockertls_vault.daemon.set_up_files import Files
from dockertls_vault.daemon.steps import Forget, Keep, Restart, SwitchLiveRestore

from .test_plan import CURRENT, HOST, contents, kinds
from .test_record import set_up

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize("is_up", [True, False])
@pytest.mark.parametrize(
    ("others", "expected"),
    [
        (lambda ours: ours.replace(b"false", b"true"), b'{"debug": true}'),
        (lambda _: b"broken", b'{"debug": false}'),
        (lambda _: None, None),
    ],
)
def test_edit_of_others_stays_if_a_set_up_fails(
    others: Callable[[bytes], bytes | None], expected: bytes | None, is_up: bool
) -> None:
    """Unless dockerd would not start with it, or does not run because of it."""
    original = b'{"debug": false}'
    record, ours = set_up(original)
    before = replace(CURRENT, files=Files(original, None, None), record=None)
    target = replace(CURRENT.files, daemon_json=ours)
    made = Plan(HOST, before, target, record, ())
    edited = others(ours)
    current = replace(CURRENT, files=replace(target, daemon_json=edited), record=record)
    current = replace(current, live_restore=True if is_up else None)
    steps, _ = undo.steps(made, current)
    assert contents(steps)[-1:] == ([] if expected is None and not is_up else [expected])
    assert Restart in kinds(steps)


@pytest.mark.parametrize("is_up", [True, False])
@pytest.mark.parametrize(
    ("others", "debug"),
    [(lambda ours: ours.replace(b"false", b"true"), True), (lambda _: b"broken", False)],
)
def test_edit_of_others_stays_in_the_set_up_before(
    others: Callable[[bytes], bytes], debug: bool, is_up: bool
) -> None:
    """It is what a change of the set-up that fails leads back to, if that was proven."""
    record, ours = set_up(b'{"debug": false}', proven=True)
    before = replace(CURRENT, files=replace(CURRENT.files, daemon_json=ours), record=record)
    before = replace(before, live_restore=is_up)
    changed = ours.replace(b"/a/ca.pem", b"/b/ca.pem")
    other = replace(record, written=changed)
    target = replace(before.files, daemon_json=changed)
    made = Plan(HOST, before, target, other, ())
    for found, kept in ((changed, other), (ours, other), (ours, record)):
        files = replace(target, daemon_json=others(found))
        current = replace(before, files=files, record=kept, live_restore=True if is_up else None)
        steps, last = undo.steps(made, current)
        (*_, written) = [files.daemon_json, *contents(steps)]
        assert written == ours.replace(b"false", b"true" if debug else b"false")
        assert last == Keep(HOST.records, record)
        assert SwitchLiveRestore not in kinds(steps)


def test_containers_survive_a_start_with_a_file_that_others_broke() -> None:
    """Live-restore was in effect, although the file no longer says so."""
    original = b'{"debug": false}'
    record, _ = set_up(original)
    before = replace(CURRENT, files=Files(original, None, None), record=None)
    made = Plan(HOST, before, CURRENT.files, record, ())
    current = replace(CURRENT, files=replace(CURRENT.files, daemon_json=b"broken"), record=record)
    steps, _ = undo.steps(made, replace(current, live_restore=None))
    restart = kinds(steps).index(Restart)
    assert b'"live-restore": true' in (contents(steps[:restart])[-1] or b"")
    assert contents(steps)[-1] == original


def test_what_a_killed_run_had_edited_is_put_back() -> None:
    """Its record, which goes then, is the only place that has the original."""
    edited = Edited(Path("/etc/default/docker"), b"A=", b"A=-H tcp://", is_unit=False)
    record, ours = set_up(None, edited=(edited,))
    current = replace(
        CURRENT,
        files=replace(CURRENT.files, daemon_json=ours),
        record=record,
        edited={edited.path: edited.written},
    )
    made = Plan(HOST, current, current.files, record, ())
    steps, last = undo.steps(made, current)
    assert contents(steps, edited.path) == [edited.original]
    assert isinstance(last, Forget)


@pytest.mark.parametrize("edited", [None, b'{"debug": true}'])
def test_what_was_set_up_by_hand_stays(edited: bytes | None) -> None:
    """Without a record, as before, and as others have edited it meanwhile."""
    record, ours = set_up(None)
    files = Files(ours, units.socket(parse_listens(["2377"])), units.drop_in())
    before = replace(CURRENT, files=files, record=None)
    made = Plan(HOST, before, files, record, ())
    current = replace(before, files=replace(files, daemon_json=edited or ours), record=record)
    steps, last = undo.steps(made, current)
    assert (contents(steps), last) == ([], Forget(HOST.records, ()))
