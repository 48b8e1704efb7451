"""The Docker engine that the tests use: a running one, or a private one started here.

The private one leaves the machine unchanged: it listens only on a Unix socket, writes to overlays
over /etc and /run, creates no default bridge and no iptables rules (docker-proxy forwards
published ports), and its networks are removed before it stops.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .dockerd import SEARCH_PATH, find_dockerd, places
from .missing import missing, needs_root
from .notes import note
from .process import Server

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# The tester's environment, before conftest.py clears it.
_ENVIRON = {**os.environ, "PATH": SEARCH_PATH}
_KEEPER = Path(__file__).with_name("keeper.py")
_LIMIT = 20.0  # seconds for an engine that is there to answer
# dockerd and containerd write to /etc and /run whatever their options are. Their files stay in the
# directory $1; nothing is created in the real ones, which other engines may use.
_OWN_FOLDERS = """\
set -e
mkdir "$1/own"
mount -t tmpfs none "$1/own"
for name in etc run; do
    upper=$1/own/$name
    mkdir "$upper" "$upper.work"
    mount -t overlay none -o "lowerdir=/$name,upperdir=$upper,workdir=$upper.work" "/$name"
done
shift
exec "$@"
"""
# $1 is the parent cgroup of its containers, in version 2 and in each hierarchy of version 1.
_REMOVE = "rmdir /sys/fs/cgroup/$1 /sys/fs/cgroup/*/$1 2>/dev/null"
_EMPTY = "docker ps -aq | xargs -r docker rm -fv; docker network prune -f"


@dataclass(frozen=True)
class Engine:
    """An engine: ``environ`` is the environment in which docker and compose reach it."""

    environ: Mapping[str, str]
    version: str
    private: bool = False
    allows_privileged: bool = True

    def docker(self, *arguments: str, limit: float = 120.0) -> str:
        """Run the docker CLI, and return its output.

        Raises CalledProcessError, or TimeoutExpired after ``limit`` seconds.
        """
        run = subprocess.run(
            ["docker", *arguments],
            env=dict(self.environ),
            capture_output=True,
            text=True,
            timeout=limit,
            check=True,
        )
        return run.stdout


@pytest.fixture(scope="session")
def engine(pytestconfig: pytest.Config) -> Iterator[Engine]:
    """Return the engine that ``docker version`` reaches, or start a private one."""
    if shutil.which("docker", path=SEARCH_PATH) is None:
        needs_root("no Docker here, and only root can start one")
        missing("docker is not installed (make test installs it, as root on Debian)")
    with any_engine() as found:
        if found.private:
            note(pytestconfig, f"no engine answers; a private dockerd {found.version} stood in")
        yield found


@contextmanager
def any_engine() -> Iterator[Engine]:
    """Yield the engine that ``docker version`` reaches, or a private one."""
    version = server_version(_ENVIRON)
    if version:
        yield Engine(_ENVIRON, version, allows_privileged=_has_every_capability())
        return
    with private_engine() as started:
        yield started


@contextmanager
def private_engine() -> Iterator[Engine]:
    """Start a dockerd; after the block, nothing of it is left."""
    program = find_dockerd()
    # Not in pytest's directory, as a socket's path has 107 bytes at most.
    directory = Path(tempfile.mkdtemp(prefix="dockertls-"))
    socket = f"unix://{directory}/docker.sock"
    # fmt: off
    command = [
        "unshare", "--mount", "sh", "-c", _OWN_FOLDERS, "sh", str(directory),
        program, f"--host={socket}", *places(directory), f"--exec-root={directory / 'exec'}",
        "--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false",
        f"--cgroup-parent=/{directory.name}", "--exec-opt=native.cgroupdriver=cgroupfs",
    ]
    # fmt: on
    environ = {name: value for name, value in _ENVIRON.items() if not name.startswith("DOCKER_")}
    environ["DOCKER_HOST"] = socket
    try:
        with _kept(command, directory, environ) as server:
            server.wait_for(lambda: bool(server_version(environ)))
            yield Engine(
                environ,
                server_version(environ),
                private=True,
                allows_privileged=_has_every_capability(),
            )
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def _kept(command: list[str], directory: Path, environ: Mapping[str, str]) -> Iterator[Server]:
    """Run ``command`` under keeper.py, which ends it with the block or with the tester."""
    remove = ["sh", "-c", _REMOVE, "sh", directory.name]
    orders = [command, ["sh", "-c", _EMPTY], remove, str(directory)]
    with (directory / "log").open("wb") as log:
        keeper = subprocess.Popen(
            [sys.executable, "-I", str(_KEEPER), json.dumps(orders)],
            env=dict(environ),
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            # A Ctrl-C is for the tests, which then end it.
            start_new_session=True,
        )
    try:
        yield Server(keeper, directory / "log")
    finally:
        # Closes the pipe and waits; after a Ctrl-C, `with keeper` would wait only for a moment.
        keeper.communicate()


def server_version(environ: Mapping[str, str]) -> str:
    """Return the version of the engine that ``environ`` reaches, or "" if none answers."""
    try:
        run = subprocess.run(
            ["docker", "version", "--format", "{{.Server.Version}}"],
            env=dict(environ),
            capture_output=True,
            text=True,
            timeout=_LIMIT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return ""
    return run.stdout.strip() if run.returncode == 0 else ""


def _has_every_capability() -> bool:
    """Tell whether root has all capabilities here, which --privileged needs."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    bounding = int(status.split("CapBnd:")[1].split()[0], 16)
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text(encoding="ascii"))
    return bounding == (1 << (last + 1)) - 1
