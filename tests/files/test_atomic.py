"""Files and directories get their exact modes, and nothing that all threads share is changed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import dockertls_vault
from dockertls_vault.files import atomic

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
# Installs in eight threads, as an ordinary user: what root may do would hide a wrong mode. It
# becomes one only now, since Python and the package may be where such a user cannot look.
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
    # A directory that another thread is just making is closed to its owner until it has its mode.
    put(Path(sys.argv[1], "first"), 1)
with ThreadPoolExecutor(8) as threads:
    list(threads.map(lambda number: put(Path(sys.argv[1], str(number)), 1), range(48)))
print(f"{os.umask(0):03o}")
"""


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o027, 0o077, 0o277], ids="{:03o}".format)
def test_threads_of_one_process_get_exact_modes(everybodys: Path, umask: int) -> None:
    """Eight at a time, as a user whom a wrong mode keeps out; the umask is what it was."""
    everybodys.chmod(0o1777)
    run = subprocess.run(
        [sys.executable, "-c", THREADS, everybodys / "of" / "all"],
        cwd=ROOT,
        umask=umask,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.stdout, run.stderr) == (f"{umask:03o}\n", "")
    found: dict[str, set[int]] = {}
    for path in (everybodys / "of").rglob("*"):
        if not path.is_symlink():
            kind = "directory" if path.is_dir() else path.name
            found.setdefault(kind, set()).add(path.stat().st_mode & 0o7777)
    assert found == {
        "directory": {0o755},
        "ca.pem": {0o444},
        "cert.pem": {0o444},
        "key.pem": {0o400},
        "request.json": {0o444},
        "lock": {0o600},
    }


@pytest.mark.parametrize(
    ("found", "inside", "mode"),
    [(0o700, False, 0o755), (0o775, False, 0o775), (0o700, True, 0o700)],
)
def test_a_directory_of_a_run_that_was_killed_gets_its_mode(
    tmp_path: Path, found: int, inside: bool, mode: int
) -> None:
    """Where the umask left less, and nothing was made in it yet; any other stays as it is."""
    made = tmp_path / "d"
    made.mkdir()
    if inside:
        (made / "file").touch()
    made.chmod(found)
    with atomic.opened(str(tmp_path)) as within, atomic.directory("d", 0o755, within):
        assert made.stat().st_mode & 0o7777 == mode


# Each of them is one for all threads of the process.
PROCESS_WIDE = re.compile(
    r"\b(os\.(umask|f?chdir|chroot|putenv|unsetenv|environ|set[a-z]*[ug]ids?|setgroups|nice)"
    r"|socket\.setdefaulttimeout|locale\.setlocale|resource\.setrlimit|gc\.|tempfile\.tempdir"
    r"|warnings\.(simple)?filter(warnings)?|sys\.(set\w+|excepthook|std(in|out|err))|time\.tzset"
    r"|logging\.(basicConfig|disable))\b"
)


def test_the_core_changes_nothing_that_all_threads_share() -> None:
    """It also runs in the threads of somebody else's program, which counts on its own."""
    package = Path(dockertls_vault.__file__).parent
    core = [path for path in package.rglob("*.py") if path.parent.name != "cli"]
    assert len(core) > 50
    assert {
        (path.name, match[0])
        for path in core
        for match in PROCESS_WIDE.finditer(path.read_text(encoding="utf-8"))
    } == set()


@pytest.mark.parametrize(("kept", "uid"), [(0o444, atomic.KEEP), (0o400, 1)])
def test_a_file_system_without_modes_or_owners_gets_no_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: int, uid: int
) -> None:
    """One that takes a mode or an owner without a word, and does not keep it."""
    real = os.fchmod
    monkeypatch.setattr(os, "fchmod", lambda made, _: real(made, kept))
    monkeypatch.setattr(os, "fchown", lambda *_: None)
    with (
        atomic.opened(str(tmp_path)) as directory,
        pytest.raises(OSError, match="does not support modes and owners"),
    ):
        atomic.create("key.pem", b"secret", 0o400, directory, uid=uid)
    assert (tmp_path / "key.pem").read_bytes() == b""


@pytest.fixture
def within(tmp_path: Path) -> Iterator[int]:
    """Return an open directory."""
    with atomic.opened(str(tmp_path)) as descriptor:
        yield descriptor


def test_no_link_to_a_directory_is_followed(tmp_path: Path, within: int) -> None:
    """Whoever put it there would choose where is written."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with pytest.raises(OSError, match="Not a directory"), atomic.opened("link", within):
        pass


@pytest.mark.parametrize("there", ["a file", "a link"])
def test_nothing_is_created_over_what_is_there(tmp_path: Path, within: int, there: str) -> None:
    """Nor through it: a file that is there keeps what is in it."""
    (tmp_path / "real").write_text("by hand")
    if there == "a link":
        (tmp_path / "key.pem").symlink_to("real")
    else:
        (tmp_path / "key.pem").write_text("by hand")
    with pytest.raises(FileExistsError):
        atomic.create("key.pem", b"new", 0o400, within)
    assert (tmp_path / "key.pem").read_text() == "by hand"


@pytest.mark.timeout(30)  # without an end, it would be waited for a writer
def test_a_fifo_is_not_waited_for(tmp_path: Path, within: int) -> None:
    """It is no file, which is told at once."""
    os.mkfifo(tmp_path / "cert.pem")
    with pytest.raises(ValueError, match="not a regular file"):
        atomic.read("cert.pem", within)
