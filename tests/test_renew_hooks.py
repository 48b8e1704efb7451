"""Hooks that misbehave after a renewal: the new certificate stays, and the next run tries again."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from dockertls_vault.renew import Action

from .harness.dialect.servers import on_openbao
from .hosts import SERVER

if TYPE_CHECKING:
    from pathlib import Path

    from .hosts import Host

pytestmark = on_openbao


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("exit 3", "exit status 3"),
        ("kill -KILL $$", "killed by SIGKILL"),
        ("sleep 1000 & wait", "timed out after 1s"),
        ("head -c 5000000 /dev/zero; exit 4", "exit status 4"),
    ],
)
def test_failed_hook_is_retried_by_each_run_until_it_succeeds(
    host: Host, tmp_path: Path, fault: str, reason: str
) -> None:
    """Nothing is renewed meanwhile, and the hook does not run again after its success."""
    works = tmp_path / "works"
    hook = ("sh", "-c", f"test -e {works} && exit 0; {fault}")
    works.touch()
    host.issue(replace(SERVER, hooks=(hook,)))
    assert host.renew().hooks.ran == (hook,)
    works.unlink()
    if "wait" in fault:
        host.hook_timeout = timedelta(seconds=1)
    done = host.renew(force=True)
    files = host.files()
    assert done.action is Action.RENEWED
    for _ in range(2):
        assert done.error is not None
        assert done.error.exit_status == 71
        assert done.error.message.endswith(f"failed: {reason}")
        done = host.renew()
        assert done.action is Action.NOTHING
    works.touch()
    assert host.renew().hooks.ran == (hook,)
    assert host.renew().hooks.ran == ()
    assert host.files() == files


def test_hook_that_starts_a_daemon_succeeds(host: Host, tmp_path: Path) -> None:
    """The daemon is not waited for."""
    pid = tmp_path / "pid"
    hook = ("sh", "-c", f"sleep 1000 & echo $! > {pid}")
    host.issue(replace(SERVER, hooks=(hook,)))
    assert host.renew().hooks.ran == (hook,)
    os.kill(int(pid.read_text()), signal.SIGKILL)
