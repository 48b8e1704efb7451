"""End to end: a CA in a real Vault, certificates for a real dockerd, and who is accepted."""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import docker
import pytest
import requests.exceptions
from docker.tls import TLSConfig

from dockertls_vault.certificate.request import KeyType
from dockertls_vault.cli import main

from . import mounts
from .certificates import CLIENT_AUTH, SERVER_AUTH, Authority, write_credential
from .mounts import lead_to
from .vault.misbehaving import connects, misbehaving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from .harness.compose import Compose, Endpoint
    from .harness.dockerd import StartDockerd
    from .harness.openbao import DevVault

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Daemon:
    """A Docker in Docker that uses issued certificates; ``certs`` is its directory."""

    endpoint: Endpoint
    certs: Path
    vault: DevVault

    def url(self, host: str = "127.0.0.1") -> str:
        return f"tcp://{host}:{self.endpoint.port}"


@pytest.fixture(
    scope="module",
    params=["compose_vault", "vault_community", "vault_enterprise"],
    ids=["image", "community", "enterprise"],
)
def vault(request: pytest.FixtureRequest) -> DevVault:
    """Return the server of docker-compose.test.yml, then each dialect of Vault."""
    server: DevVault = request.getfixturevalue(request.param)
    return server


@pytest.fixture(scope="module")
def daemon(
    compose: Compose, vault: DevVault, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Daemon]:
    """Follow the README: ca init, issue both in the dind layout, start docker:dind."""
    certs = tmp_path_factory.mktemp("certs")
    certs.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        lead_to(vault, patch)
        succeed("ca", "init", "--domain", mounts.DOMAIN)
        issue("server", certs, "--layout", "dind")
        issue("client", certs, "--layout", "dind", "--name", "alice")
    with compose.dind(certs) as endpoint:
        yield Daemon(endpoint, certs, vault)


def succeed(*arguments: object) -> None:
    """Run a command, expect success."""
    assert main.run(list(map(str, arguments))) == 0


def issue(purpose: str, out: Path, *arguments: str) -> Path:
    """Issue a credential into ``out``; return its certificate."""
    succeed("issue", purpose, "--dir", out, *arguments)
    return out


def docker_version(url: str, certs: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run `docker version` against the daemon."""
    return subprocess.run(
        ["docker", *(options or ["--tlsverify"]), "-H", url, "version", "-f", "{{json .Server}}"],
        env={**os.environ, "DOCKER_CERT_PATH": str(certs)},
        capture_output=True,
        text=True,
        check=False,
    )


def check(
    capsys: pytest.CaptureFixture[str], url: str, certs: Path
) -> tuple[int, dict[str, dict[str, Any]]]:
    """Run `check`; return its status and its results by name."""
    capsys.readouterr()
    status = main.run(["check", url, "--certs", str(certs), "-o", "json"])
    results = json.loads(capsys.readouterr().out)["data"]["checks"]
    return status, {result["check"]: result for result in results}


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_docker_cli_is_accepted(daemon: Daemon, host: str) -> None:
    """`docker --tlsverify version` with the issued client certificate, by address and by name."""
    answer = docker_version(daemon.url(host), daemon.certs / "client")
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)["ApiVersion"]


def test_docker_sdk_is_accepted(daemon: Daemon) -> None:
    """The Docker SDK for Python uses the same three files."""
    client = daemon.certs / "client"
    tls = TLSConfig(
        ca_cert=str(client / "ca.pem"),
        client_cert=(str(client / "cert.pem"), str(client / "key.pem")),
        verify=True,
    )
    sdk = docker.DockerClient(base_url=daemon.url(), tls=tls)
    try:
        assert sdk.version()["ApiVersion"]
    finally:
        sdk.close()


def test_docker_sdk_without_a_certificate_is_rejected(daemon: Daemon) -> None:
    """The SDK has ca.pem, but no client certificate."""
    tls = TLSConfig(ca_cert=str(daemon.certs / "client" / "ca.pem"), verify=True)
    sdk = docker.APIClient(base_url=daemon.url(), tls=tls, version="1.41")
    try:
        with pytest.raises(requests.exceptions.ConnectionError) as refusal:
            sdk.version()
        assert "CERTIFICATE_VERIFY_FAILED" not in str(refusal.value)
    finally:
        sdk.close()


def test_check_passes(daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    """All results are ok."""
    status, results = check(capsys, daemon.url(), daemon.certs / "client")
    assert status == 0
    assert {result["result"] for result in results.values()} == {"ok"}


def nobody(daemon: Daemon, out: Path) -> Path:
    """Write a credential with ca.pem only."""
    out.mkdir()
    shutil.copy(daemon.certs / "client" / "ca.pem", out)
    return out


def foreigner(daemon: Daemon, out: Path) -> Path:
    """Write a certificate of a foreign CA, with our names."""
    ca = (daemon.certs / "client" / "ca.pem").read_bytes()
    return write_credential(out, ca, Authority.create("dockertls root 1").client("alice"))


def impostor(daemon: Daemon, out: Path) -> Path:
    """Write the server's certificate in place of a client's."""
    return shutil.copytree(daemon.certs / "server", out, ignore=shutil.ignore_patterns(".*"))


def latecomer(daemon: Daemon, out: Path) -> Path:
    """Write an expired certificate."""
    with pytest.MonkeyPatch.context() as patch:
        lead_to(daemon.vault, patch)
        issue("client", out, "--ttl", "5s")
    _wait_until_expired(out / "cert.pem")
    return out


def _wait_until_expired(path: Path) -> None:
    decoded: dict[str, Any] = ssl._ssl._test_decode_cert(str(path))  # type: ignore[attr-defined]  # noqa: SLF001 - read as OpenSSL does
    while time.time() <= ssl.cert_time_to_seconds(decoded["notAfter"]):
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("who", "cause"),
    [
        (foreigner, "CA"),
        (impostor, "clientAuth"),
        (latecomer, "expired"),
    ],
)
def test_other_clients_are_rejected_and_check_says_why(
    who: Callable[[Daemon, Path], Path],
    cause: str,
    daemon: Daemon,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A foreign CA, a server certificate, an expired one: docker fails, check has the cause."""
    certs = who(daemon, tmp_path / "who")
    assert docker_version(daemon.url(), certs).returncode != 0
    status, results = check(capsys, daemon.url(), certs)
    assert status == 65
    assert results["version"]["result"] == "error"
    told = " ".join(
        str(text) for name in ("credential", "version") for text in results[name].values()
    )
    assert cause in told


def test_client_without_a_certificate_is_rejected(
    daemon: Daemon, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The docker CLI fails, and check has tried the same."""
    answer = docker_version(daemon.url(), nobody(daemon, tmp_path / "who"))
    assert answer.returncode != 0
    assert "certificate" in answer.stderr
    _, results = check(capsys, daemon.url(), daemon.certs / "client")
    assert "rejected" in results["no-certificate"]["summary"]
    assert "rejected" in results["forged-certificate"]["summary"]
    assert "rejected" in results["plaintext"]["summary"]


def test_wrong_server_name_is_reported(
    compose: Compose,
    compose_vault: DevVault,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """If the certificate lacks the name in use, docker fails, and check names it."""
    lead_to(compose_vault, monkeypatch)
    succeed("ca", "init", "--domain", mounts.DOMAIN)
    tmp_path.chmod(0o755)
    issue("server", tmp_path, "--layout", "dind", "--host", f"other.{mounts.DOMAIN}")
    issue("client", tmp_path, "--layout", "dind")
    with compose.dind(tmp_path) as endpoint:
        url = f"tcp://127.0.0.1:{endpoint.port}"
        assert docker_version(url, tmp_path / "client").returncode != 0
        status, results = check(capsys, url, tmp_path / "client")
        assert status == 65
        assert results["name"]["result"] == "error"
        assert f"other.{mounts.DOMAIN}" in str(results["name"])


def test_intermediate_works_with_docker_in_docker(
    compose: Compose,
    compose_vault: DevVault,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The entrypoint of docker:dind verifies with ca.pem only, so ca.pem has the chain."""
    lead_to(compose_vault, monkeypatch)
    mounts.intermediate(compose_vault, "team/dind")
    tmp_path.chmod(0o755)
    for purpose in ("server", "client"):
        issue(purpose, tmp_path, "--layout", "dind", "--mount", "team/dind")
    assert (tmp_path / "server" / "cert.pem").read_text().count("BEGIN CERTIFICATE") == 2
    with compose.dind(tmp_path) as endpoint:
        url = f"tcp://localhost:{endpoint.port}"
        assert docker_version(url, tmp_path / "client").returncode == 0
        assert check(capsys, url, tmp_path / "client")[0] == 0


@pytest.fixture
def out(tmp_path: Path, prepared: DevVault, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a directory for certificates of the shared OpenBao."""
    lead_to(prepared, monkeypatch)
    return tmp_path


class Statuses(NamedTuple):
    """Statuses of docker and `check` with our certificate, and if docker failed without one."""

    docker: int
    check: int
    stranger_failed: bool


WELL = Statuses(0, 0, stranger_failed=True)


def connect(
    out: Path, host_dockerd: StartDockerd, host: str, *arguments: str, hosts: tuple[str, ...]
) -> Statuses:
    """Issue both with ``arguments``, start dockerd, and connect to it as ``host``."""
    issue("server", out / "s", *arguments)
    issue("client", out / "c", *arguments)
    server = out / "s"
    port = host_dockerd(
        "--tlsverify",
        f"--tlscacert={server / 'ca.pem'}",
        f"--tlscert={server / 'server-cert.pem'}",
        f"--tlskey={server / 'server-key.pem'}",
        hosts=hosts,
    )
    url = f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}"
    stranger = out / "stranger"
    stranger.mkdir()
    shutil.copy(out / "c" / "ca.pem", stranger)
    return Statuses(
        docker_version(url, out / "c").returncode,
        main.run(["check", url, "--certs", str(out / "c")]),
        docker_version(url, stranger).returncode != 0,
    )


@pytest.mark.parametrize("key_type", list(KeyType))
def test_every_key_type_works_for_both_peers(
    key_type: KeyType, out: Path, host_dockerd: StartDockerd
) -> None:
    """Docker accepts every value of `--key-type`."""
    arguments = ("--key-type", key_type.value)
    assert connect(out, host_dockerd, "localhost", *arguments, hosts=("127.0.0.1",)) == WELL


def test_forgotten_restart_is_reported(
    out: Path,
    host_dockerd: StartDockerd,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`issue server` says that dockerd must use its files, and `check` on that host notices."""
    for command in ("issue", "check"):
        monkeypatch.setattr(f"dockertls_vault.cli.{command}.SERVER_DIRECTORY", out / "s")
    succeed("issue", "server")
    assert "dockerd does not use these files until it is set up" in capsys.readouterr().err
    issue("client", out / "c")
    assert "restart" not in capsys.readouterr().err
    names = (out / "s" / name for name in ("ca.pem", "server-cert.pem", "server-key.pem"))
    options = ("--tlscacert", "--tlscert", "--tlskey")
    files = [f"{option}={name}" for option, name in zip(options, names, strict=True)]
    url = f"tcp://localhost:{host_dockerd('--tlsverify', *files)}"
    assert check(capsys, url, out / "c")[0] == 0
    succeed("issue", "server")
    assert "restart it to use the new certificate" in capsys.readouterr().err
    status, results = check(capsys, url, out / "c")
    assert status == 1
    assert "a newer one is installed on this host" in results["validity"]["reason"]
    url = f"tcp://localhost:{host_dockerd('--tlsverify', *files)}"
    assert check(capsys, url, out / "c")[0] == 0
    issue("server", out / "certs", "--layout", "dind")
    assert "restart the container to use the new certificate" in capsys.readouterr().err


def test_daemon_is_reachable_by_ipv6(out: Path, host_dockerd: StartDockerd) -> None:
    """This machine's certificate has ::1, and docker accepts it."""
    assert connect(out, host_dockerd, "::1", hosts=("::1",)) == WELL


def test_daemon_is_reachable_by_a_compose_name(
    out: Path, prepared: DevVault, host_dockerd: StartDockerd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With underscores, if the role allows them: docker and `check` accept it.

    The name cannot be resolved: docker reaches the daemon through a proxy, `check` by a patch.
    """
    name = "app_docker_1"
    mounts.init(prepared, "composed")
    role = {"allow_any_name": True, "enforce_hostnames": False, "key_type": "ec"}
    with mounts.session(prepared) as session:
        session.client.adapter.post(
            "/v1/composed/roles/server", json={**role, "client_flag": False}
        )
    issue("server", out / "s", "--mount", "composed", "--host", name)
    issue("client", out / "c", "--mount", "composed")
    options = ("ca.pem", "server-cert.pem", "server-key.pem")
    ca, certificate, key = (out / "s" / file for file in options)
    port = host_dockerd(
        "--tlsverify", f"--tlscacert={ca}", f"--tlscert={certificate}", f"--tlskey={key}"
    )
    resolve = socket.getaddrinfo

    def resolve_the_name(host: str, *arguments: Any, **options: Any) -> Any:
        return resolve("127.0.0.1" if host == name else host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve_the_name)
    url = f"tcp://{name}:{port}"
    assert main.run(["check", url, "--certs", str(out / "c")]) == 0
    with misbehaving(connects) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.address)
        answer = docker_version(url, out / "c")
    assert answer.returncode == 0, answer.stderr
    assert set(proxy.paths) == {f"{name}:{port}"}


@pytest.mark.parametrize("make", [mounts.rsa_root, mounts.intermediate])
def test_ca_made_by_an_administrator_works(
    make: Callable[[DevVault, str], None],
    tmp_path: Path,
    vault_server: DevVault,
    host_dockerd: StartDockerd,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An RSA root, and an intermediate of another mount's root, only need --mount."""
    lead_to(vault_server, monkeypatch)
    mount = f"made-by-{make.__name__.replace('_', '-')}"
    make(vault_server, mount)
    assert (
        connect(tmp_path, host_dockerd, "127.0.0.1", "--mount", mount, hosts=("127.0.0.1",)) == WELL
    )


def test_old_and_new_clients_are_accepted_during_a_migration(
    out: Path, prepared: DevVault, host_dockerd: StartDockerd
) -> None:
    """As in the guide: clients learn the new root, then hosts migrate, then clients."""
    old = Authority.create("a hand-made CA")
    mounts.empty(prepared, "moving")
    mounts.import_certificate(prepared, "moving", old.pem.decode())
    succeed("ca", "init", "--mount", "moving", "--domain", mounts.DOMAIN)
    with mounts.session(prepared) as session:
        root = session.client.adapter.get("/v1/moving/issuer/root-1")["data"]["certificate"]
    not_moved = old.issue("localhost", dns=["localhost"], usages=[SERVER_AUTH])
    before = host_dockerd(credential=write_credential(out / "before", old.pem, not_moved))
    alice = old.issue("alice", usages=[CLIENT_AUTH])
    certs = write_credential(out / "alice", old.pem + root.encode(), alice)
    assert docker_version(f"tcp://localhost:{before}", certs).returncode == 0

    server = issue("server", out / "s", "--mount", "moving")
    names = (server / name for name in ("ca.pem", "server-cert.pem", "server-key.pem"))
    options = ("--tlscacert", "--tlscert", "--tlskey")
    files = [f"{option}={name}" for option, name in zip(options, names, strict=True)]
    after = host_dockerd("--tlsverify", *files)
    assert docker_version(f"tcp://localhost:{after}", certs).returncode == 0
    certs = issue("client", out / "c", "--mount", "moving")
    assert docker_version(f"tcp://localhost:{after}", certs).returncode == 0


def test_pending_root_is_trusted_before_it_signs(out: Path, prepared: DevVault) -> None:
    """After the first step of a rotation both roots are in ca.pem, so the next can follow."""
    mounts.rsa_root(prepared, "rotating")
    with mounts.session(prepared) as session:
        body = {"common_name": "rotating root 2", "key_type": "ec", "key_bits": 256, "ttl": "9000h"}
        session.client.adapter.post("/v1/rotating/root/rotate/internal", json=body)
    issue("client", out / "c", "--mount", "rotating")
    assert (out / "c" / "ca.pem").read_text().count("BEGIN CERTIFICATE") == 2
