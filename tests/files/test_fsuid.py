"""What a thread that acts as another user may do, and what the others still may."""

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
def roots(everybodys: Path) -> Path:
    """Make a file of root's, 0600, in a directory that anybody can write."""
    everybodys.chmod(0o1777)
    file = everybodys / "roots"
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
def test_it_may_not_do_what_the_user_may_not(
    roots: Path, attempt: Callable[[Path], object]
) -> None:
    """The kernel refuses each, as it does to the user; root's capabilities are gone with it."""
    with pytest.raises(PermissionError):
        fsuid.as_user(NOBODY.pw_uid, lambda: attempt(roots))
    assert roots.read_text() == "secret"
    assert roots.stat().st_uid == 0


@pytest.mark.parametrize("uid", [NOBODY.pw_uid, NAMELESS])
def test_what_it_makes_is_the_users(everybodys: Path, uid: int) -> None:
    """Also one's whom this machine does not know, who is in no group of it then."""
    os.chown(everybodys, uid, -1)
    fsuid.as_user(uid, (everybodys / "made").touch)
    made = (everybodys / "made").stat()
    assert made.st_uid == uid
    assert made.st_gid in fsuid.groups(uid)


def test_it_has_the_users_groups_and_none_of_ours(everybodys: Path) -> None:
    """What root's own groups may read is not for the user."""
    group = 4242
    (everybodys / "groups").touch(mode=0o640)
    os.chown(everybodys / "groups", 0, group)
    before = os.getgroups()
    os.setgroups([group])
    try:
        with pytest.raises(PermissionError):
            fsuid.as_user(NOBODY.pw_uid, (everybodys / "groups").read_text)
        assert os.getgroups() == [group]
    finally:
        os.setgroups(before)


def test_the_other_threads_keep_what_they_have(roots: Path) -> None:
    """While it works they are root, and so is whoever comes after it."""
    acts, looked = threading.Event(), threading.Event()
    seen = []

    def look() -> None:
        acts.wait(60)
        seen.append((roots.read_text(), os.getgroups()))
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
    assert roots.read_text() == "secret"


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, SystemExit])
def test_what_it_raises_comes_through(kind: type[BaseException]) -> None:
    """As if it had been called."""

    def work() -> None:
        raise kind("of the work")

    with pytest.raises(kind, match="of the work"):
        fsuid.as_user(NOBODY.pw_uid, work)


def test_a_machine_that_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is done there, rather than with root's groups."""
    done: list[int] = []
    monkeypatch.setattr(fsuid, "_SETGROUPS", {})
    with pytest.raises(CannotWrite, match="no way is known here"):
        fsuid.as_user(NOBODY.pw_uid, lambda: done.append(1))
    assert done == []


@pytest.mark.parametrize(
    "without",
    ["--bounding-set=-setuid", "--bounding-set=-setgid", "--securebits=+no_setuid_fixup"],
)
def test_a_process_that_may_not(without: str) -> None:
    """As in a container without capabilities, or where they do not go with the user."""
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
