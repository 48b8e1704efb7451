"""Strange places to run in: whatever is missing, there is a result or one of our errors."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dockertls_vault.settings import resolve
from dockertls_vault.settings.address import Address
from tests.harness.missing import needs_root

if TYPE_CHECKING:
    from tests.fake_vault import FakeVault

ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, "-m", "dockertls_vault"]
SERVER = ("issue", "server", "--host", "a.example.internal")
CLIENT = ("issue", "client", "--name", "alice")
BYTES = os.fsdecode(b"\xff")
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
# Becomes an ordinary user, for whom there may be no more threads, once all is imported: Python and
# the package may be where such a user cannot look.
WITHOUT_THREADS = """
import os, pwd, resource, sys
from dockertls_vault.cli import main
import dockertls_vault.cli.check, dockertls_vault.check, dockertls_vault.docker.handshake.probe
import encodings.idna, stringprep
resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
main.main()
"""
AS_NOBODY = """
import os, sys
from dockertls_vault.cli import main
import dockertls_vault.settings.resolve, dockertls_vault.issue, dockertls_vault.host.identity
main.run(["issue", "client", "--name", ""])
os.setuid(65534)
sys.exit(main.run(sys.argv[1:]))
"""
# What a shell does before it runs the program in a mount namespace of its own.
_NO_PLACE_TO_WRITE = (
    "mount -o remount,ro,bind /; for place in /tmp /var/tmp; do "
    'mount --bind "$place" "$place"; mount -o remount,ro,bind "$place"; done'
)
_HOST = "cat >/proc/sys/kernel/hostname"


def program(
    *arguments: str, before: str = "", said: str = "", **environ: str
) -> subprocess.CompletedProcess[bytes]:
    """Run the program after what a shell does ``before``, which reads ``said``."""
    done = subprocess.run(
        ["sh", "-c", f'{before}\nexec "$@"', "sh", *PROGRAM, *arguments],
        input=os.fsencode(said),
        env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
        capture_output=True,
        check=False,
    )
    assert b"Traceback" not in done.stderr, done.stderr.decode(errors="replace")
    return done


def reaching(fake: FakeVault) -> dict[str, str]:
    """Return the variables that lead to a server."""
    return {"VAULT_ADDR": fake.address, "VAULT_TOKEN": fake.token}


@pytest.fixture
def own_namespaces() -> str:
    """Return how a shell goes into mount and UTS namespaces of its own."""
    needs_root("only root makes a mount namespace")
    return "unshare --mount --uts"


@pytest.mark.parametrize(
    "environ",
    [
        {"TMPDIR": "/nonexistent"},
        {"HOME": "/nonexistent"},
        {"HOME": "/dev/null"},
        {"HOME": "x" * 5000, "XDG_CONFIG_HOME": "/nonexistent"},
        {"XDG_CONFIG_HOME": f"/nonexistent/{BYTES}"},
        {"TZ": "No/Where"},
        {"COLUMNS": "many"},
        {"TERM": BYTES},
        ASCII | {"PYTHONIOENCODING": "ascii:strict"},
    ],
)
def test_a_certificate_is_issued_all_the_same(
    environ: dict[str, str], fake: FakeVault, tmp_path: Path
) -> None:
    """Of the environment nothing else is needed than where Vault is."""
    place = str(tmp_path / "ü")
    done = program(*CLIENT, "--dir", place, **reaching(fake), **environ)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "ü" / "ca.pem").exists()


def test_a_directory_whose_name_is_no_text(fake: FakeVault, tmp_path: Path) -> None:
    """A name in a file system is bytes."""
    done = program(*CLIENT, "-o", "json", "--dir", str(tmp_path / BYTES), **reaching(fake))
    assert done.returncode == 0
    assert (tmp_path / BYTES / "cert.pem").exists()
    assert rb"\udcff/cert.pem" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "environ", "status"),
    [
        ((*CLIENT[:3], BYTES), {}, 2),
        ((*CLIENT, "--owner", BYTES), {}, 2),
        ((*CLIENT, "--owner", "99999999999"), {}, 2),
        ((*CLIENT, "--group", "99999999999"), {}, 2),
        ((*CLIENT, "--mount", BYTES), {}, 2),
        ((*CLIENT, "--ttl", BYTES), {}, 2),
        ((*SERVER, "--host", BYTES), {}, 2),
        ((*SERVER, "--host", "a" * 100_000), {}, 2),
        ((BYTES,), {}, 2),
        (("check", BYTES), {}, 2),
        (("check", "tcp://a..b:1"), {}, 2),
        (("check",), {"DOCKER_HOST": BYTES}, 2),
        (("auth",), {"VAULT_TOKEN": BYTES}, 77),
        (("auth",), {"VAULT_ADDR": f"http://{BYTES}"}, 78),
        (("auth",), {"VAULT_CACERT": BYTES}, 78),
        (("auth",), {"VAULT_CACERT_BYTES": BYTES}, 78),
        (("auth",), {"VAULT_NAMESPACE": BYTES}, 78),
    ],
)
def test_what_is_no_text_is_refused(
    arguments: tuple[str, ...], environ: dict[str, str], status: int, tmp_path: Path
) -> None:
    """Arguments and variables are bytes, too, and long ones are arguments."""
    out = ["--dir", str(tmp_path)] if arguments[0] == "issue" else []
    form = [] if arguments == (BYTES,) else ["-o", "json"]
    found = {"VAULT_ADDR": "http://127.0.0.1:1", "VAULT_TOKEN": "t", **environ}
    assert program(*arguments, *out, *form, **found).returncode == status


@pytest.mark.parametrize("command", [("issue", "server"), ("issue", "client")])
@pytest.mark.parametrize("name", ["a..b", "x" * 64, "ü", BYTES, "\x1b[2J"])
def test_a_host_name_that_is_none(
    command: tuple[str, ...], name: str, own_namespaces: str, fake: FakeVault, tmp_path: Path
) -> None:
    """sethostname(2) takes any bytes."""
    inner = f'{own_namespaces} sh -c \'{_HOST}; exec "$@"\' sh "$@" && exit'
    done = program(
        *command, "--dir", str(tmp_path / "x"), before=inner, said=name, **reaching(fake)
    )
    assert done.returncode == 0, done.stderr
    assert (fake.orders[-1].body.get("common_name") or "").isprintable()


@pytest.mark.parametrize("command", [SERVER, CLIENT, ("check", "tcp://127.0.0.1:1"), ("dev",)])
def test_nowhere_to_write_but_the_directory_itself(
    command: tuple[str, ...], own_namespaces: str, fake: FakeVault, tmp_path: Path
) -> None:
    """A container whose root is read-only has a volume for the certificate, and nothing else."""
    (tmp_path / "volume").mkdir()
    mounts = f"{_NO_PLACE_TO_WRITE}; mount -t tmpfs none {tmp_path}/volume"
    inner = f'{own_namespaces} sh -c \'cd /; {mounts}; exec "$@"\' sh "$@"; exit'
    issues = command[0] == "issue"
    out = ["--dir", str(tmp_path / "volume" / "x")] if issues else []
    done = program(*command, *out, before=inner, **reaching(fake))
    expected = {"issue": 0, "check": 69, "dev": 73}
    assert done.returncode == expected[command[0]], done.stderr


def test_a_working_directory_that_is_gone(fake: FakeVault, tmp_path: Path) -> None:
    """Who gives a path in full does not need one."""
    gone = f'mkdir "{tmp_path}/gone"; cd "{tmp_path}/gone"; rmdir "{tmp_path}/gone"'
    for out, status in ((str(tmp_path / "x"), 0), ("x", 2)):
        done = program(*CLIENT, "--dir", out, before=gone, **reaching(fake))
        assert done.returncode == status, done.stderr


@pytest.mark.parametrize("limit", [6, 10, 14, 20])
@pytest.mark.parametrize("command", [SERVER, ("check", "tcp://127.0.0.1:1")])
def test_few_files_at_once(
    command: tuple[str, ...], limit: int, fake: FakeVault, tmp_path: Path
) -> None:
    """A limit on open files strikes wherever one is opened, or a connection."""
    out = ["--dir", str(tmp_path / "x")] if command == SERVER else []
    done = program(*command, *out, before=f"ulimit -n {limit}", **reaching(fake))
    assert done.returncode in {0, 69, 73}, done.stderr


def test_no_file_may_grow(fake: FakeVault, tmp_path: Path) -> None:
    """RLIMIT_FSIZE is SIGXFSZ, which Python ignores, and then an error."""
    done = program(*CLIENT, "--dir", str(tmp_path / "x"), before="ulimit -f 0", **reaching(fake))
    assert done.returncode == 73


def test_no_threads() -> None:
    """A limit on tasks, as of a cgroup; DNS is asked all the same."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_THREADS, "check", "tcp://localhost:1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    assert done.returncode == 69


def test_a_home_that_may_not_be_entered(everybodys: Path) -> None:
    """HOME stays another user's under `su` and in containers; all that is needed is elsewhere."""
    needs_root("only root becomes another user")
    home = everybodys / "home"
    home.mkdir(mode=0o700)
    environ = {"HOME": str(home), "VAULT_ADDR": "http://127.0.0.1:1"}
    child = os.fork()
    if child == 0:
        try:
            os.setuid(65534)
            found = resolve.resolve({}, environ, resolve.config_files(environ))
            os._exit(0 if found.addresses == (Address.parse("http://127.0.0.1:1"),) else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_tilde_that_no_shell_has_expanded(fake: FakeVault, tmp_path: Path) -> None:
    """`--dir=~/certs` is where `--dir ~/certs` is, and `rollback` finds it there."""
    home = {**reaching(fake), "HOME": str(tmp_path)}
    for _ in range(2):
        assert program(*CLIENT, "--dir=~/certs", **home).returncode == 0
    assert (tmp_path / "certs" / "key.pem").exists()
    assert program("rollback", "~/certs", **home).returncode == 0


@pytest.mark.parametrize("home", ["/", "/root", "/nonexistent"])
def test_a_home_that_is_another_users(home: str) -> None:
    """A container's user without a name: nothing is to be done as root."""
    needs_root("only root can become another user")
    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, *CLIENT],
        env={**os.environ, "PYTHONPATH": str(ROOT), "HOME": home},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 73, done.stderr
    assert f"HOME is {home}, which belongs to another user\nhint: set HOME, or use --dir" in (
        done.stderr.decode()
    )


@pytest.mark.parametrize(
    ("arguments", "environ", "origin", "status"),
    [
        (("--admin-group", "nobodys"), {}, "--admin-group", 2),
        ((), {"DOCKERTLS_ADMIN_GROUP": "nobodys"}, "DOCKERTLS_ADMIN_GROUP", 78),
    ],
)
def test_where_a_group_that_is_none_was_named(
    arguments: tuple[str, ...], environ: dict[str, str], origin: str, status: int, tmp_path: Path
) -> None:
    """It may be in a file or a variable that nobody thinks of."""
    done = program(*CLIENT, "--dir", str(tmp_path / "x"), *arguments, **environ)
    assert done.returncode == status
    assert f"{origin}: no such group: 'nobodys'" in done.stderr.decode()


def test_an_owner_with_a_group_behind_it(tmp_path: Path) -> None:
    """As chown takes it."""
    done = program(*CLIENT, "--dir", str(tmp_path / "x"), "--owner", "root:docker")
    assert done.returncode == 2
    assert "with --group" in done.stderr.decode()
