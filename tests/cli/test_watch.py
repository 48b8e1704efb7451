"""``renew --watch`` as a container runs it: with a health file, a supervisor and signals."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml  # type: ignore[import-untyped]  # of mkdocs

from dockertls_vault.cli.main import run
from dockertls_vault.credential.registry import Registry
from dockertls_vault.needs_renewal import Need
from tests.checkout import ROOT
from tests.faults.signals import Role
from tests.harness.process import LIMIT, wait_until
from tests.test_renew_all import Fleet
from tests.vault.operator import Operator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.harness.openbao import DevVault


@pytest.fixture
def fleet(openbao: DevVault, tmp_path: Path) -> Fleet:
    """Return a host without credentials, which logs in with an AppRole role of its own."""
    return Fleet(Role.make(Operator.of(openbao)), tmp_path / "credentials")


@contextmanager
def watching(
    fleet: Fleet, *arguments: str, named: bool = True, **variables: str
) -> Iterator[subprocess.Popen[str]]:
    """Run ``renew --watch`` for the credentials of a host, ``named`` or all that are known."""
    known = {**fleet.role.variables, "BAO_ADDR": fleet.operator.address, **variables}
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "dockertls_vault", "renew", "--watch", *arguments),
            *(map(str, fleet.directories) if named else ()),
        ],
        env={**os.environ, **known},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _valid_until(directory: Path) -> str:
    due = json.loads((directory / ".dockertls" / "due.json").read_text())
    return str(due["end"])


def test_certificates_are_renewed_until_a_signal(fleet: Fleet, tmp_path: Path) -> None:
    """The supervisor and the health file are updated, and no token is left."""
    fleet.issue(2, ttl=timedelta(seconds=6))
    before = fleet.role.accessors()
    health, socket_path = tmp_path / "health", tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind(str(socket_path))
        supervisor.settimeout(LIMIT)
        with watching(
            fleet,
            *("-o", "json", "--health-file", str(health)),
            NOTIFY_SOCKET=str(socket_path),
            WATCHDOG_USEC="10000000",
        ) as process:
            assert process.stdout is not None
            told = supervisor.recv(4096).decode()
            while told == "WATCHDOG=1":
                told = supervisor.recv(4096).decode()
            assert told.startswith(
                "READY=1\nSTATUS=watching 2 credentials; the next renewal is due at "
            )
            ends = set(map(_valid_until, fleet.directories))
            seen: list[dict[str, object]] = []
            messages: list[str] = []
            supervisor.setblocking(False)
            while sum(each["action"] == "renewed" for each in seen) < 4:
                messages += iter(lambda: _received(supervisor), "")  # its queue is short
                envelope = json.loads(process.stdout.readline())
                assert (envelope["kind"], envelope["ok"]) == ("renewals", True)
                seen += envelope["data"]["renewals"]
            wait_until(lambda: json.loads(health.read_text())["ok"])
            state = json.loads(health.read_text())
            assert (state["credentials"], state["failing_since"]) == (2, None)
            assert ends.isdisjoint(map(_valid_until, fleet.directories))
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=LIMIT)
        assert process.returncode == 0, said
        messages += list(iter(lambda: _received(supervisor), ""))
    assert "WATCHDOG=1" in messages
    assert messages[-1] == "STOPPING=1"
    assert health.stat().st_mode & 0o777 == 0o644
    assert [path.name for path in tmp_path.glob(".health*")] == []
    assert fleet.role.accessors() <= before


def _received(supervisor: socket.socket) -> str:
    try:
        return supervisor.recv(4096).decode()
    except BlockingIOError:
        return ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_it_cleanly(fleet: Fleet, tmp_path: Path, number: int) -> None:
    """The exit status is 0; SIGHUP only makes it check everything."""
    fleet.issue(1)
    state = Path(os.environ["DOCKERTLS_STATE_DIR"])
    Registry(state).add(fleet.directories[0])
    health = tmp_path / "health"
    with watching(fleet, "--health-file", str(health), named=False) as process:
        wait_until(health.exists)
        first = health.stat().st_mtime_ns
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: health.stat().st_mtime_ns != first)
        process.send_signal(number)
        _, said = process.communicate(timeout=LIMIT)
    assert process.returncode == 0
    assert said.splitlines()[-1] == "stopped by a signal"
    assert run(["needs-renewal"]) == Need.NOT_DUE


def test_signal_kills_a_hook_that_runs_again_later(fleet: Fleet, tmp_path: Path) -> None:
    """The process does not wait for the hook, and the next one finds it pending."""
    begun = tmp_path / "begun"
    hook = ("sh", "-c", f"echo begun >>{begun}; exec sleep {LIMIT:.0f}")
    fleet.issue(1, hooks=(hook,))
    for count in (1, 2):
        with watching(fleet) as process:
            wait_until(lambda: begun.exists() and begun.read_text() == "begun\n" * count)  # noqa: B023 - it is called at once
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=LIMIT / 2)
        assert process.returncode == 0


def test_failure_is_shown_in_the_health_file(fleet: Fleet, tmp_path: Path) -> None:
    """It does not end the process, and the next success clears it."""
    fleet.issue(1)
    (fleet.directories[0] / "cert.pem").unlink()
    health = tmp_path / "health"
    path = f"{fleet.mount}/roles/client"
    fleet.set_up(path, key_type="rsa", key_bits=2048)
    with watching(fleet, "--health-file", str(health)) as process:
        wait_until(health.exists)
        state = json.loads(health.read_text())
        assert state["ok"] is False
        since = datetime.fromisoformat(state["failing_since"])
        assert timedelta() <= datetime.now(UTC) - since < timedelta(seconds=LIMIT)
        fleet.set_up(path, key_type="any", key_bits=0)
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: json.loads(health.read_text())["ok"])
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=LIMIT)
    assert "renewals have failed since" in said
    assert ": renewed: cert.pem is missing" in said


def test_health_file_that_cannot_be_written_later_is_a_warning(
    fleet: Fleet, tmp_path: Path
) -> None:
    """The process continues; the age of the file shows the failure."""
    fleet.issue(1)
    health = tmp_path / "run" / "health"
    health.parent.mkdir()
    with watching(fleet, "--health-file", str(health)) as process:
        wait_until(health.exists)
        health.unlink()
        health.parent.rmdir()
        process.send_signal(signal.SIGHUP)
        assert process.stderr is not None
        while not process.stderr.readline().startswith("warning: cannot write the health file"):
            assert process.poll() is None
        health.parent.mkdir()
        process.send_signal(signal.SIGHUP)
        wait_until(health.exists)
        process.terminate()
        process.communicate(timeout=LIMIT)
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "variables", "status", "text"),
    [
        (["--watch", "--force"], {}, 2, "--force cannot be combined with --watch"),
        (["--watch", "--expires-in", "8h"], {}, 2, "--expires-in cannot be combined"),
        (["--watch", "--detailed-exitcode"], {}, 2, "--detailed-exitcode cannot be combined"),
        (["--health-file", "x"], {}, 2, "--health-file needs --watch"),
        (["--watch"], {"VAULT_CACERT": "/none"}, 78, "/none"),
        (["--watch"], {}, 77, "no Vault token and no auth method"),
    ],
)
def test_invalid_setup_is_an_error_at_the_start(
    fleet: Fleet,
    arguments: list[str],
    variables: dict[str, str],
    status: int,
    text: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With the status of that error, so that whoever starts it sees it."""
    fleet.issue(1)
    monkeypatch.setenv("BAO_ADDR", "https://127.0.0.1:1")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert run(["renew", *arguments, str(fleet.directories[0])]) == status
    assert text in capsys.readouterr().err


def test_health_file_that_cannot_be_written_is_an_error(
    fleet: Fleet,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """This is so at the start; its directory is not created."""
    fleet.issue(1)
    for name, value in fleet.role.variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("BAO_ADDR", fleet.operator.address)
    health = str(tmp_path / "none" / "health")
    arguments = ["renew", "--watch", "--health-file", health, str(fleet.directories[0])]
    assert run(arguments) == 73
    assert f"cannot write the health file {health}: No such file or directory" in (
        capsys.readouterr().err
    )


def test_service_of_the_docs_works(fleet: Fleet, tmp_path: Path) -> None:
    """Its command issues and watches two credentials, and its health check passes."""
    page = (ROOT / "docs/how-to/renew-in-a-container.md").read_text(encoding="utf-8")
    service = yaml.safe_load(page.split("```yaml\n")[1].split("```")[0])["services"]["certs"]
    known = dict(fleet.role.variables)
    secret_id = tmp_path / "secret_id"
    secret_id.write_text(known.pop("DOCKERTLS_SECRET_ID"))
    secret_id.chmod(0o600)
    sign = f'path "{fleet.mount}/sign/+" {{ capabilities = ["update"] }}'
    fleet.operator.write(f"sys/policies/acl/{known['DOCKERTLS_AUTH_MOUNT']}", {"policy": sign})
    places = {name: str(tmp_path / Path(name).name) for name in ("/certs", "/run/dockertls-health")}

    def here(command: str) -> str:
        for name, place in places.items():
            command = command.replace(name, place)
        return command

    with subprocess.Popen(
        [*service["entrypoint"], here(service["command"][0])],
        env={
            **os.environ,
            **known,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "BAO_ADDR": fleet.operator.address,
            "DOCKERTLS_SECRET_ID_FILE": str(secret_id),
        },
        stdout=subprocess.DEVNULL,
    ) as process:
        check = ["sh", "-c", here(service["healthcheck"]["test"])]
        wait_until(
            lambda: (
                process.poll() is not None
                or not subprocess.run(check, check=False, stderr=subprocess.DEVNULL).returncode
            )
        )
        process.terminate()
    assert process.returncode == 0
    assert json.loads(Path(places["/run/dockertls-health"]).read_text())["credentials"] == 2


@pytest.mark.parametrize(
    ("text", "age", "healthy"),
    [
        ('{"version": 1, "ok": true}', timedelta(minutes=5), True),
        ('{"version": 1, "ok": false}', timedelta(), False),
        ('{"version": 1, "ok": true}', timedelta(minutes=30), False),
        (None, timedelta(), False),
    ],
)
def test_health_check_of_the_docs_detects_failures(
    text: str | None, age: timedelta, healthy: bool, tmp_path: Path
) -> None:
    """It fails if renewals fail, and if the file is old or missing."""
    page = (ROOT / "docs/how-to/renew-in-a-container.md").read_text(encoding="utf-8")
    (line,) = (line for line in page.splitlines() if line.strip().startswith("test: "))
    health = tmp_path / "health"
    if text is not None:
        health.write_text(text)
        then = (datetime.now(UTC) - age).timestamp()
        os.utime(health, (then, then))
    command = json.loads(line.partition("test: ")[2]).replace("/run/dockertls-health", str(health))
    done = subprocess.run(["sh", "-c", command], check=False, capture_output=True)
    assert (done.returncode == 0) is healthy
