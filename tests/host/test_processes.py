"""What /proc shows of a process."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dockertls_vault.host import processes
from tests.harness.missing import as_root
from tests.harness.process import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

# At most 15 bytes: TASK_COMM_LEN.
NAME = "dockertls-sleep"


@contextmanager
def sleeping(directory: Path, *prefix: str, user: int | None = None) -> Iterator[int]:
    """Run a program with that name; yield its PID."""
    program = directory / NAME
    shutil.copy(shutil.which("sleep") or "", program)
    directory.chmod(0o755)
    process = subprocess.Popen([*prefix, program, "600"], env={"A": "b=c"}, user=user)
    try:
        wait_until(lambda: _sleeper(process.pid) is not None)
        yield _sleeper(process.pid) or 0
    finally:
        process.kill()
        process.wait()


def _sleeper(parent: int) -> int | None:
    """Return the PID of the program: the process itself, or its child."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    for pid in (parent, *map(int, children)):
        name = Path(f"/proc/{pid}/comm").read_text().strip()
        # The environment is the last that execve(2) sets.
        if name == NAME and Path(f"/proc/{pid}/environ").read_bytes():
            return pid
    return None


def test_process_is_read(tmp_path: Path) -> None:
    """Its arguments, its start and its environment."""
    before = datetime.now(UTC)
    with sleeping(tmp_path) as pid:
        found = processes.read(pid)
        assert found is not None
        assert found.arguments == (str(tmp_path / NAME), "600")
        assert found.owner == os.geteuid()
        assert found.environ == {"A": "b=c"}
        assert not found.in_other_namespaces
        # To a hundredth of a second, and the clock may be adjusted meanwhile.
        assert before - timedelta(seconds=1) < found.started < datetime.now(UTC)
        assert processes.is_named(pid, NAME)
        assert pid in processes.named(NAME)
        assert not processes.is_named(pid, "dockerd")
    assert processes.read(pid) is None
    assert not processes.is_named(pid, NAME)


@as_root
def test_process_of_another_user_does_not_count(shared_directory: Path) -> None:
    """It could have any name, and any arguments."""
    with sleeping(shared_directory, user=65534) as pid:
        assert not processes.is_named(pid, NAME)
        assert pid not in processes.named(NAME)


@as_root
@pytest.mark.parametrize("namespace", ["--net", "--mount"])
def test_process_elsewhere_is_recognized(tmp_path: Path, namespace: str) -> None:
    """Its files or its addresses are others than ours."""
    with sleeping(tmp_path, "unshare", namespace) as pid:
        found = processes.read(pid)
        assert found is not None
        assert found.in_other_namespaces


@as_root
def test_process_in_a_container_is_not_of_this_host(tmp_path: Path) -> None:
    """It has a PID of its own there."""
    with sleeping(tmp_path, "unshare", "--pid", "--fork", "--kill-child") as pid:
        assert not processes.is_named(pid, NAME)
