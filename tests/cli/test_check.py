"""``check`` as a user runs it: a table for people, JSON for programs, a status for scripts."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import hashes

from dockertls_vault.cli.directories import docker_cli_directory
from dockertls_vault.cli.main import run
from dockertls_vault.docker.diagnosis.checks import Check
from tests.certificates import CLIENT_AUTH, Authority, write_credential
from tests.docker import servers
from tests.harness.dockerd import dockerd, tls
from tests.harness.terminal import on_a_terminal

if TYPE_CHECKING:
    from collections.abc import Iterator


# The OIDs of commonName (2.5.4.3) and countryName (2.5.4.6), X.520, in DER.
COMMON_NAME, COUNTRY = b"\x06\x03\x55\x04\x03", b"\x06\x03\x55\x04\x06"
CHECKS = [each.identifier for each in Check]


@pytest.fixture(scope="module")
def authority() -> Authority:
    """Return the CA of both peers."""
    return Authority.create("check root")


@pytest.fixture(scope="module")
def daemon(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Run a correctly configured daemon; yield its port."""
    directory = tmp_path_factory.mktemp("daemon")
    credential = write_credential(directory / "tls", authority.pem, authority.server())
    with dockerd(directory, "--tlsverify", *tls(credential)) as port:
        yield port


@pytest.fixture
def client(authority: Authority, tmp_path: Path) -> Path:
    """Return the directory of a client credential."""
    return write_credential(tmp_path / "client", authority.pem, authority.client())


def test_library_warnings_about_a_servers_names_are_not_shown(
    authority: Authority, tmp_path: Path
) -> None:
    """Such as cryptography's about a CA whose country has more than two letters.

    In this process warnings are errors, so the test runs another one.
    """
    server = write_credential(tmp_path / "tls", authority.pem, authority.server())
    der = ssl.PEM_cert_to_DER_cert(Authority.create("abc").pem.decode())
    odd = tmp_path / "odd.pem"
    odd.write_text(ssl.DER_cert_to_PEM_cert(der.replace(COMMON_NAME, COUNTRY)))
    with servers.talking(servers.asking(server, authorities=odd)) as port:
        result = subprocess.run(
            [sys.executable, "-m", "dockertls_vault", "check", f"127.0.0.1:{port}", "-q"],
            capture_output=True,
            text=True,
            check=False,
        )
    assert result.stderr == ""
    assert "only clients of C=abc" in result.stdout


@pytest.fixture
def closed_port() -> int:
    """Return a port without a listener."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def test_secure_daemon_gives_a_table_and_status_0(
    daemon: int, client: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One row per check, then the versions and the certificate."""
    status = run(["check", f"tcp://127.0.0.1:{daemon}", "--certs", str(client)])
    captured = capsys.readouterr()
    assert status == 0
    rows = [line for line in captured.out.splitlines() if line.startswith("ok\t")]
    assert len(rows) == len(CHECKS)
    assert f"tcp://127.0.0.1:{daemon} at 127.0.0.1" in captured.out
    assert "CN=check root" in captured.out
    assert captured.err == f"our certificate is {client / 'cert.pem'}\n"


def test_our_certificate_is_named_by_its_absolute_path_if_it_exists(
    daemon: int,
    client: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A relative --certs would not tell which file was read, and a missing file is not ours."""
    monkeypatch.chdir(client.parent)
    named = []
    for directory in (client.name, "nobody"):
        run(["check", f"tcp://127.0.0.1:{daemon}", "--certs", directory])
        named.append(capsys.readouterr().err)
    assert named == [f"our certificate is {client / 'cert.pem'}\n", ""]


def test_secure_daemon_gives_a_json_envelope(
    daemon: int, client: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its fields are part of the public contract."""
    status = run(["check", f"localhost:{daemon}", "--certs", str(client), "-o", "json", "-q"])
    captured = capsys.readouterr()
    envelope = json.loads(captured.out)
    assert (status, envelope["kind"], envelope["ok"], captured.err) == (0, "check", True, "")
    data = envelope["data"]
    assert set(data) == {"endpoint", "address", "result", "checks", "certificate", "daemon"}
    assert [step["check"] for step in data["checks"]] == CHECKS
    for step in data["checks"]:
        assert set(step) == {"check", "result", "description", "summary", "reason", "remedy"}
        assert (step["reason"], step["remedy"]) == (None, None)
    assert set(data["daemon"]) == {"engine", "version", "api_version", "os", "arch"}
    assert data["certificate"]["dns_names"] == ["localhost"]
    assert data["result"] == "ok"


@pytest.mark.slow
def test_access_without_a_certificate_gives_status_76(
    authority: Authority, client: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The row of that check says that it is critical."""
    credential = write_credential(tmp_path / "tls", authority.pem, authority.server())
    with dockerd(tmp_path, "--tlsverify=false", *tls(credential)) as port:
        status = run(["check", f"127.0.0.1:{port}", "--certs", str(client)])
    captured = capsys.readouterr()
    assert status == 76
    assert "critical" in captured.out
    assert "Docker accepts a stranger" in " ".join(captured.out.split())


@pytest.mark.parametrize("columns", [80, 60])
def test_fingerprints_and_paths_wrap_at_separators(
    columns: int, daemon: int, tmp_path: Path
) -> None:
    """After a colon or slash, and no line is cut by the terminal."""
    stranger = Authority.create("another root")
    folder = tmp_path / "a-folder-with-a-long-name" / "and-one-more"
    files = write_credential(folder, stranger.pem, stranger.client())
    (files / "key.pem").unlink()
    (files / "key.pem").touch()
    lines = on_a_terminal("check", f"127.0.0.1:{daemon}", "--certs", str(files), columns=columns)
    assert max(map(len, lines)) <= columns
    text = "\n".join(line.split("  ")[-1].strip() for line in lines)
    fingerprint = stranger.certificate.fingerprint(hashes.SHA256()).hex(":").upper()
    assert fingerprint in text.replace(":\n", ":")
    assert str(files / "key.pem") in text.replace("/\n", "/").replace("-\n", "-")


def test_closed_port_gives_status_69(
    closed_port: int, client: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The JSON is not ok, but still a report."""
    status = run(["check", f"127.0.0.1:{closed_port}", "--certs", str(client), "-o", "json"])
    envelope = json.loads(capsys.readouterr().out)
    assert (status, envelope["ok"], envelope["data"]["result"]) == (69, False, "unreachable")
    assert envelope["data"]["daemon"] is None


def test_timeout_covers_a_port_that_hangs(client: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One that accepts connections and never answers gives status 69."""
    with servers.silent() as port:
        status = run(["check", f"127.0.0.1:{port}", "--certs", str(client), "--timeout", "1s"])
    assert status == 69
    assert "no response before the timeout" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["unix:///var/run/docker.sock"], "not a TLS endpoint"),
        (["localhost:port"], "not a port"),
        (["localhost", "--timeout", "soon"], "invalid duration"),
    ],
)
def test_invalid_input_gives_status_2(
    arguments: list[str], words: str, client: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is refused before any connection."""
    assert run(["check", *arguments, "--certs", str(client)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert words in captured.err


def test_missing_credential_that_was_named_gives_status_65(
    daemon: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """By --certs or DOCKER_CERT_PATH; the checks without a certificate still run."""
    assert run(["check", f"localhost:{daemon}", "--certs", str(tmp_path)]) == 65
    monkeypatch.setenv("DOCKER_CERT_PATH", str(tmp_path))
    assert run(["check", f"localhost:{daemon}", "-o", "json"]) == 65
    table, _, envelope = capsys.readouterr().out.partition("{")
    found = {step["check"]: step for step in json.loads("{" + envelope)["data"]["checks"]}
    assert f"{tmp_path / 'cert.pem'} does not exist" in found["credential"]["summary"]
    assert "dockertls-vault issue client" in found["credential"]["remedy"]
    assert found["no-certificate"]["result"] == found["trust"]["result"] == "ok"
    assert f"{tmp_path / 'cert.pem'} does not exist" in table


@pytest.mark.parametrize(
    ("directory", "inner", "variable", "command"),
    [
        ("~/.docker", "", None, "issue client"),
        ("~/.docker", "", "DOCKER_CERT_PATH", "issue client"),
        ("of alice", "", None, "issue client --dir '{directory}'"),
        ("ci", "", "DOCKER_CERT_PATH", "issue client --dir {directory}"),
        ("ci", "", "DOCKER_CONFIG", "issue client --dir {directory}"),
        ("dind", "client", None, "issue client --layout dind --dir {directory}"),
    ],
)
def test_hint_renews_an_expired_credential_in_its_directory(
    daemon: int,
    authority: Authority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    directory: str,
    inner: str,
    variable: str | None,
    command: str,
) -> None:
    """Without --dir, the command would renew the one in ~/.docker."""
    place = tmp_path / Path(directory).expanduser()
    expired = authority.issue(
        "alice",
        usages=[CLIENT_AUTH],
        not_before=datetime.now(UTC) - timedelta(days=2),
        lifetime=timedelta(days=1),
    )
    write_credential(place / inner, authority.pem, expired)
    named = [] if variable else ["--certs", str(place)]
    if variable:
        monkeypatch.setenv(variable, str(place))
    assert run(["check", f"localhost:{daemon}", *named, "-o", "json"]) == 65
    remedy = json.loads(capsys.readouterr().out)["data"]["checks"][0]["remedy"]
    assert remedy == f"issue it again: dockertls-vault {command.format(directory=place)}"


@pytest.mark.parametrize("kind", ["missing", "other root", "nothing"])
def test_each_hint_names_the_directory_that_was_checked(
    daemon: int,
    authority: Authority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    kind: str,
) -> None:
    """This holds for a missing file, a root to add to ca.pem, and a missing credential."""
    ca = Authority.create("another root") if kind == "other root" else authority
    place = tmp_path / "config"
    place.mkdir()
    monkeypatch.setenv("DOCKER_CONFIG", str(place))
    if kind != "nothing":
        write_credential(place, ca.pem, authority.client())
    if kind == "missing":
        (place / "key.pem").unlink()
    run(["check", f"localhost:{daemon}", "-o", "json"])
    steps = json.loads(capsys.readouterr().out)["data"]["checks"]
    hints = [
        step["remedy"] for step in steps if step["remedy"] and "issue client" in step["remedy"]
    ]
    assert hints
    assert all(f"dockertls-vault issue client --dir {place}, " in hint for hint in hints)


def test_missing_default_credential_gives_status_3(
    daemon: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Checked without one, and reported, so that 0 always means access."""
    assert run(["check", f"localhost:{daemon}"]) == 3
    captured = capsys.readouterr()
    directory = Path.home() / ".docker"
    assert captured.err == f"there is no credential in {directory}: connecting without one\n"
    assert "only the checks without a client certificate" in captured.out


def test_incomplete_default_credential_gives_status_65(
    daemon: int, authority: Authority, capsys: pytest.CaptureFixture[str]
) -> None:
    """A lone ca.pem is a broken credential, but is used to verify the chain."""
    directory = Path.home() / ".docker"
    directory.mkdir()
    (directory / "ca.pem").write_bytes(authority.pem)
    assert run(["check", f"localhost:{daemon}"]) == 65
    assert "chains to CN=check root" in capsys.readouterr().out


@pytest.mark.parametrize("scheme", ["tcp", "TCP"])
def test_docker_host_is_the_default(
    scheme: str,
    closed_port: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """HOST takes precedence; a Unix socket is refused by name."""
    monkeypatch.setenv("DOCKER_HOST", f"{scheme}://127.0.0.1:{closed_port}")
    assert run(["check"]) == 69
    assert f"127.0.0.1:{closed_port}" in capsys.readouterr().out
    monkeypatch.setenv("DOCKER_HOST", "unix:///run/docker.sock")
    assert run(["check", f"127.0.0.1:{closed_port}"]) == 69
    assert run(["check"]) == 2
    assert "DOCKER_HOST: not a TLS endpoint" in capsys.readouterr().err


@pytest.mark.parametrize("found", [None, ""])
def test_no_host_gives_status_2(
    found: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error names HOST and DOCKER_HOST, with an example."""
    if found is not None:
        monkeypatch.setenv("DOCKER_HOST", found)
    assert run(["check"]) == 2
    captured = capsys.readouterr()
    assert "neither HOST nor DOCKER_HOST" in captured.err
    assert "dockertls-vault check tcp://" in captured.err


def test_dind_directory_gives_the_client_credential(
    daemon: int, authority: Authority, tmp_path: Path
) -> None:
    """``--certs`` may be the directory that holds ``server`` and ``client``."""
    write_credential(tmp_path / "server", authority.pem, authority.server())
    write_credential(tmp_path / "client", authority.pem, authority.client())
    assert run(["check", f"localhost:{daemon}", "--certs", str(tmp_path)]) == 0


def test_podman_is_reported_as_podman(
    authority: Authority, client: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Podman 4.3.1 behind TLS is recognized by its answer."""
    credential = write_credential(tmp_path / "tls", authority.pem, authority.server())
    context = servers.server_context(credential, verify=True)
    with servers.http(200, servers.PODMAN, context=context) as port:
        status = run(["check", f"localhost:{port}", "--certs", str(client)])
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert status == 3  # it is not to be seen whose clients the test's server lets in
    assert ["podman", "4.3.1,", "API", "1.41"] in lines


def test_docker_cert_path_is_the_default_directory(
    closed_port: int,
    client: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """DOCKER_CERT_PATH is used if --certs is not given."""
    monkeypatch.setenv("DOCKER_CERT_PATH", str(client))
    assert run(["check", f"127.0.0.1:{closed_port}"]) == 69
    assert str(client / "cert.pem") in capsys.readouterr().err


@pytest.mark.parametrize(
    ("environ", "directory"),
    [
        ({}, "~/.docker"),
        ({"DOCKER_CERT_PATH": "", "DOCKER_CONFIG": ""}, "~/.docker"),
        ({"DOCKER_CONFIG": "/c"}, "/c"),
        ({"DOCKER_CONFIG": "/c", "DOCKER_CERT_PATH": "/p"}, "/p"),
    ],
)
def test_default_directory_is_that_of_the_docker_cli(
    environ: dict[str, str], directory: str
) -> None:
    """DOCKER_CERT_PATH, then its configuration directory."""
    assert docker_cli_directory(environ) == Path(directory)
