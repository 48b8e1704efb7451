"""What a thread with another user's fsuid may do, and what the other threads still may."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dockertls_vault.errors import CannotWrite
from dockertls_vault.files import fsuid
from tests.harness.missing import as_root

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = as_root
NOBODY = pwd.getpwnam("nobody")
NAMELESS = 54321


@pytest.fixture
def root_owned(shared_directory: Path) -> Path:
    """Create a file of root's, mode 0600, in a world-writable directory."""
    shared_directory.chmod(0o1777)
    file = shared_directory / "roots"
    file.write_text("secret")
    file.chmod(0o600)
    return file


@pytest.mark.parametrize(
    "attempt",
    [
        lambda file: file.read_text(),
        lambda file: file.write_text(""),
        lambda file: os.chown(file, NOBODY.pw_uid, -1),
        lambda file: file.chmod(0o666),
        lambda file: (file.parent / "linked").hardlink_to(file),
        lambda file: file.rename(file.parent / "renamed"),
        lambda file: file.unlink(),
        lambda file: os.mknod(file.parent / "device", 0o020666, os.makedev(1, 3)),
        lambda file: os.utime(file, (0, 0)),
        lambda _: Path("/etc/new").write_text(""),
    ],
    ids=["read", "write", "chown", "chmod", "link", "rename", "unlink", "mknod", "utime", "create"],
)
def test_acting_as_a_user_has_only_the_users_permissions(
    root_owned: Path, attempt: Callable[[Path], object]
) -> None:
    """The kernel refuses each of these, since root's capabilities are dropped too."""
    with pytest.raises(PermissionError):
        fsuid.as_user(NOBODY.pw_uid, lambda: attempt(root_owned))
    assert root_owned.read_text() == "secret"
    assert root_owned.stat().st_uid == 0


@pytest.mark.parametrize("uid", [NOBODY.pw_uid, NAMELESS])
def test_created_file_belongs_to_the_user(shared_directory: Path, uid: int) -> None:
    """Also for a user without a passwd entry, who is then in no other group."""
    os.chown(shared_directory, uid, -1)
    fsuid.as_user(uid, (shared_directory / "made").touch)
    made = (shared_directory / "made").stat()
    assert made.st_uid == uid
    assert made.st_gid in fsuid.groups(uid)


def test_acting_as_a_user_drops_roots_groups(shared_directory: Path) -> None:
    """What root's supplementary groups may read is refused."""
    group = 4242
    (shared_directory / "groups").touch(mode=0o640)
    os.chown(shared_directory / "groups", 0, group)
    before = os.getgroups()
    os.setgroups([group])
    try:
        with pytest.raises(PermissionError):
            fsuid.as_user(NOBODY.pw_uid, (shared_directory / "groups").read_text)
        assert os.getgroups() == [group]
    finally:
        os.setgroups(before)


def test_acting_as_a_user_takes_all_the_users_groups(
    shared_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also those that are not the user's first one, as after a login."""
    group = 4242
    monkeypatch.setattr(os, "getgrouplist", lambda _name, gid: [gid, group])
    (shared_directory / "groups").write_text("shared")
    (shared_directory / "groups").chmod(0o640)
    os.chown(shared_directory / "groups", 0, group)
    assert fsuid.as_user(NOBODY.pw_uid, (shared_directory / "groups").read_text) == "shared"


def test_other_threads_stay_root(root_owned: Path) -> None:
    """Only the acting thread changes, and it is root again afterwards."""
    acts, looked = threading.Event(), threading.Event()
    seen = []

    def look() -> None:
        acts.wait(60)
        seen.append((root_owned.read_text(), os.getgroups()))
        looked.set()

    groups = os.getgroups()
    other = threading.Thread(target=look)
    other.start()

    def work() -> tuple[int, int]:
        acts.set()
        assert looked.wait(60)
        return os.getuid(), os.geteuid()

    assert fsuid.as_user(NOBODY.pw_uid, work) == (0, 0)
    other.join()
    assert seen == [("secret", groups)]
    assert root_owned.read_text() == "secret"


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, SystemExit])
def test_exception_is_raised_unchanged(kind: type[BaseException]) -> None:
    """As if the function had been called directly."""

    def work() -> None:
        raise kind("of the work")

    with pytest.raises(kind, match="of the work"):
        fsuid.as_user(NOBODY.pw_uid, work)


def test_unknown_architecture_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing runs, rather than with root's groups."""
    done: list[int] = []
    monkeypatch.setattr(fsuid, "_SETGROUPS", {})
    with pytest.raises(CannotWrite, match="acting as another user is not supported here"):
        fsuid.as_user(NOBODY.pw_uid, lambda: done.append(1))
    assert done == []


@pytest.mark.parametrize(
    "without",
    ["--bounding-set=-setuid", "--bounding-set=-setgid", "--securebits=+no_setuid_fixup"],
)
def test_process_without_the_capabilities_is_refused(without: str) -> None:
    """As in a container without CAP_SETUID, or with a securebit that keeps capabilities."""
    code = "import sys; from dockertls_vault.files import fsuid; "
    code += "fsuid.as_user(int(sys.argv[1]), lambda: print('done'))"
    ended = subprocess.run(
        ["setpriv", without, sys.executable, "-c", code, str(NOBODY.pw_uid)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "this process may not act as the user" in ended.stderr
    assert ended.stdout == ""
