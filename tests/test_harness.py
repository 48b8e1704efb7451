"""The test harness: its servers are real, they work, and they leave nothing behind."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .certificates import Authority, write_credential
from .harness.dockerd import SEARCH_PATH, find_dockerd, tls
from .harness.engine import private_engine
from .harness.images import import_image, tree
from .harness.process import ServerFailed
from .harness.shell import Shell

if TYPE_CHECKING:
    from .harness.compose import Compose, StartDind
    from .harness.dockerd import StartDockerd
    from .harness.engine import Engine
    from .harness.openbao import DevVault

_ROOT = Path(__file__).parents[1]


@pytest.mark.xdist_group("a-group")
def test_xdist_knows_the_groups_of_tests(request: pytest.FixtureRequest) -> None:
    """It puts them in test IDs; a pytest that ignores them starts each server twice."""
    if not hasattr(request.config, "workerinput"):
        pytest.skip("one process runs the tests")
    assert request.node.nodeid.endswith("@a-group")


def test_shell_runs_each_command_as_its_own_bash() -> None:
    """With its status and all of its output; none sees what another one did to its bash."""
    shell = Shell(["env", "HOME=/"], {"PATH": os.environ["PATH"]})
    try:
        assert shell.run("cd /proc; name=a; set -e; false; echo not here") == (1, "")
        assert shell.run("printf '%s' \"$name$HOME$PWD\"; cat") == (0, f"/{Path.cwd()}")
        assert shell.run("echo a; echo b >&2; echo; exit 3") == (3, "a\nb\n\n")
        assert shell.run("kill -9 $PPID; sleep 1")[0] == -9  # the shell itself
        assert shell.run("echo again") == (0, "again\n")
    finally:
        shell.close()


def test_openbao_accepts_its_root_token(openbao: DevVault) -> None:
    """The token is not in the server's repr."""
    assert _policies(openbao) == ["root"]
    assert openbao.token not in repr(openbao)


def test_local_dockerd_accepts_only_its_client(host_dockerd: StartDockerd, tmp_path: Path) -> None:
    """It uses the given certificates, and the docker CLI and it accept each other."""
    authority = Authority.create()
    server = write_credential(tmp_path / "server", authority.pem, authority.server())
    client = write_credential(tmp_path / "client", authority.pem, authority.client())
    port = host_dockerd(credential=server)
    assert _docker_version(port, "--tlsverify", *tls(client)).returncode == 0
    assert _docker_version(port, "--tls").returncode != 0


def test_compose_file_is_valid(compose: Compose) -> None:
    """The installed compose accepts it, and finds both services."""
    command = f"{compose.command} -f {_ROOT}/docker-compose.test.yml config --services"
    run = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)  # noqa: S602 - pytest-docker takes a shell's words
    assert (run.returncode, sorted(run.stdout.split())) == (0, ["dind", "vault"]), run.stderr


def test_vault_of_compose_accepts_its_token(compose_vault: DevVault) -> None:
    """It is initialized, unsealed, and knows the tests' token."""
    assert _policies(compose_vault) == ["root"]


def test_dind_uses_the_given_certificates(start_dind: StartDind, tmp_path: Path) -> None:
    """It and the docker CLI on this machine accept each other."""
    authority = Authority.create()
    write_credential(tmp_path / "certs" / "server", authority.pem, authority.server())
    client = write_credential(tmp_path / "client", authority.pem, authority.client())
    host, port = start_dind(tmp_path / "certs")
    assert host == "127.0.0.1"
    assert _docker_version(port, "--tlsverify", *tls(client)).returncode == 0
    assert _docker_version(port, "--tls").returncode != 0


def test_dind_that_exits_is_reported_with_its_log(start_dind: StartDind, tmp_path: Path) -> None:
    """At once; here ca.pem has another CA than the certificate."""
    stranger = Authority.create("stranger").server()
    write_credential(tmp_path / "server", Authority.create().pem, stranger)
    with pytest.raises(ServerFailed, match="verification failed"):
        start_dind(tmp_path)


@pytest.mark.xdist_group(
    "engine"
)  # what another one does to the machine would be taken for its own
def test_private_engine_leaves_the_machine_as_it_was() -> None:
    """It is stopped with a running container, a network and a port, and all of it is gone."""
    find_dockerd()
    before, interfaces = _traces(), _interfaces()
    with private_engine() as engine:
        directory = _directory(engine)
        sleep = Path(shutil.which("sleep") or "/bin/sleep")
        archive = tree({"/bin/sleep": sleep})
        image = import_image(engine, "sleep", archive, 'ENTRYPOINT ["/bin/sleep"]')
        engine.docker("network", "create", "a-network")
        publish = ["--network=a-network", "--publish=127.0.0.1::80"]
        engine.docker("run", "--detach", *publish, image, "600")
        added = _interfaces() - interfaces
        assert added
        assert _processes(directory)
    assert not directory.exists()
    assert _processes(directory) == []
    assert not added & _interfaces()
    assert _traces() == before


def _directory(engine: Engine) -> Path:
    return Path(engine.environ["DOCKER_HOST"].removeprefix("unix://")).parent


def _processes(directory: Path) -> list[str]:
    """Return the command lines that contain ``directory``."""
    lines = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in lines.splitlines() if str(directory) in line]


def _interfaces() -> set[str]:
    return {path.name for path in Path("/sys/class/net").iterdir()}


def _traces() -> dict[str, object]:
    """Return what a dockerd changes outside its own directories unless told not to."""
    iptables = shutil.which("iptables", path=SEARCH_PATH)
    rules = (
        subprocess.run([iptables, "-S"], stdout=subprocess.PIPE, check=True) if iptables else None
    )
    return {
        "iptables": rules and rules.stdout,
        "ip_forward": Path("/proc/sys/net/ipv4/ip_forward").read_text(),
        **{
            folder: sorted(str(path) for path in Path(folder).rglob("*"))
            for folder in ("/etc/docker", "/run/docker", "/run/containerd")
        },
    }


def _docker_version(port: int, *options: str) -> subprocess.CompletedProcess[str]:
    command = ["docker", "-H", f"tcp://127.0.0.1:{port}", *options, "version"]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def _policies(vault: DevVault) -> list[str]:
    """Return the policies of the server's token."""
    request = urllib.request.Request(  # noqa: S310 - the address is http on loopback
        f"{vault.address}/v1/auth/token/lookup-self", headers={"X-Vault-Token": vault.token}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - likewise
        policies: list[str] = json.load(answer)["data"]["policies"]
    return policies
