"""The record of a set-up, and how daemon.json is taken back with it."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from dockertls_vault.daemon import pickup
from dockertls_vault.daemon.desired import DEFAULT
from dockertls_vault.daemon.record import Edited, Record, Records, taken_back
from dockertls_vault.docker import daemon_json
from dockertls_vault.errors import CannotWrite, ConflictingState, Locked
from dockertls_vault.files import atomic

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
    records, seen = Records(tmp_path / "state"), set()
    for value in ("a", "b"):
        record, _ = set_up(f'{{"proxies": "{value}"}}'.encode())
        records.write(record)
        seen.add((records.directory / "set-up.json").read_bytes())
    assert len(seen) == 1
    kept = [each for each in records.directory.iterdir() if each.is_dir()]
    assert {stat.S_IMODE(each.stat().st_mode) for each in kept} == {0o700}


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"version": 2}', '{"version": 1, "original": true}']
)
def test_corrupt_record(tmp_path: Path, text: str) -> None:
    """It is named."""
    records = Records(tmp_path / "state")
    record, _ = set_up(None)
    records.write(record)
    (records.directory / "set-up.json").write_text(text)
    with pytest.raises(ConflictingState, match=r"set-up\.json is corrupt"):
        records.read()


@pytest.mark.parametrize("name", ["original/daemon.json", "written/daemon.json"])
def test_missing_file(tmp_path: Path, name: str) -> None:
    """Without it, a removal would not know what to put back."""
    records = Records(tmp_path / "state")
    record, _ = set_up(b"{}")
    records.write(record)
    (records.directory / name).unlink()
    with pytest.raises(ConflictingState, match=r"set-up\.json is corrupt"):
        records.read()


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
