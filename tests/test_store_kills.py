"""What happens to the credential when runs are killed, come at once, or find no room."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from dockertls_vault import durable, store
from dockertls_vault.errors import CannotWrite, Locked

from .credentials import NAMES, generations, public, put


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Return a directory that is not there yet."""
    return tmp_path / "certs"


def test_a_directory_that_another_process_keeps_is_left_alone(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the wait it says that it is locked, and nothing has changed."""
    put(out, 1)
    monkeypatch.setattr(store, "LOCK_WAIT", 0.1)
    with (
        durable.opened(str(out / ".dockertls")) as private,
        durable.locked("lock", private, wait=1),
        pytest.raises(Locked),
    ):
        put(out, 2)
    assert public(out) == {"1"}


def test_many_at_once_leave_one_complete_set(out: Path) -> None:
    """Processes that install at the same time take turns."""
    code = "import sys; from pathlib import Path; from tests.credentials import put; "
    code += "put(Path(sys.argv[1]), int(sys.argv[2]))"
    root = Path(__file__).parent.parent
    processes = [
        subprocess.Popen([sys.executable, "-c", code, out, str(number)], cwd=root)
        for number in range(1, 6)
    ]
    assert [process.wait() for process in processes] == [0] * 5
    assert len(public(out)) == 1
    assert len(generations(out)) == 3


def test_a_reader_never_sees_two_sets(out: Path) -> None:
    """A reader who opens the directory behind the link reads one set, at any time."""
    put(out, 0)
    mixed = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            found = store.installed(out)
            try:
                texts = [path.read_text() for path in (found.ca, found.cert, found.key)]
            except FileNotFoundError:  # read so slowly that three renewals went by
                continue
            if len({text.rpartition(" ")[2] for text in texts}) != 1:
                mixed.append(texts)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(1, 40):
        put(out, number)
    done.set()
    reader.join()
    assert mixed == []
    assert public(out) == {"39"}


class _KilledError(BaseException):
    """Stands for SIGKILL: nothing that would clean up may run, so all of it is made to fail."""


SYSCALLS = ("mkdir", "open", "fsync", "rename", "symlink", "link", "unlink", "rmdir")


@pytest.mark.parametrize("before", ["nothing", "ours", "foreign"])
def test_a_kill_at_any_instant_leaves_a_complete_set(
    out: Path, before: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After each system call that changes the disk the public set is the old or the new one.

    The run is killed before its first such call, then before its second, and so on until one
    run gets through; the next run after each kill must succeed.
    """
    for survived in itertools.count():
        directory = out / str(survived)
        if before == "ours":
            put(directory, 1)
        elif before == "foreign":
            directory.mkdir(parents=True)
            for name in NAMES:
                (directory / name).write_text(f"{name} 1")
        with monkeypatch.context() as patch:
            _kill_after(survived, patch)
            try:
                put(directory, 2, replace=True)
            except _KilledError:
                finished = False
            else:
                finished = True
        if before == "nothing":
            present = [name for name in NAMES if (directory / name).exists()]
            assert present in ([], list(NAMES))
        else:
            assert public(directory) in ({"1"}, {"2"})
        put(directory, 3, replace=True)
        assert public(directory) == {"3"}
        assert not [name for name in generations(directory) if name.startswith(".")]
        if finished:
            assert survived > 10
            return


def _kill_after(calls: int, patch: pytest.MonkeyPatch) -> None:
    """Let ``calls`` changes of the disk happen; every later one fails, as if nothing ran on."""
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


def test_a_full_disk_is_said_and_leaves_nothing_half_done(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old set stays, the half-written one is removed, and the words name the cause."""
    put(out, 1)
    real = os.fsync

    def full(descriptor: int) -> None:
        if "key.pem" in str(Path(f"/proc/self/fd/{descriptor}").readlink()):
            raise OSError(28, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CannotWrite, match="No space left on device"):
        put(out, 2)
    assert public(out) == {"1"}
    assert len(generations(out)) == 1
