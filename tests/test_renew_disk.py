"""A renewal whose directory is full, read-only, or not ours: what is there stays as it is."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from dockertls_vault.credential import store
from dockertls_vault.errors import CannotWrite, RenewalFailed
from dockertls_vault.renew import Action

from .harness.dialect.servers import on_openbao
from .harness.missing import as_root, missing
from .hosts import SERVER
from .trees import tree

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .hosts import Host

pytestmark = [on_openbao, pytest.mark.slow]

_CHANGES = ("mkdir", "open", "fchmod", "fsync", "rename", "symlink", "unlink", "rmdir")


@pytest.mark.parametrize("bundle", [False, True], ids=["certificate", "ca.pem"])
def test_disk_that_is_full_at_any_call_changes_nothing_before_the_swap(
    host: Host, tmp_path: Path, bundle: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After it, this is a warning, or the hook runs again; the next run completes the rest."""
    log = tmp_path / "log"
    host.issue(replace(SERVER, hooks=(("sh", "-c", f"echo ran >> {log}"),)))
    host.renew()
    if bundle:
        path = f"/v1/{host.mount}/root/rotate/internal"
        host.session.adapter.post(path, json={"common_name": "next", "not_before_duration": "5m"})
    template = tmp_path / "template"
    shutil.copytree(host.out, template, symlinks=True)
    before, old = tree(host.out), host.files()
    for succeeded in range(200):
        shutil.rmtree(host.out)
        shutil.copytree(template, host.out, symlinks=True)
        with monkeypatch.context() as patch:
            failed = _fail_once(succeeded, patch)
            done = host.renew(force=not bundle)
        if not failed:
            break
        if done.action is Action.FAILED:
            assert "No space left on device" in str(done.error)
            assert tree(host.out) == before
            assert host.files() == old
        else:
            told = (*done.warnings, str(done.error))
            assert any("No space left on device" in text for text in told)
            assert host.files() != old
        again = host.renew(force=not bundle and done.action is Action.FAILED)
        assert again.error is None
        assert host.files() != old
        assert host.renew().hooks.ran == ()
        assert host.renew().action is Action.NOTHING
    assert succeeded > 30


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

    for name in _CHANGES:
        wrap(name)
    return failed


@as_root
def test_full_file_system_keeps_the_old_credential(host: Host, tmp_path: Path) -> None:
    """Once there is space again, the next run renews."""
    volume = tmp_path / "volume"
    volume.mkdir()
    with _mounted("-t", "tmpfs", "-o", "size=256k", "none", str(volume)):
        host.out = volume / "tls"
        host.issue()
        before = tree(host.out)
        fill = volume / "fill"
        with pytest.raises(OSError, match="No space left"):
            fill.write_bytes(b"x" * (1 << 20))
        done = host.renew(force=True)
        assert "No space left on device" in str(done.error)
        assert type(done.error) is RenewalFailed
        assert "is valid for another 6d23h" in str(done.error)
        assert tree(host.out) == before
        fill.unlink()
        assert host.renew(force=True).action is Action.RENEWED


@as_root
@pytest.mark.parametrize("scheduled", [True, False])
def test_read_only_file_system_is_an_error_before_anything_is_due(
    host: Host, *, scheduled: bool
) -> None:
    """The remaining validity is known even if due.json is of no use, as after a rollback."""
    host.issue()
    host.renew()
    if not scheduled:
        (host.out / ".dockertls" / "due.json").unlink()
    before = tree(host.out)
    with _mounted("--bind", str(host.out), str(host.out)):
        _mount("-o", "remount,ro,bind", str(host.out))
        done = host.renew()
        assert type(done.error) is RenewalFailed
        assert "Read-only file system" in done.error.message
        assert "is valid for another 6d23h" in done.error.message
    assert tree(host.out) == before
    assert host.renew().error is None


def test_directory_without_write_permission_is_an_error_before_anything_is_due(host: Host) -> None:
    """It is an early sign that a renewal would fail."""
    host.issue()
    private = host.out / ".dockertls"
    private.chmod(0o555)
    done = host.renew()
    private.chmod(0o755)
    if os.geteuid() == 0:  # whom no mode stops
        assert done.error is None
        return
    assert type(done.error) is RenewalFailed
    assert "Permission denied" in done.error.message
    assert "is valid for another 6d23h" in done.error.message


def test_hook_whose_result_cannot_be_recorded_is_an_error(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The renewal is reported as done, and the hook runs once more."""
    host.issue(replace(SERVER, hooks=(("true",),)))
    host.renew()

    def remember(*_: object) -> None:
        raise CannotWrite("cannot write in hooks.json")

    with monkeypatch.context() as patch:
        patch.setattr(store, "remember", remember)
        done = host.renew(force=True)
    assert done.action is Action.RENEWED
    assert type(done.error) is CannotWrite
    assert host.renew().hooks.ran == (("true",),)


@contextmanager
def _mounted(*arguments: str) -> Iterator[None]:
    _mount(*arguments)
    try:
        yield
    finally:
        subprocess.run(["umount", arguments[-1]], check=True)


def _mount(*arguments: str) -> None:
    if subprocess.run(["mount", *arguments], capture_output=True, check=False).returncode != 0:
        missing("nothing can be mounted here")
