"""What was there before a set-up is taken back to the byte; what others edited since stays."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from dockertls_vault.daemon.desired import UNIX_SOCKET
from dockertls_vault.daemon.edit import Edit, Edited
from dockertls_vault.daemon.originals import (
    put_back,
    replaced,
    taken_back,
    with_first_originals,
)
from dockertls_vault.daemon.records import Records
from dockertls_vault.docker import daemon_json
from dockertls_vault.errors import ConflictingState

from .test_record import set_up

ORIGINALS = [
    None,
    b"",
    b"{}",
    b'{"debug":true}',
    b'{\r\n\t"debug": true\r\n}\r\n',
    b'{"live-restore": false, "x": 1}',
    b'{"tlscacert": "/old.pem"}\n',
]


@pytest.mark.parametrize("original", ORIGINALS)
def test_taken_back_to_the_byte(original: bytes | None) -> None:
    """If nobody else has edited it."""
    record, merged = set_up(original)
    assert taken_back(merged, record) == original


@pytest.mark.parametrize("original", ORIGINALS)
def test_edits_of_others_survive(original: bytes | None) -> None:
    """What they added and removed, and the values of our keys that they changed."""
    record, merged = set_up(original)
    edited = daemon_json.parse(merged).merged({"mtu": 1400, "tlscacert": "/theirs.pem"})
    back = daemon_json.parse(taken_back(edited, record) or b"").values
    expected = dict(daemon_json.parse(original or b"").values)
    assert back == {**expected, "mtu": 1400, "tlscacert": "/theirs.pem"}
    assert taken_back(None, record) is None


OURS = "tcp://[::]:2376"
HOSTS: list[tuple[list[str] | None, list[str], list[str] | None]] = [
    # before, as others left it, without the set-up
    (None, [UNIX_SOCKET, OURS, "unix:///o"], [UNIX_SOCKET, "unix:///o"]),
    (None, [OURS, "unix:///o"], ["unix:///o"]),
    (None, [OURS, UNIX_SOCKET], None),
    (None, [OURS], None),
    (None, [], None),
    (["tcp://192.0.2.7"], [UNIX_SOCKET, OURS, "unix:///o"], ["tcp://192.0.2.7", "unix:///o"]),
    (["unix:///a", UNIX_SOCKET], [UNIX_SOCKET, OURS], [UNIX_SOCKET]),
    (["unix:///a"], [OURS, "tcp://[::]:2377"], ["tcp://[::]:2377"]),
]


@pytest.mark.parametrize(("before", "now", "expected"), HOSTS)
def test_hosts_that_others_edited_lose_ours(
    before: list[str] | None, now: list[str], expected: list[str] | None
) -> None:
    """They would be served without TLS; what others added or removed stays so."""
    original = b"{}" if before is None else json.dumps({"hosts": before}).encode()
    local = [each for each in before or [] if each.startswith("unix")]
    hosts = [*dict.fromkeys((UNIX_SOCKET, OURS, *local))]
    record, merged = set_up(original)
    record = replace(record, written=daemon_json.parse(merged).merged({"hosts": hosts}))
    edited = daemon_json.parse(merged).merged({"hosts": now})
    back = daemon_json.parse(taken_back(edited, record) or b"{}").values
    assert back == ({} if expected is None else {"hosts": expected})


def test_removal_that_was_killed() -> None:
    """It may have switched live-restore off, which is ours to remove, too."""
    record, merged = set_up(b'{"debug": true}')
    killed = daemon_json.parse(merged).merged({"live-restore": False})
    assert taken_back(killed, record) == b'{"debug": true}'


def test_first_original_is_kept() -> None:
    """A file that is edited once more, after the set-up, is put back to what it was before it."""
    known = Edited(Path("/etc/default/docker"), b"A=", b"A=-H tcp://", is_unit=False)
    untouched = Edited(Path("/etc/other"), b"B=", b"B=1", is_unit=False)
    record, _ = set_up(None, edited=(known, untouched))
    again = Edit(known.path, known.written, b"A=-H fd://", is_unit=False)
    (first, second) = with_first_originals(record, [again])
    assert first == untouched
    assert (second.original, second.written) == (known.original, again.after)
    (restored,) = with_first_originals(
        replace(record, edited=(known,)), [replace(again, before=known.original)]
    )
    assert restored.original == known.original
    (new,) = with_first_originals(None, [again])
    assert new.original == again.before


def test_file_that_others_edited_is_not_edited_once_more(tmp_path: Path) -> None:
    """There would be no content to put back that is right."""
    known = Edited(Path("/etc/default/my docker"), b"A=", b"A=-H tcp://", is_unit=False)
    records = Records(tmp_path / "state")
    records.write(set_up(None, edited=(known,))[0])
    record = records.read()
    assert record is not None
    with pytest.raises(ConflictingState, match="were changed since") as raised:
        with_first_originals(record, [Edit(known.path, b"A=theirs", b"A=", is_unit=False)])
    (problem,) = raised.value.problems
    command = f"sudo cp {record.kept}/0.original '{known.path}'"
    assert problem == f"{known.path}: `{command}` puts its original back"
    assert (record.kept / "0.original").read_bytes() == known.original


@pytest.mark.parametrize(
    "place", ["/lib/systemd/system", "/usr/lib/systemd/system/docker.service.d"]
)
def test_unit_file_that_an_upgrade_has_replaced(place: str) -> None:
    """It stays; if it is edited once more, that is what it was before."""
    known = Edited(Path(place, "docker.service"), b"written", b"original", is_unit=True)
    record, _ = set_up(None, edited=(known,))
    back = Edit(known.path, known.written, known.original, is_unit=True)
    assert put_back(record, {known.path: known.written}) == (back,)
    for content in (b"of the package", None):
        assert put_back(record, {known.path: content}) == ()
    found = [replaced(record, {known.path: each}) for each in (b"new", b"written", b"original")]
    assert found == [(known.path,), (), ()]
    edit = Edit(known.path, b"of the package", b"again", is_unit=True)
    (again,) = with_first_originals(record, [edit])
    assert (again.original, again.written) == (b"of the package", b"again")
