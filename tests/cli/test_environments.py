"""Unusual environments: whatever is missing, the result is a certificate or one of our errors."""

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
# Becomes an ordinary user, possibly without any threads left, after the imports: that user may not
# be able to read Python and the package.
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
# Shell commands to run before the program in a new mount namespace.
_NO_PLACE_TO_WRITE = (
    "mount -o remount,ro,bind /; for place in /tmp /var/tmp; do "
    'mount --bind "$place" "$place"; mount -o remount,ro,bind "$place"; done'
)
_HOST = "cat >/proc/sys/kernel/hostname"


def program(
    *arguments: str, before: str = "", said: str = "", **environ: str
) -> subprocess.CompletedProcess[bytes]:
    """Run the program after the shell commands ``before``, whose input is ``said``."""
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
    """Return the command that enters new mount and UTS namespaces."""
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
def test_certificate_is_issued_in_a_minimal_environment(
    environ: dict[str, str], fake: FakeVault, tmp_path: Path
) -> None:
    """Only Vault's address and token are needed."""
    place = str(tmp_path / "ü")
    done = program(*CLIENT, "--dir", place, **reaching(fake), **environ)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "ü" / "ca.pem").exists()


def test_directory_name_may_be_any_bytes(fake: FakeVault, tmp_path: Path) -> None:
    """File systems allow names that are not UTF-8."""
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
def test_invalid_utf_8_in_arguments_and_variables_is_refused(
    arguments: tuple[str, ...], environ: dict[str, str], status: int, tmp_path: Path
) -> None:
    """So are very long arguments."""
    out = ["--dir", str(tmp_path)] if arguments[0] == "issue" else []
    form = [] if arguments == (BYTES,) else ["-o", "json"]
    found = {"VAULT_ADDR": "http://127.0.0.1:1", "VAULT_TOKEN": "t", **environ}
    assert program(*arguments, *out, *form, **found).returncode == status


@pytest.mark.parametrize("command", [("issue", "server"), ("issue", "client")])
@pytest.mark.parametrize("name", ["a..b", "x" * 64, "ü", BYTES, "\x1b[2J"])
def test_invalid_host_name_is_left_out(
    command: tuple[str, ...], name: str, own_namespaces: str, fake: FakeVault, tmp_path: Path
) -> None:
    """sethostname(2) accepts any bytes."""
    inner = f'{own_namespaces} sh -c \'{_HOST}; exec "$@"\' sh "$@" && exit'
    done = program(
        *command, "--dir", str(tmp_path / "x"), before=inner, said=name, **reaching(fake)
    )
    assert done.returncode == 0, done.stderr
    assert (fake.orders[-1].body.get("common_name") or "").isprintable()


@pytest.mark.parametrize("command", [SERVER, CLIENT, ("check", "tcp://127.0.0.1:1"), ("dev",)])
def test_only_the_directory_needs_to_be_writable(
    command: tuple[str, ...], own_namespaces: str, fake: FakeVault, tmp_path: Path
) -> None:
    """As in a container with a read-only root and one volume."""
    (tmp_path / "volume").mkdir()
    mounts = f"{_NO_PLACE_TO_WRITE}; mount -t tmpfs none {tmp_path}/volume"
    inner = f'{own_namespaces} sh -c \'cd /; {mounts}; exec "$@"\' sh "$@"; exit'
    issues = command[0] == "issue"
    out = ["--dir", str(tmp_path / "volume" / "x")] if issues else []
    done = program(*command, *out, before=inner, **reaching(fake))
    expected = {"issue": 0, "check": 69, "dev": 73}
    assert done.returncode == expected[command[0]], done.stderr


def test_deleted_working_directory_with_an_absolute_path_works(
    fake: FakeVault, tmp_path: Path
) -> None:
    """An absolute path does not need a working directory."""
    gone = f'mkdir "{tmp_path}/gone"; cd "{tmp_path}/gone"; rmdir "{tmp_path}/gone"'
    for out, status in ((str(tmp_path / "x"), 0), ("x", 2)):
        done = program(*CLIENT, "--dir", out, before=gone, **reaching(fake))
        assert done.returncode == status, done.stderr


@pytest.mark.parametrize("limit", [6, 10, 14, 20])
@pytest.mark.parametrize("command", [SERVER, ("check", "tcp://127.0.0.1:1")])
def test_limit_on_open_files_is_not_a_crash(
    command: tuple[str, ...], limit: int, fake: FakeVault, tmp_path: Path
) -> None:
    """The limit may be reached at any file or connection."""
    out = ["--dir", str(tmp_path / "x")] if command == SERVER else []
    done = program(*command, *out, before=f"ulimit -n {limit}", **reaching(fake))
    assert done.returncode in {0, 69, 73}, done.stderr


def test_limit_on_file_size_is_an_error(fake: FakeVault, tmp_path: Path) -> None:
    """RLIMIT_FSIZE sends SIGXFSZ, which Python ignores."""
    done = program(*CLIENT, "--dir", str(tmp_path / "x"), before="ulimit -f 0", **reaching(fake))
    assert done.returncode == 73


def test_limit_on_tasks_does_not_prevent_dns_lookups() -> None:
    """A cgroup may limit tasks so that no thread can start."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_THREADS, "check", "tcp://localhost:1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    assert done.returncode == 69


def test_inaccessible_home_is_not_needed(shared_directory: Path) -> None:
    """HOME may be another user's under `su` and in containers."""
    needs_root("only root becomes another user")
    home = shared_directory / "home"
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


def test_tilde_is_expanded(fake: FakeVault, tmp_path: Path) -> None:
    """`--dir=~/certs` equals `--dir ~/certs`, also for `rollback`."""
    home = {**reaching(fake), "HOME": str(tmp_path)}
    for _ in range(2):
        assert program(*CLIENT, "--dir=~/certs", **home).returncode == 0
    assert (tmp_path / "certs" / "key.pem").exists()
    assert program("rollback", "~/certs", **home).returncode == 0


@pytest.mark.parametrize("home", ["/", "/root", "/nonexistent"])
def test_home_of_another_user_is_refused_without_suggesting_sudo(home: str) -> None:
    """The hint must not suggest sudo to a container's user."""
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
def test_unknown_group_names_its_origin(
    arguments: tuple[str, ...], environ: dict[str, str], origin: str, status: int, tmp_path: Path
) -> None:
    """A variable or file may set it unnoticed."""
    done = program(*CLIENT, "--dir", str(tmp_path / "x"), *arguments, **environ)
    assert done.returncode == status
    assert f"{origin}: no such group: 'nobodys'" in done.stderr.decode()


def test_owner_and_group_in_one_value_is_refused(tmp_path: Path) -> None:
    """The hint for chown's owner:group is to use --group."""
    done = program(*CLIENT, "--dir", str(tmp_path / "x"), "--owner", "root:docker")
    assert done.returncode == 2
    assert "use --group" in done.stderr.decode()
