"""A diagnosis finds each fault on a daemon that has it, and nothing on one that has none."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dockertls_vault.daemon import vault_checks
from dockertls_vault.daemon.examination.checks import Check
from dockertls_vault.doctor import Asking, Diagnosis, diagnose
from dockertls_vault.docker.diagnosis.report import Result

from .certificates import CLIENT_AUTH, SERVER_AUTH, Authority, write_credential
from .harness.dockerd import SEARCH_PATH, dockerd, find_dockerd, places, tls
from .harness.process import free_ports, serving, wait_until
from .vault.operator import Operator, session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from .harness.openbao import DevVault

ROOT = Path(__file__).parents[1]
# What a clean daemon is asked without Vault.
CLEAN = {each.identifier: "ok" for each in Check} | {"clock": "skipped", "roles": "skipped"}
SHORT = timedelta(seconds=30)


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
) -> Diagnosis:
    """Diagnose the daemon with this PID; every finding has words."""
    variables = {"PATH": SEARCH_PATH, **(environ or {})}
    without_vault = lambda: vault_checks.left_out("no Vault is set")  # noqa: E731 - a default
    found = diagnose(
        Asking(pid, variables, SHORT), None, ask_vault or without_vault, datetime.now(UTC)
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


def rotate(daemon: Daemon) -> None:
    """Trust another root as well, without a restart."""
    with (daemon.tls / "ca.pem").open("ab") as file:
        file.write(Authority.create("next root").pem)


def add_hosts(daemon: Daemon) -> None:
    """Set hosts, which the flags have too."""
    daemon.config.write_text('{"live-restore": true, "hosts": ["tcp://[::]:2376"]}')


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
    "a stale certificate": (renew, {"stale": "warning"}, "systemctl restart docker"),
    "a stale bundle": (rotate, {"stale": "warning"}, "does not accept yet CN=next root"),
    "hosts twice": (add_hosts, {"clash": "error", "pending": "warning"}, "both as a flag and in"),
    "broken JSON": (
        break_the_configuration,
        {"configuration": "error", "clash": "skipped"},
        "daemon.json",
    ),
    "live-restore off": (turn_live_restore_off, {"live-restore": "warning"}, "live-restore is off"),
    "a lost certificate": (
        remove_the_certificate,
        {"stale": "skipped", "usage": "skipped"},
        "No such file",
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
    assert found.result.exit_status != 0


def test_group_of_the_credential_may_read_the_key(daemon: Daemon, authority: Authority) -> None:
    """That is what --group is for."""
    with kept(daemon):
        some_group_reads(daemon)
        record = daemon.tls / ".dockertls"
        record.mkdir(mode=0o755)
        (record / "request.json").write_text(json.dumps(_request(group="65534")))
        assert findings(run(daemon.pid)) == {}


def _request(**changes: object) -> dict[str, object]:
    from dockertls_vault.credential import record

    from .credentials import SERVER

    return record.to_json(SERVER) | changes


def test_environment_of_the_docker_cli_is_examined(daemon: Daemon) -> None:
    """DOCKER_TLS_VERIFY=0 is a trap, and a client older than the smallest API is useless."""
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
            ask_vault=lambda: vault_checks.ask(opened, lambda: datetime.now(UTC) + ahead),
        )
    assert results(found) | {"clock": result} == dict.fromkeys(CLEAN, "ok") | {"clock": result}
    assert results(found)["clock"] == result


# fmt: off
@pytest.mark.parametrize(
    ("config", "options", "expected"),
    [
        ({"tlsverify": True}, [], {"client-ca": "critical", "trust": "critical"}),
        ({"tlsverify": False}, [], {"client-ca": "critical", "strangers": "critical", "trust": "skipped"}),
    ],
)
# fmt: on
def test_settings_that_let_strangers_in_are_found(
    config: dict[str, Any],
    options: list[str],
    expected: dict[str, str],
    authority: Authority,
    tmp_path: Path,
) -> None:
    """``tlsverify`` in daemon.json without tlscacert: every CA of the system is trusted."""
    credential = write_credential(tmp_path / "tls", authority.pem, authority.server())
    files = {"tlscert": str(credential / "cert.pem"), "tlskey": str(credential / "key.pem")}
    everything = {**config, **files, "live-restore": True}
    roots = credential / "ca.pem"
    with dockerd(tmp_path, *options, config=everything, system_roots=roots):
        found = run(int((tmp_path / "pid").read_text()))
    assert {**findings(found)} == {**expected, "api": "skipped"}
    assert found.result is Result.CRITICAL
