"""The dockerd of this host is found, in the order in which its process is known."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from dockertls_vault.daemon import running
from dockertls_vault.host import processes
from tests.harness.process import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ENTER = "nsenter -U --preserve-credentials -m -n -t"


@contextmanager
def dockerd(directory: Path) -> Iterator[int]:
    """Run a program of that name, which does nothing; yield its PID."""
    program = directory / running.NAME
    if not program.exists():
        shutil.copy(shutil.which("sleep") or "", program)
    process = subprocess.Popen([program, "600"])
    try:
        wait_until(lambda: processes.is_named(process.pid, running.NAME))
        yield process.pid
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def nowhere(tmp_path: Path) -> Path:
    """Return a PID file that does not exist."""
    return tmp_path / "nowhere"


def pid(found: running.Search) -> int | None:
    """Return the PID of the process that was found."""
    return found.process.pid if found.process else None


def test_the_process_that_is_known_best_wins(
    tmp_path: Path, nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one asked for, systemd's, that of the PID file, and the only one."""
    with dockerd(tmp_path) as one, dockerd(tmp_path) as two, dockerd(tmp_path) as three:
        file = tmp_path / "pid"
        file.write_text(f"{three}\n")
        assert pid(running.find(one, two, file)) == one
        assert pid(running.find(None, two, file)) == two
        assert pid(running.find(None, None, file)) == three
        monkeypatch.setattr(processes, "named", lambda _: (two,))
        assert pid(running.find(None, None, nowhere)) == two
        monkeypatch.setattr(processes, "named", lambda _: (one, two))
        several = running.find(None, None, nowhere)
        assert pid(several) is None
        assert several.why == f"several run here: PID {one}, {two}"
        assert running.judge(several, by_systemd=True).remedy == "choose one with --pid"


@pytest.mark.parametrize("content", ["", "no number", "1", "9" * 30, "-5"])
def test_stale_pid_file_is_ignored(
    tmp_path: Path, content: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process with that number is another one, or there is none."""
    file = tmp_path / "pid"
    file.write_text(content)
    monkeypatch.setattr(processes, "named", lambda _: ())
    found = running.find(None, 1, file)
    assert found == running.Search(None, "no dockerd runs on this host")
    judged = running.judge(found, by_systemd=True)
    assert judged.result == "unreachable"
    assert "systemctl start docker; if it fails, see `journalctl" in (judged.remedy or "")
    assert running.judge(found, by_systemd=False).remedy == "start it"


def test_process_that_is_not_dockerd_is_refused(nowhere: Path) -> None:
    """Its PID may be a typing error."""
    found = running.find(1, None, nowhere)
    assert found.process is None
    assert "PID 1 is not a dockerd" in found.why
    assert "--pid" in (running.judge(found, by_systemd=True).remedy or "")


@pytest.mark.parametrize(
    ("owner", "remedy"),
    [
        (0, "run `dockertls-vault daemon doctor` there"),
        (1000, f"run this as its user: {ENTER} 7 dockertls-vault daemon doctor"),
    ],
)
def test_rootless_dockerd_is_examined_in_its_namespaces(owner: int, remedy: str) -> None:
    """Its user can enter them, as docs/how-to/diagnose.md shows."""
    found = processes.Process(7, owner, ("dockerd",), datetime.now(UTC), None, True)
    judged = running.judge(running.Search(found, "as asked"), by_systemd=True)
    assert (judged.result, judged.remedy) == ("unknown", remedy)
