"""A diagnosis finds each fault on a daemon that has it, and nothing on one that has none."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import certifi
import pytest

from dockertls_vault.cli import main
from dockertls_vault.credential import record
from dockertls_vault.daemon import vault_checks
from dockertls_vault.daemon.examination.checks import Check
from dockertls_vault.daemon.supervision import Supervision
from dockertls_vault.docker.diagnosis.report import Result
from dockertls_vault.docker.handshake import probe
from dockertls_vault.doctor import Diagnosis, Target, diagnose
from dockertls_vault.host.listening import Listener

from .certificates import CLIENT_AUTH, SERVER_AUTH, Authority, write_credential
from .credentials import SERVER
from .harness.dockerd import SEARCH_PATH, dockerd, find_dockerd, places, tls
from .harness.process import free_ports, serving, wait_until
from .vault.operator import Operator, session

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator, Mapping

    from dockertls_vault.docker.handshake.probe import Peer

    from .harness.openbao import DevVault

ROOT = Path(__file__).parents[1]
# What a clean daemon is asked without Vault.
CLEAN = {each.identifier: "ok" for each in Check} | {"clock": "skipped", "roles": "skipped"}
LONG = timedelta(seconds=30)
ACTIVATION = ROOT / "tests" / "harness" / "socket_activation.py"


@pytest.fixture(scope="module")
def authority() -> Authority:
    """Return the CA of servers and clients."""
    return Authority.create("doctor root")


class Daemon:
    """A clean daemon: TLS as it should be, live-restore, and a Unix socket."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.tls = directory / "tls"
        self.config = directory / "daemon.json"

    @property
    def pid(self) -> int:
        """The PID in its PID file."""
        return int((self.directory / "pid").read_text())

    def reload(self, **values: object) -> None:
        """Have it read its configuration again, with these values."""
        logged = self._reloads()
        self.config.write_text(json.dumps(values))
        os.utime(self.config, (0, 0))  # as if it had been there from the start
        os.kill(self.pid, signal.SIGHUP)
        wait_until(lambda: self._reloads() > logged)

    def _reloads(self) -> int:
        return (self.directory / "server.log").read_text().count("Reloaded configuration")


@pytest.fixture(scope="module")
def daemon(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Run a clean daemon, on IPv4 and IPv6."""
    found = Daemon(tmp_path_factory.mktemp("clean"))
    write_credential(found.tls, authority.pem, authority.server())
    options = ["--tlsverify", *tls(found.tls), f"--host=unix://{found.directory}/sock"]
    hosts = ("127.0.0.1", "::1")
    config = {"live-restore": True}
    with dockerd(found.directory, *options, hosts=hosts, config=config):
        yield found


def run(
    pid: int | None,
    *,
    environ: Mapping[str, str] | None = None,
    ask_vault: Callable[[], Any] | None = None,
    supervision: Supervision | None = None,
    timeout: timedelta = LONG,
) -> Diagnosis:
    """Diagnose the daemon with this PID; every finding has words."""
    variables = {"PATH": SEARCH_PATH, **(environ or {})}
    without_vault = partial(vault_checks.skipped, "no Vault is set")
    found = diagnose(
        Target(pid, variables, timeout, ROOT), supervision, ask_vault or without_vault, now()
    )
    assert [result.check for result in found.checks] == [each.identifier for each in Check]
    for result in found.checks:
        assert result.summary
        assert result.result in {Result.OK, Result.SKIPPED} or result.reason or result.remedy
    return found


def results(found: Diagnosis) -> dict[str, str]:
    """Return the result of each check."""
    return {result.check: result.result.value for result in found.checks}


def words(found: Diagnosis, name: str) -> str:
    """Return all the text of a check."""
    result = next(result for result in found.checks if result.check == name)
    return " ".join(filter(None, (result.summary, result.reason, result.remedy)))


def findings(found: Diagnosis) -> dict[str, str]:
    """Return the results that a clean daemon does not have."""
    return {name: result for name, result in results(found).items() if result != CLEAN[name]}


def test_clean_daemon_has_no_finding(daemon: Daemon) -> None:
    """All that needs no Vault was checked, on both addresses."""
    found = run(daemon.pid)
    assert findings(found) == {}
    assert found.result is Result.OK
    assert found.dockerd is not None
    assert found.dockerd.pid == daemon.pid
    assert [each.partition("]:")[0] for each in found.dockerd.sockets][1] == "[::1"
    assert abs(found.dockerd.started - datetime.now(UTC)) < timedelta(hours=1)


def test_daemon_that_hangs_is_waited_for_once(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At each socket in plaintext and by TLS, at one of the addresses that lead to it."""
    connected = []
    connect = probe.open_connection

    def open_connection(peer: Peer, timeout: float) -> socket.socket:
        connected.append(peer.ip)
        return connect(peer, timeout)

    monkeypatch.setattr(probe, "open_connection", open_connection)
    monkeypatch.setattr(Listener, "dialable", property(lambda each: (each.address,) * 2))
    os.kill(daemon.pid, signal.SIGSTOP)
    try:
        found = run(daemon.pid, timeout=timedelta(seconds=1))
    finally:
        os.kill(daemon.pid, signal.SIGCONT)
    assert found.result is Result.UNREACHABLE
    assert "dockerd hangs or is still starting" in words(found, "strangers")
    assert sorted(connected) == ["127.0.0.1"] * 3 + ["::1"] * 3


def every_user_reads(daemon: Daemon) -> None:
    """Make a key readable."""
    (daemon.tls / "key.pem").chmod(0o444)


def some_group_reads(daemon: Daemon) -> None:
    """Give a key to a group."""
    os.chown(daemon.tls / "key.pem", 0, 65534)
    (daemon.tls / "key.pem").chmod(0o440)


def every_user_writes(daemon: Daemon) -> None:
    """Let everybody replace the files."""
    daemon.tls.chmod(0o777)


def leave_the_cas_key(daemon: Daemon) -> None:
    """Leave the CA's key beside the others."""
    (daemon.tls / "ca-key.pem").touch(mode=0o400)


def give_the_cas_key_away(daemon: Daemon) -> None:
    """Let everybody read it, too."""
    (daemon.tls / "ca-key.pem").touch(mode=0o644)


def renew(daemon: Daemon) -> None:
    """Replace the certificate, without a restart."""
    other = Authority.create("other").server()
    (daemon.tls / "cert.pem").write_bytes(other.certificate_pem)
    (daemon.tls / "key.pem").write_bytes(other.key_pem)


def rotate(daemon: Daemon) -> None:
    """Trust another root as well, without a restart."""
    with (daemon.tls / "ca.pem").open("ab") as file:
        file.write(Authority.create("next root").pem)


def add_hosts(daemon: Daemon) -> None:
    """Set hosts, which the flags have too, long after dockerd started."""
    daemon.config.write_text('{"live-restore": true, "hosts": ["tcp://[::]:2376"]}')
    later = time.time() + 60
    os.utime(daemon.config, (later, later))


def break_the_configuration(daemon: Daemon) -> None:
    """Leave a comma."""
    daemon.config.write_text('{"live-restore": true,}')


def remove_the_certificate(daemon: Daemon) -> None:
    """Lose a file that is needed for the next start."""
    (daemon.tls / "cert.pem").unlink()


def turn_live_restore_off(daemon: Daemon) -> None:
    """As it is by default."""
    daemon.reload(**{"live-restore": False})


# How to make each fault; what is found, and in which words.
FAULTS: dict[str, tuple[Callable[[Daemon], None], dict[str, str], str]] = {
    "a key that all can read": (every_user_reads, {"keys": "error"}, "every user can read"),
    "a key of a group": (some_group_reads, {"keys": "error"}, "the group nogroup can read"),
    "a directory of all": (every_user_writes, {"keys": "error"}, "every user can write to"),
    "the CA's key": (leave_the_cas_key, {"keys": "warning"}, "the key of a CA is on this host"),
    "an open CA's key": (give_the_cas_key_away, {"keys": "critical"}, "every user can read"),
    "a stale certificate": (renew, {"stale": "warning"}, "at startup"),
    "a stale bundle": (rotate, {"stale": "warning"}, "does not accept yet CN=next root"),
    "hosts twice": (add_hosts, {"clash": "error", "pending": "warning"}, "both as a flag and in"),
    "broken JSON": (
        break_the_configuration,
        {"configuration": "error", "clash": "skipped"},
        "not in every version correct the file",
    ),
    "live-restore off": (turn_live_restore_off, {"live-restore": "warning"}, "live-restore is off"),
    "a lost certificate": (
        remove_the_certificate,
        {"configuration": "error", "stale": "skipped", "usage": "skipped"},
        "No such file or directory",
    ),
}


@contextmanager
def kept(daemon: Daemon) -> Iterator[None]:
    """Put everything back at the end."""
    aside = daemon.directory / "aside"
    shutil.copytree(daemon.tls, aside)
    try:
        yield
    finally:
        shutil.rmtree(daemon.tls)
        aside.rename(daemon.tls)
        daemon.tls.chmod(0o700)
        daemon.reload(**{"live-restore": True})


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_found(daemon: Daemon, fault: str) -> None:
    """And nothing else."""
    make, expected, text = FAULTS[fault]
    with kept(daemon):
        make(daemon)
        found = run(daemon.pid)
    assert findings(found) == expected
    assert text in words(found, next(iter(expected)))
    assert "systemctl" not in "".join(words(found, name) for name in expected)
    assert found.result.exit_status != 0


def test_group_of_the_credential_may_read_the_key(daemon: Daemon) -> None:
    """That is what --group is for."""
    with kept(daemon):
        some_group_reads(daemon)
        record = daemon.tls / ".dockertls"
        record.mkdir(mode=0o755)
        (record / "request.json").write_text(json.dumps(_request(group="65534")))
        assert findings(run(daemon.pid)) == {}


def _request(**changes: object) -> dict[str, object]:
    return record.to_json(SERVER) | changes


def test_environment_of_the_docker_cli_is_examined(daemon: Daemon) -> None:
    """DOCKER_TLS_VERIFY=0 is a trap, and a client older than the minimum API is useless."""
    found = run(daemon.pid, environ={"DOCKER_TLS_VERIFY": "0"})
    assert findings(found) == {"environment": "warning"}


def test_client_that_is_too_old_is_found(daemon: Daemon, tmp_path: Path) -> None:
    """It is each docker CLI in PATH that counts."""
    program = tmp_path / "docker"
    program.write_text("#!/bin/sh\necho 1.0.0 1.11\n")
    program.chmod(0o755)
    found = run(daemon.pid, environ={"PATH": f"{tmp_path}:{SEARCH_PATH}"})
    assert findings(found) == {"api": "error"}
    assert f"{program}: docker 1.0.0, API 1.11" in words(found, "api")


@pytest.mark.parametrize(
    ("ahead", "result"),
    [(timedelta(0), "ok"), (timedelta(minutes=2), "warning"), (timedelta(minutes=6), "error")],
)
def test_clock_is_compared_with_vaults(
    daemon: Daemon, prepared: DevVault, ahead: timedelta, result: str
) -> None:
    """By the Date header of a request without a token; the roles of `ca init` are fine."""
    with session(prepared.address, VAULT_TOKEN=prepared.token) as opened:
        found = run(
            daemon.pid,
            ask_vault=lambda: vault_checks.ask(opened, lambda: now() + ahead),
        )
    assert results(found) | {"clock": result} == dict.fromkeys(CLEAN, "ok") | {"clock": result}
    assert results(found)["clock"] == result


@pytest.mark.parametrize("namespace", ["root", "team"])
def test_clock_needs_no_namespace(daemon: Daemon, openbao: DevVault, namespace: str) -> None:
    """OpenBao has sys/health only in its root namespace; `dev` prints BAO_NAMESPACE=root."""
    opened = session(openbao.address, BAO_NAMESPACE=namespace)
    found = run(daemon.pid, ask_vault=partial(vault_checks.ask, opened, now))
    assert (results(found)["clock"], results(found)["roles"]) == ("ok", "skipped")


@pytest.fixture
def faulty(authority: Authority, tmp_path: Path) -> Path:
    """Return the directory of a daemon to be started, with a valid credential."""
    write_credential(tmp_path / "tls", authority.pem, authority.server())
    return tmp_path


def pid_in(directory: Path) -> int:
    """Return the PID of the daemon of a directory."""
    return int((directory / "pid").read_text())


# Of a daemon without a Unix socket, the API is not known.
NO_SOCKET = {"api": "skipped"}


@pytest.mark.parametrize(
    ("verify", "expected"),
    [
        (True, {"trust": "critical"}),
        (False, {"strangers": "critical", "trust": "skipped"}),
    ],
)
def test_settings_that_let_strangers_in_are_found(
    faulty: Path, verify: bool, expected: dict[str, str]
) -> None:
    """``tlsverify`` without tlscacert in daemon.json trusts every CA of the system."""
    files = {name: str(faulty / "tls" / f"{name[3:]}.pem") for name in ("tlscert", "tlskey")}
    config = {"tlsverify": verify, "live-restore": True, **files}
    with dockerd(faulty, config=config, system_roots=faulty / "tls" / "ca.pem"):
        found = run(pid_in(faulty))
    assert findings(found) == {"client-ca": "critical", **expected, **NO_SOCKET}
    assert found.result is Result.CRITICAL


def test_tls_in_a_file_that_was_broken_later_is_not_missed(faulty: Path) -> None:
    """The daemon rejects strangers, so no alarm says that it serves everybody."""
    files = {f"tls{name}": str(faulty / "tls" / f"{name}.pem") for name in ("cert", "key")}
    files["tlscacert"] = str(faulty / "tls" / "ca.pem")
    with dockerd(faulty, config={"tlsverify": True, "live-restore": True, **files}):
        (faulty / "daemon.json").write_text("{")
        found = run(pid_in(faulty))
    assert results(found)["client-ca"] == "skipped"
    assert found.result is Result.ERROR


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
def test_public_cas_in_tlscacert_are_found(faulty: Path) -> None:
    """In the file and in the handshake."""
    bundle = faulty / "tls" / "ca.pem"
    bundle.write_bytes(bundle.read_bytes() + Path(certifi.where()).read_bytes())
    config = {"live-restore": True}
    with dockerd(faulty, "--tlsverify", *tls(faulty / "tls"), config=config):
        found = run(pid_in(faulty))
    assert findings(found) == {"client-ca": "critical", "trust": "critical", **NO_SOCKET}
    assert "holds public CAs" in words(found, "client-ca")


def test_certificate_for_clients_too_and_a_ca_near_its_end_are_found(tmp_path: Path) -> None:
    """On disk and on the wire."""
    ending = Authority.create("ending", lifetime=timedelta(days=20))
    ending = Authority.create(
        "ending",
        key=ending.key,
        not_before=datetime.now(UTC) - timedelta(days=15),
        lifetime=timedelta(days=20),
    )
    dual = ending.issue(
        "localhost", dns=["localhost"], addresses=["127.0.0.1"], usages=[SERVER_AUTH, CLIENT_AUTH]
    )
    write_credential(tmp_path / "tls", ending.pem, dual)
    config = {"live-restore": True}
    with dockerd(tmp_path, "--tlsverify", *tls(tmp_path / "tls"), config=config):
        found = run(pid_in(tmp_path))
    assert findings(found) == {"usage": "warning", "cas": "warning", **NO_SOCKET}
    assert words(found, "usage").count("valid for clients too") == 2


def test_certificate_that_has_expired_and_passes_as_any_is_found(
    authority: Authority, tmp_path: Path
) -> None:
    """Dockerd starts with it."""
    start = datetime.now(UTC) - timedelta(days=2)
    expired = authority.issue("localhost", not_before=start, lifetime=timedelta(days=1))
    write_credential(tmp_path / "tls", authority.pem, expired)
    config = {"live-restore": True}
    with dockerd(tmp_path, "--tlsverify", *tls(tmp_path / "tls"), config=config):
        found = run(pid_in(tmp_path))
    assert findings(found) == {"usage": "warning", "validity": "error", **NO_SOCKET}
    assert "no extended key usage" in words(found, "usage")


def test_plaintext_at_a_socket_of_systemd_is_found(faulty: Path) -> None:
    """Dockerd does not warn of it: its settings name no TCP socket."""
    port = free_ports()
    (faulty / "docker-tls.socket").write_text(f"[Socket]\nListenStream={port}\n")
    command = [sys.executable, str(ACTIVATION), str(faulty / "docker-tls.socket"), find_dockerd()]
    command += ["--bridge=none", "--iptables=false", "--ip6tables=false", "--storage-driver=vfs"]
    command += [*places(faulty, {"live-restore": True}), "-H", "fd://"]
    with (
        tempfile.TemporaryDirectory(prefix="dockertls-", ignore_cleanup_errors=True) as sockets,
        serving(
            [*command, f"--exec-root={sockets}"], faulty, environ={"PATH": SEARCH_PATH}
        ) as server,
    ):
        server.wait_for(lambda: server.says("API listen on"))
        found = run(pid_in(faulty))
    assert findings(found) == {
        "client-ca": "critical",
        "plaintext": "critical",
        **dict.fromkeys(("strangers", "trust", "stale", "validity", "usage"), "skipped"),
        **({"api": "skipped"} if results(found)["api"] == "skipped" else {}),
    }
    assert "close the port now" in words(found, "plaintext")


DUAL = {"allow_any_name": True, "server_flag": True, "client_flag": True}


def test_role_for_servers_and_clients_is_found(daemon: Daemon, vault_server: DevVault) -> None:
    """Any role of the mount that the token may list and read, however many there are."""
    operator = Operator.of(vault_server)
    mount = operator.enable_pki()
    for role in ("server", "client", *map(str, range(50)), "old"):
        operator.write(f"{mount}/roles/{role}", {**DUAL, "client_flag": role == "old"})
    reading = operator.policy(f'path "{mount}/roles/+" {{ capabilities = ["read"] }}')
    tokens = {
        vault_server.token: ("warning", f"{mount}/roles/old"),
        operator.create_token(policies=[reading]): ("ok", "server, client"),
        operator.create_token(policies=["default"]): ("skipped", "the token may not read it"),
    }
    for token, (result, text) in tokens.items():
        with session(vault_server.address, VAULT_TOKEN=token, DOCKERTLS_MOUNT=mount) as opened:
            found = run(daemon.pid, ask_vault=partial(vault_checks.ask, opened, now))
        assert (results(found)["roles"], results(found)["clock"]) == (result, "ok")
        assert text in words(found, "roles")


def now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({}, "needs a token (VAULT_TOKEN)"),
        ({"DOCKERTLS_ROLE_ID": "r", "DOCKERTLS_SECRET_ID": "s"}, "does not log in (with approle)"),
        ({"VAULT_TOKEN": "not one"}, "invalid characters"),
    ],
)
def test_roles_are_left_out_without_a_token(
    daemon: Daemon, openbao: DevVault, variables: dict[str, str], reason: str
) -> None:
    """A login could spend a secret of one use."""
    opened = session(openbao.address, **variables)
    found = run(daemon.pid, ask_vault=partial(vault_checks.ask, opened, now))
    assert (results(found)["clock"], results(found)["roles"]) == ("ok", "skipped")
    assert reason in words(found, "roles")


def test_vault_that_does_not_answer_makes_the_whole_unknown(daemon: Daemon) -> None:
    """It was asked, as its address is set: the clock was not left out."""
    address = f"http://127.0.0.1:{free_ports()}"
    opened = session(address, VAULT_TOKEN="x", VAULT_MAX_RETRIES="0")
    found = run(daemon.pid, ask_vault=partial(vault_checks.ask, opened, now))
    assert findings(found) == {"clock": "unknown"}
    assert found.result is Result.UNKNOWN


def test_without_a_dockerd_its_configuration_is_still_judged(tmp_path: Path) -> None:
    """What prevents its start is what somebody wants to know then."""
    broken = tmp_path / "daemon.json"
    broken.write_text('{"hosts": ["fd://"]}')
    command = ("dockerd", "-H", "fd://", f"--config-file={broken}")
    stopped = Supervision(pid=None, command=command, streams=(), is_stale=False)
    found = run(2**22 + 1, supervision=stopped)
    assert found.result is Result.UNREACHABLE
    assert found.dockerd is None
    assert {name for name, result in results(found).items() if result != "skipped"} == {
        "process",
        "configuration",
        "clash",
        "environment",
    }
    assert results(found)["clash"] == "error"
    assert "not a dockerd" in words(found, "process")


def test_daemon_in_a_container_is_diagnosed_there(daemon: Daemon) -> None:
    """Its files and its addresses are others than those here."""
    code = f"import tests.test_doctor as t; f = t.run({daemon.pid}); "
    code += (
        "print(f.checks[0], 'is left out' if t.results(f)['configuration'] == 'skipped' else '')"
    )
    inside = subprocess.run(
        ["unshare", "--net", sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Result.UNKNOWN" in inside.stdout
    assert "is left out" in inside.stdout
    assert "sees other files or network addresses" in inside.stdout


def test_ordinary_user_is_told_what_needs_root(
    authority: Authority, shared_directory: Path
) -> None:
    """Everything else is examined, and nothing fails."""
    write_credential(shared_directory / "tls", authority.pem, authority.server())
    (shared_directory / "tls").chmod(0o755)
    config = {"live-restore": True}
    with dockerd(shared_directory, "--tlsverify", *tls(shared_directory / "tls"), config=config):
        pid = pid_in(shared_directory)
        read, write = os.pipe()
        if (child := os.fork()) == 0:
            os.close(read)
            os._exit(_as_nobody(pid, write))
        os.close(write)
        with open(read) as output:  # noqa: PTH123 - Path.open takes no descriptor
            found = json.loads(output.read())
        assert os.waitpid(child, 0)[1] == 0
    assert findings_in(found) == {"sockets": "skipped", "api": "skipped"}
    assert "needs root" in found["sockets"][1]


def _as_nobody(pid: int, output: int) -> int:
    """Diagnose a daemon as nobody; write the results as JSON."""
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
    found = run(pid)
    text = json.dumps({each.check: (each.result, each.summary) for each in found.checks})
    os.write(output, text.encode())
    return 0


def findings_in(found: dict[str, list[str]]) -> dict[str, str]:
    """Return the results that a clean daemon does not have for root."""
    return {name: result for name, (result, _) in found.items() if result != CLEAN[name]}


@pytest.mark.parametrize("output", ["table", "json"])
def test_command_prints_each_check_and_exits_with_the_worst(
    daemon: Daemon, output: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The table is that of `check`, the exit status too."""
    monkeypatch.setenv("DOCKER_HOST", "tcp://x\x1b[2J\nok")
    status = main.run(["daemon", "doctor", "--pid", str(daemon.pid), "-o", output])
    printed = capsys.readouterr()
    assert status == 1
    assert printed.err == ""
    assert "\x1b" not in printed.out
    if output == "json":
        found = json.loads(printed.out)
        assert (found["kind"], found["ok"]) == ("daemon-doctor", False)
        assert found["data"]["result"] == "warning"
        assert found["data"]["dockerd"]["pid"] == daemon.pid
        return
    lines = printed.out.splitlines()
    assert [line.split("\t")[1] for line in lines[1 : 1 + len(Check)]] == [
        each.description for each in Check
    ]
    assert lines[-2:] == [
        "left out\tcompare the clock with Vault's; check the roles in Vault",
        "result\twarning",
    ]


@pytest.mark.parametrize(
    ("variables", "clock"),
    [
        ({}, ("skipped", "VAULT_ADDR is not set")),
        ({"VAULT_ADDR": "nonsense://x"}, ("skipped", "VAULT_ADDR")),
        ({"VAULT_ADDR": "http://127.0.0.1:1"}, ("unknown", "refused the connection")),
    ],
)
def test_wrong_settings_of_vault_do_not_prevent_a_diagnosis(
    daemon: Daemon,
    variables: dict[str, str],
    clock: tuple[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Their row says what is wrong."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    main.run(["daemon", "doctor", "--pid", str(daemon.pid), "--timeout", "200ms", "-o", "json"])
    checks = json.loads(capsys.readouterr().out)["data"]["checks"]
    (row,) = (each for each in checks if each["check"] == "clock")
    assert row["result"] == clock[0]
    assert clock[1] in row["summary"]


def test_each_check_is_in_the_guide_and_in_the_reference() -> None:
    """With what it finds, in the order of the report."""
    identifiers = [each.identifier for each in Check]
    guide = (ROOT / "docs" / "how-to" / "diagnose.md").read_text()
    reference = (ROOT / "docs" / "reference" / "json.md").read_text()
    assert f"in this order: {', '.join(f'`{name}`' for name in identifiers)} |" in reference
    rows = re.findall(r"^\| `([a-z-]+)`: ([^|]+) \|", guide, re.MULTILINE)
    assert rows == [(each.identifier, each.description) for each in Check]
