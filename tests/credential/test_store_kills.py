"""The credential when installs are killed, run at once, or find no space on the disk."""

from __future__ import annotations

import concurrent.futures
import errno
import fcntl
import itertools
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dockertls_vault.credential import reader, store
from dockertls_vault.errors import CannotWrite, Locked, UnmanagedFiles
from dockertls_vault.files import atomic, reading
from tests.certificates import Authority
from tests.credentials import (
    CLIENT,
    NAMES,
    generations,
    listing,
    narrow,
    public,
    put,
    swap_by_hand,
)

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.slow

LIMIT = 60.0  # seconds; far more than any test needs


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Return the path of a directory that does not exist yet."""
    return tmp_path / "certs"


def test_directory_locked_by_another_process_is_left_unchanged(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the wait, install raises Locked."""
    put(out, 1)
    monkeypatch.setattr(store, "LOCK_WAIT", 0.1)
    with (
        reading.opened(str(out / ".dockertls")) as private,
        atomic.locked("lock", private, wait=1),
        pytest.raises(Locked),
    ):
        put(out, 2)
    assert public(out) == {"1"}


def test_foreign_file_that_appears_while_waiting_for_the_lock_is_refused(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check is repeated once the lock is held."""
    put(out, 1)
    waits = threading.Event()
    real = fcntl.flock

    def flock(lock: int, how: int) -> None:
        waits.set()
        real(lock, how)

    with concurrent.futures.ThreadPoolExecutor() as threads:
        with (
            reading.opened(str(out / ".dockertls")) as private,
            atomic.locked("lock", private, wait=1),
        ):
            monkeypatch.setattr(fcntl, "flock", flock)
            waiting = threads.submit(put, out, 2)
            assert waits.wait(LIMIT)
            (out / "key.pem").unlink()
            (out / "key.pem").write_text("by hand")
        with pytest.raises(UnmanagedFiles, match=r"key\.pem"):
            waiting.result(LIMIT)
    assert (out / "key.pem").read_text() == "by hand"


def test_concurrent_installs_leave_one_complete_set(out: Path) -> None:
    """Processes that install at the same time take turns."""
    code = "import sys; from pathlib import Path; from tests.credentials import put; "
    code += "put(Path(sys.argv[1]), int(sys.argv[2]))"
    root = Path(__file__).parents[2]
    processes = [
        subprocess.Popen([sys.executable, "-c", code, out, str(number)], cwd=root)
        for number in range(1, 6)
    ]
    assert [process.wait() for process in processes] == [0] * 5
    assert len(public(out)) == 1
    assert len(generations(out)) == 3


def test_reader_never_sees_a_mixed_set(out: Path) -> None:
    """A reader that opens the directory behind the link gets one set at any time."""
    put(out, 0)
    mixed = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            found = reader.installed(out)
            try:
                texts = [path.read_text() for path in (found.ca, found.cert, found.key)]
            except FileNotFoundError:  # read so slowly that three renewals went by
                continue
            if len({text.rpartition(" ")[2] for text in texts}) != 1:
                mixed.append(texts)

    reading = threading.Thread(target=read)
    reading.start()
    for number in range(1, 40):
        put(out, number)
    done.set()
    reading.join()
    assert mixed == []
    assert public(out) == {"39"}


def test_reader_gets_a_generation_if_a_swap_comes_between(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not fall back on the public names, whose files can be swapped between two reads."""
    put(out, 1)
    real = os.path.samefile

    def samefile(first: Path, second: Path) -> bool:
        if len(generations(out)) == 1:
            put(out, 2)
        return real(first, second)

    monkeypatch.setattr(os.path, "samefile", samefile)
    found = reader.installed(out)
    assert found.key.parent.name == max(generations(out))
    assert found.key.read_text() == "key.pem 2"


class _KilledError(BaseException):
    """Stand in for SIGKILL: no cleanup may run afterwards, so every later call fails too."""


SYSCALLS = (
    *("mkdir", "open", "fchmod", "fchown", "fsync", "rename", "symlink", "link", "unlink", "rmdir"),
)


def _nothing(_: Path) -> None:
    """Start without a directory."""


def _ours(out: Path) -> None:
    """Start with one generation."""
    put(out, 1)


def _full(out: Path) -> None:
    """Start with as many generations as are kept, so that the next run removes one."""
    for number in (-2, -1, 0, 1):
        put(out, number)


def _by_hand(out: Path) -> None:
    """Start with three files written by hand."""
    out.mkdir(parents=True)
    for name in NAMES:
        (out / name).write_text(f"{name} 1")


def _combined(out: Path) -> None:
    """Start with one file for certificate and key, and a foreign link to a link."""
    _by_hand(out)
    (out / "real.pem").write_text("ca.pem 1")
    (out / "link.pem").symlink_to("real.pem")
    (out / "ca.pem").unlink()
    (out / "ca.pem").symlink_to("link.pem")
    (out / "key.pem").unlink()
    (out / "key.pem").symlink_to("cert.pem")


def _absolute(out: Path) -> None:
    """Start with absolute links, as left by a user who copied the directory."""
    put(out, 1)
    for name in NAMES:
        (out / name).unlink()
        (out / name).symlink_to(out / ".dockertls" / "current" / name)


def _set_back(out: Path) -> None:
    """Start with an old generation in use, its link written as a shell completes it."""
    for number in (1, 2, 3):
        put(out, number)
    swap_by_hand(out, f"generations/{generations(out)[0]}/")


BEFORE = {
    found.__name__.strip("_"): found
    for found in (_nothing, _ours, _full, _by_hand, _combined, _absolute, _set_back)
}


@pytest.mark.parametrize("prepare", BEFORE.values(), ids=BEFORE)
def test_kill_after_any_system_call_leaves_a_complete_set(
    out: Path, prepare: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After each system call that changes the disk, the public set is the old or the new one.

    The run is killed before its first such call, then before its second, and so on until one
    run gets through; the next run after each kill must succeed.
    """
    for survived in itertools.count():
        directory = out / str(survived)
        prepare(directory)
        with monkeypatch.context() as patch:
            _kill_after(survived, patch)
            try:
                put(directory, 7, replace=True)
            except _KilledError:
                finished = False
            else:
                finished = True
        if prepare is _nothing:
            present = [name for name in NAMES if (directory / name).exists()]
            assert present in ([], list(NAMES))
        else:
            assert public(directory) in ({"1"}, {"7"})
        for backup in (directory / ".dockertls" / "backup").glob("*"):
            assert public(backup) == {"1"}
        put(directory, 8, replace=True)
        assert public(directory) == {"8"}
        assert listing(directory / ".dockertls" / "unfinished") == []
        assert [path.name for path in directory.rglob(".*")] == [".dockertls"]
        if finished:
            assert survived > 10
            return


@pytest.mark.parametrize("breaks", ["_kill_after", "_fail_once"])
def test_lost_ca_is_noted_whatever_happens(
    out: Path, breaks: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once ca.pem has lost a CA, the note of before is not there, and the next run makes one."""
    old, new = (Authority.create(name).pem for name in ("old", "new"))
    for survived in itertools.count():
        directory = out / str(survived)
        before = narrow(directory, 1, old + new)
        with monkeypatch.context() as patch:
            failed = globals()[breaks](survived, patch)
            try:
                after = narrow(directory, 2, new)
            except (_KilledError, CannotWrite):
                after = None
        if (directory / "ca.pem").read_bytes() == new:
            assert narrow(directory) != before
        assert narrow(directory, 3, new) not in (None, before)
        if after is not None and not failed:
            assert survived > 10
            return


@pytest.mark.parametrize("breaks", ["_kill_after", "_fail_once"])
def test_interrupted_rollback_leaves_one_complete_set(
    out: Path, breaks: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed or out of space at each call; the next rollback succeeds."""
    place = CLIENT.place(out)
    put(out, 1)
    put(out, 2)
    first, second = generations(out)
    for survived in itertools.count():
        (out / "key.pem").unlink()  # so that a link is made again, too
        with monkeypatch.context() as patch:
            globals()[breaks](survived, patch)
            try:
                warnings = store.use(place, first)
            except (_KilledError, CannotWrite):
                warnings = None
        assert (out / "cert.pem").read_text() in {"cert.pem 1", "cert.pem 2"}
        assert warnings is None or public(out) == {"1"}
        store.use(place, second)
        assert public(out) == {"2"}
        assert generations(out) == [first, second]
        if warnings == ():
            assert survived > 4
            return


@pytest.mark.parametrize("prepare", BEFORE.values(), ids=BEFORE)
def test_full_disk_before_the_swap_leaves_the_old_set(
    out: Path, prepare: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each call in turn fails with ENOSPC: an error before the swap, a warning after it."""
    for succeeded in itertools.count():
        directory = out / str(succeeded)
        prepare(directory)
        with monkeypatch.context() as patch:
            failed = _fail_once(succeeded, patch)
            try:
                installed = put(directory, 7, replace=True)
            except CannotWrite as error:
                said, expected = [error.message], {"1"}
            else:
                said, expected = list(installed.warnings), {"7"}
        # A file that cannot be linked into the backup is copied instead.
        told = [] if failed == ["link"] else failed
        assert ["No space left on device" in text for text in said] == [True] * len(told)
        assert prepare is _nothing or public(directory) == expected
        put(directory, 8, replace=True)
        assert public(directory) == {"8"}
        if not failed:
            return


def test_unfinished_backup_is_removed_by_the_next_install(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It holds a foreign key, whose owner may have moved the files away since the kill."""
    _by_hand(out)
    unfinished = out / ".dockertls" / "unfinished"
    kept = os.link

    def link(*arguments: Any, **options: Any) -> None:
        kept(*arguments, **options)
        if arguments[1] == "key.pem":
            _kill_after(0, monkeypatch)

    monkeypatch.setattr(os, "link", link)
    with pytest.raises(_KilledError):
        put(out, 2, replace=True)
    monkeypatch.undo()
    assert [path.stat().st_nlink for path in unfinished.glob("*/key.pem")] == [2]
    for name in NAMES:
        (out / name).unlink()
    put(out, 3)
    assert list(unfinished.iterdir()) == []


@pytest.mark.parametrize("prepare", BEFORE.values(), ids=BEFORE)
def test_new_set_is_synced_before_the_swap(
    out: Path, prepare: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a power failure the link leads to files that exist, in directories that list them.

    At the swap everything but the link itself is synced; at the end the link is, too.
    """
    prepare(out)
    unsynced: set[Path] = set()
    at_swaps = []

    def path(name: str, within: int | None) -> Path:
        return Path(name if within is None else f"/proc/self/fd/{within}").resolve() / name

    def watch(call: str, place: str, named: int) -> None:
        real = getattr(os, call)

        def watched(*arguments: Any, **options: Any) -> object:
            found = path(arguments[named], options.get(place))
            if call == "rename" and found.name == "current":
                at_swaps.append(_looked_at(unsynced))
            result = real(*arguments, **options)
            if call == "open" and arguments[1] & os.O_CREAT and found.name != "lock":
                unsynced.update((found, found.parent))
            elif call != "open":
                unsynced.add(found.parent)
            return result

        monkeypatch.setattr(os, call, watched)

    watch("open", "dir_fd", 0)
    watch("mkdir", "dir_fd", 0)
    watch("symlink", "dir_fd", 1)
    watch("link", "dst_dir_fd", 1)
    watch("rename", "dst_dir_fd", 1)
    real_fsync = os.fsync

    def fsync(descriptor: int) -> None:
        real_fsync(descriptor)
        unsynced.discard(Path(f"/proc/self/fd/{descriptor}").resolve())

    monkeypatch.setattr(os, "fsync", fsync)
    adopts = put(out, 7, replace=True).backup is not None
    assert at_swaps == [set()] * (2 if adopts else 1)
    assert _looked_at(unsynced) == set()


def _looked_at(paths: set[Path]) -> set[Path]:
    """Return the paths that a reader can reach."""
    return {path for path in paths if path.name != "unfinished"}


def _kill_after(calls: int, patch: pytest.MonkeyPatch) -> None:
    """Let ``calls`` changes of the disk succeed; every later one fails, as if killed."""
    left = iter(range(calls))

    def wrap(name: str) -> None:
        real = getattr(os, name)

        def call(*arguments: object, **options: object) -> object:
            changes = name != "open" or int(str(arguments[1])) & os.O_CREAT
            if changes and next(left, None) is None:
                raise _KilledError
            return real(*arguments, **options)

        patch.setattr(os, name, call)

    for name in SYSCALLS:
        wrap(name)


def _fail_once(calls: int, patch: pytest.MonkeyPatch) -> list[str]:
    """Let ``calls`` changes of the disk succeed, fail the next with ENOSPC; return its name."""
    left = iter(range(calls))
    failed: list[str] = []

    def wrap(name: str) -> None:
        real = getattr(os, name)

        def call(*arguments: object, **options: object) -> object:
            changes = name != "open" or int(str(arguments[1])) & os.O_CREAT
            if changes and not failed and next(left, None) is None:
                failed.append(name)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return real(*arguments, **options)

        patch.setattr(os, name, call)

    for name in SYSCALLS:
        wrap(name)
    return failed
