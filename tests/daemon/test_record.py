"""The record of a set-up, and how daemon.json is taken back with it."""

from __future__ import annotations

import json
import os
import stat
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dockertls_vault.daemon import pickup
from dockertls_vault.daemon.clashes import Edit
from dockertls_vault.daemon.desired import DEFAULT, UNIX_SOCKET
from dockertls_vault.daemon.record import Edited, Record, Records, edited, taken_back
from dockertls_vault.docker import daemon_json
from dockertls_vault.errors import CannotWrite, ConflictingState, Locked
from dockertls_vault.files import atomic

if TYPE_CHECKING:
    from collections.abc import Callable

WANTED = {"tlsverify": True, "tlscacert": "/a/ca.pem", "live-restore": True}
ORIGINALS = [
    None,
    b"",
    b"{}",
    b'{"debug":true}',
    b'{\r\n\t"debug": true\r\n}\r\n',
    b'{"live-restore": false, "x": 1}',
    b'{"tlscacert": "/old.pem"}\n',
]


def set_up(original: bytes | None, **values: Any) -> tuple[Record, bytes]:
    """Return the record of a set-up, and what it wrote."""
    document = daemon_json.parse(original or b"")
    before = document.values
    added = {key: value for key, value in WANTED.items() if before.get(key) != value}
    merged = document.merged(WANTED)
    record = Record(
        certificates=Path("/a"),
        listen=(DEFAULT,),
        daemon_json=Path("/etc/docker/daemon.json"),
        written=merged,
        original=original,
        added=added,
        replaced={key: before[key] for key in added if key in before},
        **values,
    )
    return record, merged


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
    added = {**record.added, "hosts": hosts}
    replaced = {} if before is None else {"hosts": before}
    record = replace(record, added=added, replaced=replaced)
    edited = daemon_json.parse(merged).merged({"hosts": now})
    back = daemon_json.parse(taken_back(edited, record) or b"{}").values
    assert back == ({} if expected is None else {"hosts": expected})


def test_removal_that_was_killed() -> None:
    """It may have switched live-restore off, which is ours to remove, too."""
    record, merged = set_up(b'{"debug": true}')
    killed = daemon_json.parse(merged).merged({"live-restore": False})
    assert taken_back(killed, record) == b'{"debug": true}'


def test_record_is_read_back(tmp_path: Path) -> None:
    """With the files as they were and as they are written."""
    records = Records(tmp_path / "state")
    assert records.read() is None
    edited = Edited(Path("/etc/default/docker"), b"A=", b"A=1", is_unit=False)
    for original in (b'{"proxies": {}}', None):
        record, _ = set_up(original, directories=(Path("/x"),), edited=(edited,), proven=True)
        records.write(record)
        assert records.read() == record
    assert pickup.of(str(tmp_path / "state"), "/a") is pickup.Pickup.RESTART
    records.remove()
    assert records.read() is None


def test_files_are_for_root_alone(tmp_path: Path) -> None:
    """They may have secrets; what others read has not even a digest, which changes with them."""
    seen = set()
    for value in ("a", "b"):
        records = Records(tmp_path / value)
        record, _ = set_up(f'{{"proxies": "{value}"}}'.encode())
        records.write(record)
        seen.add((records.directory / "set-up.json").read_bytes())
    assert len(seen) == 1
    kept = [each for each in records.directory.iterdir() if each.is_dir()]
    assert {stat.S_IMODE(each.stat().st_mode) for each in kept} == {0o700}


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"version": 2}', '{"version": 1, "original": true}', '{"files": "../x"}'],
)
def test_corrupt_record(tmp_path: Path, text: str) -> None:
    """It is named."""
    records = Records(tmp_path / "state")
    record, _ = set_up(None)
    records.write(record)
    (records.directory / "set-up.json").write_text(text)
    with pytest.raises(ConflictingState, match=r"set-up\.json is corrupt"):
        records.read()
    records.write(record)
    assert records.read() == record


@pytest.mark.parametrize("name", ["daemon.json.original", "daemon.json.written"])
def test_missing_file(tmp_path: Path, name: str) -> None:
    """Without it, a removal would not know what to put back."""
    records = Records(tmp_path / "state")
    record, _ = set_up(b"{}")
    records.write(record)
    (_directory(records) / name).unlink()
    with pytest.raises(ConflictingState, match=r"set-up\.json is corrupt"):
        records.read()


def _directory(records: Records) -> Path:
    """Return the directory with the files of the record."""
    record = records.read()
    assert record is not None
    return record.kept


class Killed(BaseException):
    """The process ends before a system call; nothing cleans up."""


CALLS = ("open", "mkdir", "unlink", "rmdir", "rename", "fsync")


def killed_at(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """End the process before the system call of this number that may change a file."""
    left = iter(range(number))

    def before(call: Callable[..., Any]) -> Callable[..., Any]:
        def called(*arguments: Any, **options: Any) -> Any:
            if next(left, None) is None:
                raise Killed
            return call(*arguments, **options)

        return called

    for name in CALLS:
        monkeypatch.setattr(os, name, before(getattr(os, name)))


def test_record_that_is_replaced_is_never_a_mixture(tmp_path: Path) -> None:
    """Whenever a run is killed; otherwise a removal would write one file's original to another."""
    one, other = (
        Edited(Path("/etc", name), name.encode(), b"original " + name.encode(), is_unit=False)
        for name in ("default", "unit")
    )
    old, _ = set_up(b'{"mtu": 1400}', edited=(one, other))
    new, _ = set_up(b'{"mtu": 1500}', edited=(other, one), proven=True)
    records, number, is_done = Records(tmp_path / "state"), 0, False
    while not is_done:
        records.write(old)
        with pytest.MonkeyPatch.context() as patch, suppress(Killed):
            killed_at(number, patch)
            records.write(new)
            is_done = True
        assert records.read() in (old, new)
        number += 1
    assert records.read() == new
    assert number > 2 * len(CALLS)


def test_first_original_is_kept() -> None:
    """A file that is edited once more, after the set-up, is put back to what it was before it."""
    known = Edited(Path("/etc/default/docker"), b"A=", b"A=-H tcp://", is_unit=False)
    untouched = Edited(Path("/etc/other"), b"B=", b"B=1", is_unit=False)
    record, _ = set_up(None, edited=(known, untouched))
    again = Edit(known.path, known.written, b"A=-H fd://", is_unit=False)
    (first, second) = edited(record, [again])
    assert first == untouched
    assert (second.original, second.written) == (known.original, again.after)
    (restored,) = edited(replace(record, edited=(known,)), [replace(again, before=known.original)])
    assert restored.original == known.original
    (new,) = edited(None, [again])
    assert new.original == again.before


def test_file_that_others_edited_is_not_edited_once_more(tmp_path: Path) -> None:
    """There would be no content to put back that is right."""
    known = Edited(Path("/etc/default/docker"), b"A=", b"A=-H tcp://", is_unit=False)
    records = Records(tmp_path / "state")
    records.write(set_up(None, edited=(known,))[0])
    record = records.read()
    with pytest.raises(ConflictingState, match="were changed since") as raised:
        edited(record, [Edit(known.path, b"A=theirs", b"A=", is_unit=False)])
    (problem,) = raised.value.problems
    assert problem == f"{known.path}: its original is {_directory(records)}/0.original"
    assert (_directory(records) / "0.original").read_bytes() == known.original


def test_removal_that_is_killed_leaves_no_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rather than one that is corrupt, because the original is gone."""
    records = Records(tmp_path / "state")
    record, _ = set_up(b"{}")
    records.write(record)

    def killed(_name: str, _within: int) -> None:
        raise OSError

    monkeypatch.setattr(atomic, "remove", killed)
    with pytest.raises(CannotWrite):
        records.remove()
    assert records.read() is None


def test_record_is_locked(tmp_path: Path) -> None:
    """For one process at a time."""
    records = Records(tmp_path / "state")
    with records.locked(), pytest.raises(Locked), records.locked():
        pass


def test_record_that_others_can_write(tmp_path: Path) -> None:
    """It decides what root writes to daemon.json."""
    records = Records(tmp_path / "state")
    record, _ = set_up(None)
    records.write(record)
    records.directory.chmod(0o777)
    with pytest.raises(CannotWrite):
        records.read()
