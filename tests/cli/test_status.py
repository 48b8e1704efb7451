"""``status`` as a user and a monitoring system run it."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from dockertls_vault.cli.main import run
from dockertls_vault.credential.registry import Registry
from dockertls_vault.duration import format_time
from tests.certificates import Authority
from tests.credentials import CLIENT, SERVER, install
from tests.daemon.test_pickup import SET_UP
from tests.docker import servers
from tests.harness.terminal import be_a_terminal

from .test_imports import loaded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.certificates import Issued

ROOT = Authority.create("status root")
NOW = datetime.now(UTC)
DAY = timedelta(days=1)


@pytest.fixture
def server(tmp_path: Path) -> Issued:
    """Install a server credential of which five of ten days are left."""
    issued = ROOT.issue(
        "a.example",
        dns=["a.example", "localhost"],
        addresses=["192.0.2.1"],
        not_before=NOW - 5 * DAY,
        lifetime=10 * DAY,
    )
    install(tmp_path / "tls", SERVER, issued, ROOT, at=NOW, age=5 * DAY)
    return issued


@pytest.fixture
def client(tmp_path: Path) -> Issued:
    """Install a client credential that expires soon."""
    issued = ROOT.issue("alice", not_before=NOW - 9.5 * DAY, lifetime=10 * DAY)
    install(tmp_path / "client", CLIENT, issued, ROOT, at=NOW, age=9.5 * DAY)
    return issued


@pytest.fixture
def daemon(tmp_path: Path, server: Issued, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Serve the certificate of ``server`` at DOCKER_HOST; yield the port."""
    assert server
    context = servers.server_context(tmp_path / "tls" / ".dockertls" / "current", verify=True)
    with servers.talking(servers.answering(context)) as port:
        monkeypatch.setenv("DOCKER_HOST", f"tcp://localhost:{port}")
        yield port


def status(*arguments: str) -> int:
    """Run the command, which waits for daemons as long as it takes."""
    return run(["status", "--timeout", "30s", *arguments])


def known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """List the credentials as `issue` does."""
    monkeypatch.setenv("DOCKERTLS_STATE_DIR", str(tmp_path / "state"))
    for name in names:
        Registry(tmp_path / "state").add(tmp_path / name)


@pytest.mark.usefixtures("daemon")
def test_each_credential_is_a_line_in_a_pipe(
    tmp_path: Path,
    server: Issued,
    client: Issued,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Without a directory, it lists the known credentials; the worst decides the exit status."""
    known(tmp_path, monkeypatch, "tls", "client", "gone")
    assert status() == 2
    head, first, second, third = capsys.readouterr().out.splitlines()
    assert head == (
        "status\tdirectory\tpurpose\tnames\tissuer\tvalid until\trenewal due\twire\tdetails"
    )
    until = [format_time(each.certificate.not_valid_after_utc) for each in (server, client)]
    cells = first.split("\t")
    assert cells[:6] == [
        "critical",
        str(tmp_path / "client"),
        "client",
        "alice",
        "CN=status root",
        until[1],
    ]
    assert cells[7] == ""
    assert cells[8].startswith("expires in 11h")
    gone = "the directory is gone; the next `renew` drops it"
    assert second == "\t".join(["warning", str(tmp_path / "gone"), *[""] * 6, gone])
    cells = third.split("\t")
    assert cells[:6] == [
        "ok",
        str(tmp_path / "tls"),
        "server",
        "a.example, localhost, 192.0.2.1",
        "CN=status root",
        until[0],
    ]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", cells[6])
    assert cells[7:] == ["same", ""]


@pytest.mark.usefixtures("daemon")
@pytest.mark.parametrize("styled", [True, False])
def test_each_credential_is_a_block_on_a_terminal(
    styled: bool,
    tmp_path: Path,
    server: Issued,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It has a bar for the remaining validity, no empty fields, and wrapped long ones."""
    be_a_terminal(monkeypatch)
    monkeypatch.setenv("COLUMNS", "80")
    if not styled:
        monkeypatch.setenv("NO_COLOR", "1")
    known(tmp_path, monkeypatch, "tls")
    missing = tmp_path / "missing"
    assert status(str(tmp_path / "tls"), str(missing)) == 2
    out = capsys.readouterr().out
    assert ("\x1b" in out) is styled
    until = format_time(server.certificate.not_valid_after_utc)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", out).splitlines()
    assert lines[:2] == [f"ok  {tmp_path / 'tls'}", "  purpose      server"]
    assert lines[2:4] == [
        "  names        a.example, localhost, 192.0.2.1",
        "  issuer       CN=status root",
    ]
    bar = re.escape(f"  valid until  {until}  [##########..........]  ")
    assert re.fullmatch(bar + r"4d(\d+[hms])+ left", lines[4])
    assert re.fullmatch(r"  renewal due  [\d-]+ [\d:]+ UTC", lines[5])
    assert lines[6:9] == ["  wire         same", "", f"critical  {missing}"]
    assert " ".join("".join(lines[9:]).split()).startswith("details the directory")


def test_expired_certificate_has_no_bar(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The details say since when it has been expired."""
    be_a_terminal(monkeypatch)
    monkeypatch.setenv("COLUMNS", "80")
    issued = ROOT.issue("alice", not_before=NOW - 2 * DAY, lifetime=DAY)
    install(tmp_path, CLIENT, issued, ROOT, at=NOW - 2 * DAY)
    assert status(str(tmp_path)) == 2
    end = format_time(issued.certificate.not_valid_after_utc)
    lines = capsys.readouterr().out.splitlines()
    assert f"  valid until  {end}" in lines
    assert f"  details      expired at {end}" in lines


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], 0),
        (["--warn", "6d"], 1),
        (["--warn", "60%"], 1),
        (["--crit", "6d"], 2),
        (["--crit", "60%", "--warn", "70%"], 2),
        (["--warn", "4d"], 0),
        (["--warn", "often"], 2),
        (["--crit", "0%"], 2),
        (["--metrics", ""], 2),
    ],
)
@pytest.mark.usefixtures("server")
def test_limits_decide_the_exit_status(
    arguments: list[str], expected: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An invalid limit is a usage error that names the option."""
    assert status(str(tmp_path / "tls"), *arguments) == expected
    said = capsys.readouterr()
    assert ("error: " in said.err) is (said.out == "")
    if not said.out:
        assert arguments[0] in said.err


def test_host_without_credentials_is_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """There may have been some, so the exit status is not 0."""
    known(tmp_path, monkeypatch)
    assert status() == 3
    said = capsys.readouterr()
    assert said.out == ""
    assert "no credential is known on this host" in said.err


@pytest.mark.usefixtures("daemon", "client")
def test_json_has_all_that_is_known(
    tmp_path: Path, server: Issued, capsys: pytest.CaptureFixture[str]
) -> None:
    """The times are those of the files."""
    assert status(str(tmp_path / "tls"), str(tmp_path / "client"), "-o", "json") == 2
    found = json.loads(capsys.readouterr().out)
    assert (found["kind"], found["ok"]) == ("status", False)
    assert found["data"]["severity"] == "critical"
    first, second = found["data"]["credentials"]
    assert (first["severity"], first["wire"]["presented"]) == ("ok", "same")
    assert first["wire"]["certificate"] == first["certificate"]
    end = server.certificate.not_valid_after_utc
    assert first["valid_until"] == end.isoformat().replace("+00:00", "Z")
    assert (second["wire"], second["pending_hooks"], second["damaged"]) == (None, None, False)


def test_docker_host_without_the_certificates_name_is_not_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nor is one without TLS; neither is an error."""
    install(tmp_path, SERVER, ROOT.server("b.example"), ROOT, at=NOW)
    with servers.talking(lambda _: pytest.fail("it was asked")) as port:
        for host in (f"tcp://127.0.0.1:{port}", "unix:///run/docker.sock", "nonsense//"):
            monkeypatch.setenv("DOCKER_HOST", host)
            assert status(str(tmp_path), "-o", "json") == 0
            (found,) = json.loads(capsys.readouterr().out)["data"]["credentials"]
            assert found["wire"]["presented"] == "not-asked"


def test_daemon_is_asked_where_it_was_set_up(
    tmp_path: Path,
    daemon: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whatever DOCKER_HOST says; a set-up of another directory does not count."""
    monkeypatch.setenv("DOCKER_HOST", "tcp://localhost:1")
    monkeypatch.setenv("DOCKERTLS_STATE_DIR", str(tmp_path / "state"))
    text = json.dumps(SET_UP | {"listen": [f"[::]:{daemon}"]})
    for directory, presented in (("tls", "same"), ("other", "unreachable")):
        set_up = tmp_path / "state" / "daemon" / "set-up.json"
        set_up.parent.mkdir(parents=True, exist_ok=True)
        set_up.write_text(text.replace("/etc/docker/tls", str(tmp_path / directory)))
        status(str(tmp_path / "tls"), "-o", "json")
        (found,) = json.loads(capsys.readouterr().out)["data"]["credentials"]
        assert found["wire"]["presented"] == presented


@pytest.mark.usefixtures("server")
def test_metrics_are_written_in_addition_to_the_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A failure to write them is an error without output."""
    path = tmp_path / "dockertls.prom"
    assert status(str(tmp_path / "tls"), "--metrics", str(path)) == 0
    assert 'dockertls_vault_severity{directory="' in path.read_text()
    assert capsys.readouterr().out.startswith("status\t")
    assert status(str(tmp_path / "tls"), "--metrics", str(tmp_path / "no" / "x.prom")) == 73
    said = capsys.readouterr()
    assert said.out == ""
    assert "No such file or directory" in said.err


@pytest.mark.usefixtures("server")
def test_settings_of_vault_do_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Vault is not asked, so even an invalid address is no error."""
    monkeypatch.setenv("VAULT_ADDR", "nonsense")
    monkeypatch.setenv("VAULT_MAX_RETRIES", "many")
    assert status(str(tmp_path / "tls")) == 0


@pytest.mark.usefixtures("server")
def test_neither_a_vault_client_nor_rich_is_loaded(tmp_path: Path) -> None:
    """The Prometheus client library is loaded only for --metrics."""
    found = loaded(["status", str(tmp_path / "tls")], tmp_path)
    assert found == {"OpenSSL", "cryptography"}
    modules = (tmp_path / "modules").read_text().split()
    assert "prometheus_client" not in modules
