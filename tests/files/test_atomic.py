"""Files and directories get their exact modes, and no process-wide state is changed."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import dockertls_vault
from dockertls_vault.files import atomic, reading
from tests.credentials import listing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
# Installs in eight threads, as an ordinary user: root's privileges would hide a wrong mode. The
# user is switched after the imports, since that user may not be able to read the package.
THREADS = """
import os, pwd, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tests.credentials import put
if os.geteuid() == 0:
    nobody = pwd.getpwnam("nobody")
    os.setgroups([])
    os.setgid(nobody.pw_gid)
    os.setuid(nobody.pw_uid)
os.umask(umask := os.umask(0))
if umask & 0o700:
        # Until a directory has its mode, not even its owner can enter it from another thread.
    put(Path(sys.argv[1], "first"), 1)
with ThreadPoolExecutor(8) as threads:
    list(threads.map(lambda number: put(Path(sys.argv[1], str(number)), 1), range(48)))
print(f"{os.umask(0):03o}")
"""


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o027, 0o077, 0o277], ids="{:03o}".format)
def test_concurrent_threads_create_exact_modes(shared_directory: Path, umask: int) -> None:
    """Eight at a time, as an ordinary user; the umask of the process does not change."""
    shared_directory.chmod(0o1777)
    run = subprocess.run(
        [sys.executable, "-c", THREADS, shared_directory / "of" / "all"],
        cwd=ROOT,
        umask=umask,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.stdout, run.stderr) == (f"{umask:03o}\n", "")
    found: dict[str, set[int]] = {}
    for path in (shared_directory / "of").rglob("*"):
        if not path.is_symlink():
            kind = "directory" if path.is_dir() else path.name
            found.setdefault(kind, set()).add(path.stat().st_mode & 0o7777)
    assert found == {
        "directory": {0o755},
        "ca.pem": {0o444},
        "cert.pem": {0o444},
        "key.pem": {0o400},
        "request.json": {0o444},
        "due.json": {0o444},
        "lock": {0o600},
    }


@pytest.mark.parametrize(
    ("found", "inside", "mode"),
    [(0o700, False, 0o755), (0o775, False, 0o775), (0o700, True, 0o700)],
)
def test_directory_left_by_a_killed_run_gets_its_mode(
    tmp_path: Path, found: int, inside: bool, mode: int
) -> None:
    """If the umask cut its mode and it is empty; any other directory keeps its mode."""
    made = tmp_path / "d"
    made.mkdir()
    if inside:
        (made / "file").touch()
    made.chmod(found)
    with reading.opened(str(tmp_path)) as within, atomic.directory("d", 0o755, within):
        assert made.stat().st_mode & 0o7777 == mode


# Each of these is shared by all threads of a process.
PROCESS_WIDE = re.compile(
    r"\b(os\.(umask|f?chdir|chroot|putenv|unsetenv|environ|set[a-z]*[ug]ids?|setgroups|nice)"
    r"|socket\.setdefaulttimeout|locale\.setlocale|resource\.setrlimit|gc\.|tempfile\.tempdir"
    r"|warnings\.(simple)?filter(warnings)?|sys\.(set\w+|excepthook|std(in|out|err))|time\.tzset"
    r"|logging\.(basicConfig|disable))\b"
)


def test_core_changes_no_process_wide_state() -> None:
    """It also runs in threads of other programs, which rely on theirs."""
    package = Path(dockertls_vault.__file__).parent
    ours = {package / "__main__.py", *package.glob("cli/*")}  # these are the process
    core = [path for path in package.rglob("*.py") if path not in ours]
    assert len(core) > 50
    assert {
        (path.name, match[0])
        for path in core
        for match in PROCESS_WIDE.finditer(path.read_text(encoding="utf-8"))
    } == set()


@pytest.mark.parametrize(("kept", "uid"), [(0o444, atomic.KEEP), (0o400, 1)])
def test_no_key_is_written_to_a_file_system_without_modes_or_owners(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: int, uid: int
) -> None:
    """Such a file system accepts chmod and chown but does not apply them."""
    real = os.fchmod
    monkeypatch.setattr(os, "fchmod", lambda made, _: real(made, kept))
    monkeypatch.setattr(os, "fchown", lambda *_: None)
    with (
        reading.opened(str(tmp_path)) as directory,
        pytest.raises(OSError, match="does not support modes and owners"),
    ):
        atomic.create("key.pem", b"secret", 0o400, directory, uid=uid)
    assert (tmp_path / "key.pem").read_bytes() == b""


@pytest.fixture
def within(tmp_path: Path) -> Iterator[int]:
    """Open a directory and return its file descriptor."""
    with reading.opened(str(tmp_path)) as descriptor:
        yield descriptor


def test_link_to_a_directory_is_not_followed(tmp_path: Path, within: int) -> None:
    """Whoever made the link would choose where files are written."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with pytest.raises(OSError, match="Not a directory"), reading.opened("link", within):
        pass


@pytest.mark.parametrize("there", ["a file", "a link"])
def test_existing_file_is_not_overwritten_by_create(
    tmp_path: Path, within: int, there: str
) -> None:
    """The file that a link points to is not overwritten either."""
    (tmp_path / "real").write_text("by hand")
    if there == "a link":
        (tmp_path / "key.pem").symlink_to("real")
    else:
        (tmp_path / "key.pem").write_text("by hand")
    with pytest.raises(FileExistsError):
        atomic.create("key.pem", b"new", 0o400, within)
    assert (tmp_path / "key.pem").read_text() == "by hand"


def test_file_is_replaced_with_its_exact_mode(tmp_path: Path) -> None:
    """The umask does not matter; a reader of the former file keeps its contents."""
    path = tmp_path / "out"
    path.write_text("old")
    umask = os.umask(0o077)
    try:
        with path.open() as former:
            atomic.publish(path, b"new", 0o644)
            assert former.read() == "old"
    finally:
        os.umask(umask)
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert listing(tmp_path) == ["out"]


def test_leftover_of_a_killed_process_is_replaced(tmp_path: Path) -> None:
    """In a container, the next process may have the same pid."""
    (tmp_path / f".out.{os.getpid()}").write_text("half")
    atomic.publish(tmp_path / "out", b"new", 0o644)
    assert listing(tmp_path) == ["out"]


def _link(path: Path) -> None:
    (path.parent / "target").write_text("theirs")
    path.symlink_to("target")


def _link_to_stdout(path: Path) -> None:
    path.symlink_to("/proc/self/fd/1")


def _dangling(path: Path) -> None:
    path.symlink_to("nowhere")


@pytest.mark.parametrize("make", [os.mkfifo, _link, _link_to_stdout, _dangling, Path.mkdir])
def test_device_or_link_is_not_replaced(make: Callable[[Path], None], tmp_path: Path) -> None:
    """Replacing /dev/null or /dev/stdout as root would break all other programs."""
    path = tmp_path / "out"
    make(path)
    before = listing(tmp_path), path.lstat()
    with pytest.raises(OSError, match="not a regular file"):
        atomic.publish(path, b"new", 0o644)
    assert (listing(tmp_path), path.lstat()) == before
