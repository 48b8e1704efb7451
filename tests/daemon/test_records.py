"""Where the record of a set-up is kept: complete after a kill, and for root alone."""

from __future__ import annotations

import json
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dockertls_vault.daemon import pickup
from dockertls_vault.daemon.edit import Edited
from dockertls_vault.daemon.records import Records
from dockertls_vault.errors import CannotWrite, ConflictingState, Locked
from dockertls_vault.files import atomic

from .test_record import set_up

if TYPE_CHECKING:
    from collections.abc import Callable


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


@pytest.mark.parametrize("content", [b"", b"[1]", b'{"a": ', b'{"tlsverify": true}'])
def test_damaged_file(tmp_path: Path, content: bytes) -> None:
    """A removal would leave TLS in daemon.json, or blame the daemon.json of the host."""
    records = Records(tmp_path / "state")
    record, _ = set_up(b"{}")
    records.write(record)
    (_directory(records) / "daemon.json.written").write_bytes(content)
    with pytest.raises(ConflictingState, match=r"set-up\.json is corrupt"):
        records.read()


@pytest.mark.parametrize("key", ["certificates", "daemon_json", "directories"])
@pytest.mark.parametrize("path", ["relative", "/a\0b", ""])
def test_path_that_is_none(tmp_path: Path, key: str, path: str) -> None:
    """As the other settings of a record, it is checked before it is used."""
    records = Records(tmp_path / "state")
    record, _ = set_up(b"{}", directories=(Path("/x"),))
    records.write(record)
    file = records.directory / "set-up.json"
    kept = json.loads(file.read_bytes())
    file.write_text(json.dumps({**kept, key: [path] if key == "directories" else path}))
    with pytest.raises(ConflictingState, match=r"set-up\.json is corrupt"):
        records.read()


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("/dev/zero")])
def test_restart_that_is_no_regular_file_is_not_known(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    """Dockerd is then restarted once more."""
    records = Records(tmp_path / "state")
    record, _ = set_up(b"{}")
    records.write(record)
    make(records.directory / "restart.json")
    assert records.attempt() is None


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
