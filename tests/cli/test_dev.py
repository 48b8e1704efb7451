"""``dev`` as a user runs it: a process with a terminal, signals and a child."""

from __future__ import annotations

import os
import pty
import shlex
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from dockertls_vault.cli import render
from dockertls_vault.cli.main import run
from tests.harness.dockerd import find_dockerd
from tests.test_dev import LIMIT, is_free, wait

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dockertls_vault.cli.preferences import Preferences

REPOSITORY = Path(__file__).parents[2]
PROGRAM = [sys.executable, "-m", "dockertls_vault"]


def port_of(variables: Mapping[str, str]) -> int:
    """Return the port of the server in these variables."""
    return urlsplit(variables["BAO_ADDR"]).port or 0


@contextmanager
def serving(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """Run `dev` until it has printed all exports; yield the process and the variables."""
    process = subprocess.Popen(
        [*PROGRAM, "dev", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        try:
            assert process.stdout is not None
            variables: dict[str, str] = {}
            while "DOCKERTLS_AUTH" not in variables:
                line = process.stdout.readline()
                assert line, process.stderr and process.stderr.read()
                words = shlex.split(line)
                if words[0] == "export":
                    name, _, value = words[1].partition("=")
                    variables[name] = value
            yield process, variables
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_dev_serves_until_a_signal(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """This program can use its exports, the CA exists, and afterwards the server is gone."""
    with serving("--domain", "example.internal") as (process, variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        issue = ["issue", "server", "--host", "a.example.internal", "--dir", str(tmp_path)]
        assert run(issue) == 0
        assert run([*issue[:3], "b.example.org", "--dir", str(tmp_path / "b")]) == 65
        process.send_signal(number)
        assert process.wait(LIMIT) == 0
        assert process.stderr is not None
        said = process.stderr.read()
    assert "names below example.internal" in said
    assert "Traceback" not in said
    assert is_free(port_of(variables))


def test_signal_after_the_exports_ends_dev(monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process: the exports lead to the server, and the status is 0."""
    printed: list[str] = []

    def text(lines: list[str], _preferences: Preferences) -> None:
        printed.extend(lines)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(render, "text", text)
    monkeypatch.setenv("VAULT_NAMESPACE", "of another server")
    assert run(["dev"]) == 0
    assert "unset VAULT_NAMESPACE" in printed
    assert any(line.startswith("export BAO_ADDR=http://127.0.0.1:") for line in printed)


def test_killed_dev_takes_its_server_down() -> None:
    """Linux kills the server with its parent (PR_SET_PDEATHSIG)."""
    with serving() as (process, variables):
        assert not is_free(port_of(variables))
        process.kill()
        process.wait(LIMIT)
        wait(lambda: is_free(port_of(variables)))


def test_server_that_exits_by_itself_is_a_failure() -> None:
    """The exit status says that Vault is gone."""
    with serving() as (process, _):
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text("ascii")
        os.kill(int(children.split()[0]), signal.SIGKILL)
        assert process.wait(LIMIT) == 69
        assert process.stderr is not None
        told = process.stderr.read()
        assert "exited unexpectedly, with status -9" in told
        assert "hint: run `dev` again" in told


def test_variables_of_other_servers_are_unset(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """In the exports, and in the environment of the command."""
    monkeypatch.setenv("VAULT_NAMESPACE", "elsewhere")
    monkeypatch.setenv("VAULT_ADDR", "https://elsewhere.example")
    with subprocess.Popen(
        [*PROGRAM, "dev"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "unset VAULT_NAMESPACE\n"
        process.terminate()
        assert "elsewhere" not in process.stdout.read()
    assert run(["dev", "--", "sh", "-c", "echo $VAULT_NAMESPACE; echo $VAULT_ADDR"]) == 0
    blank, address = capfd.readouterr().out.splitlines()
    assert blank == ""
    assert address.startswith("http://127.0.0.1:")


def test_config_file_of_another_server_is_ignored(tmp_path: Path) -> None:
    """Its address, namespace and login method do not apply to this server."""
    file = Path(os.environ["XDG_CONFIG_HOME"]) / "dockertls-vault" / "config.toml"
    file.parent.mkdir(parents=True)
    file.write_text(
        '[vault]\naddress = "https://elsewhere.example"\nnamespace = "teams"\n'
        '[auth]\nmethod = "approle"\n[pki]\nmount = "mine"\n'
    )
    issue = ["issue", "client", "--name", "alice", "--mount", "mine", "--dir", str(tmp_path)]
    assert run(["dev", "--", *PROGRAM, *issue]) == 0
    assert (tmp_path / "cert.pem").exists()


def test_proxy_and_tls_settings_of_another_server_are_ignored(tmp_path: Path) -> None:
    """A proxy would see the root token."""
    file = Path(os.environ["XDG_CONFIG_HOME"]) / "dockertls-vault" / "config.toml"
    file.parent.mkdir(parents=True)
    nothing = tmp_path / "nothing.pem"
    file.write_text(
        f'[vault]\nproxy = "http://127.0.0.1:1"\nca_cert = "{nothing}"\n'
        f'client_cert = "{nothing}"\nclient_key = "{nothing}"\n'
    )
    assert run(["dev", "--", "true"]) == 0


def test_variable_with_an_invalid_name_is_not_printed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The lines are pasted into a shell, which would run a command in it."""
    monkeypatch.setenv("VAULT_X;touch pwned;", "1")
    monkeypatch.setenv("VAULT_NAMESPACE", "elsewhere")
    with subprocess.Popen(
        [*PROGRAM, "dev"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "unset VAULT_NAMESPACE\n"
        process.terminate()
        assert "pwned" not in process.stdout.read()


def test_output_says_how_to_undo_the_exports(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """They hide a VAULT_ADDR that is set later."""
    with serving() as (process, variables):
        assert process.stdout is not None
        assert process.stdout.readline() == f"# afterwards: unset {' '.join(variables)}\n"
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("VAULT_ADDR", "https://vault.example.internal:8200")
        assert run(["auth"]) == 0
    assert (
        "BAO_ADDR takes precedence over VAULT_ADDR, which has another value"
        in capfd.readouterr().err
    )


@pytest.mark.parametrize(
    ("command", "status", "words"),
    [
        (["sh", "-c", "exit 7"], 7, ""),
        (["sh", "-c", "exit 127"], 127, ""),
        (["sh", "-c", "kill -15 $$"], 128 + 15, ""),
        (["no-such-command"], 127, "error: cannot run 'no-such-command': No such file"),
        (["/"], 126, "error: cannot run '/': Permission denied"),
    ],
)
def test_exit_status_is_the_commands(
    command: list[str], status: int, words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """If the command cannot be started, the status is that of env(1), and the error says why."""
    assert run(["dev", "--quiet", "--", *command]) == status
    captured = capfd.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(words)
    assert bool(captured.err) == bool(words)


def test_options_after_the_command_belong_to_it(capfd: pytest.CaptureFixture[str]) -> None:
    """Even those that this program has, too, and without "--"."""
    assert run(["dev", "--quiet", "echo", "--quiet", "--domain", "x"]) == 0
    assert capfd.readouterr().out == "--quiet --domain x\n"


@pytest.mark.parametrize(
    ("typed", "meant"), [(["--domian", "example.internal"], "--domain"), (["--quite"], "--quiet")]
)
def test_unknown_option_starts_no_server(
    typed: list[str], meant: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """It is not taken for a command; the server would sign any name."""
    assert run(["dev", *typed]) == run(["dev", *typed, "--", "echo", "started"]) == 2
    captured = capfd.readouterr()
    assert captured.out == ""
    assert f"No such option: {typed[0]}" in captured.err
    assert meant in captured.err


def test_invalid_domain_starts_no_server(capfd: pytest.CaptureFixture[str]) -> None:
    """The domain is checked before anything is started."""
    assert run(["dev", "--domain", "https://x", "--", "echo", "started"]) == 2
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_is_passed_to_the_command(number: signal.Signals, tmp_path: Path) -> None:
    """It may take its time to exit, and its status is the result."""
    ready = tmp_path / "ready"
    script = (
        "trap 'exit 42' INT TERM HUP; echo $BAO_ADDR >$0.new; mv $0.new $0; "
        "while :; do sleep 0.02; done"
    )
    with subprocess.Popen(
        [*PROGRAM, "dev", "--quiet", "--", "sh", "-c", script, str(ready)], start_new_session=True
    ) as process:
        try:
            wait(ready.exists)
            process.send_signal(number)
            assert process.wait(LIMIT) == 42
        finally:
            process.kill()
    assert is_free(port_of({"BAO_ADDR": ready.read_text().strip()}))


# Counts the SIGINTs of a Ctrl-C, and exits with 40 plus their number.
COUNTS = """
import pathlib, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
count = 0
while True:
    pathlib.Path(sys.argv[1]).write_text(f"{count} so far")
    if signal.sigwait({signal.SIGINT, signal.SIGTERM}) == signal.SIGTERM:
        sys.exit(40 + count)
    count += 1
"""


def test_ctrl_c_reaches_the_command_once(tmp_path: Path) -> None:
    """The terminal signals both processes; the command decides what to do."""
    told = tmp_path / "told"
    process, terminal = pty.fork()
    if process == 0:
        command = [*PROGRAM, "dev", "-q", "--", sys.executable, "-c", COUNTS, str(told)]
        os.execv(sys.executable, command)  # noqa: S606 - what forked becomes the program
    try:
        wait(lambda: told.exists() and told.read_text() == "0 so far")
        os.write(terminal, b"\x03")
        wait(lambda: told.read_text() not in {"", "0 so far"})
        os.kill(process, signal.SIGTERM)
        _, status = os.waitpid(process, 0)
        assert os.waitstatus_to_exitcode(status) == 41
    finally:
        os.close(terminal)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a directory at the front of the PATH, with this program in it."""
    directory = tmp_path / "bin"
    directory.mkdir()
    add_program(directory / "dockertls-vault", f'exec {shlex.join(PROGRAM)} "$@"')
    monkeypatch.setenv("PATH", f"{directory}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    return directory


def add_program(path: Path, line: str) -> None:
    """Write a one-line shell script."""
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)


def demo(scratch: Path) -> str:
    """Run the demo as `make demo` does; return its output. It must leave no file behind."""
    command = ["dev", "--domain", "example.internal", "--", str(REPOSITORY / "scripts/demo")]
    done = subprocess.run(
        [*PROGRAM, *command],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "TMPDIR": str(scratch)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(scratch.iterdir()) == []
    assert "\n$ dockertls-vault issue server --quiet --dir " in done.stdout
    assert "\n$ dockertls-vault issue client --name alice --dir " in done.stdout
    return done.stdout


@pytest.fixture
def scratch() -> Iterator[Path]:
    """Return a directory with a short path: dockerd's socket paths have 107 bytes at most."""
    with tempfile.TemporaryDirectory(prefix="demo-") as directory:
        yield Path(directory)


@pytest.mark.usefixtures("programs")
def test_demo_runs_a_real_dockerd(scratch: Path) -> None:
    """Rejected without a certificate, accepted with one; the daemon is stopped afterwards."""
    find_dockerd()
    printed = demo(scratch)
    assert "\n$ dockertls-vault check tcp://localhost:" in printed
    assert printed.endswith(
        "\nDone with a real dockerd: rejected without a certificate, accepted with one.\n"
    )
    endpoint = printed.partition("A real dockerd listens on ")[2].split()[0]
    assert is_free(urlsplit(endpoint).port or 0)


def test_demo_without_dockerd_says_why(programs: Path, scratch: Path) -> None:
    """The two certificates are verified against each other anyway."""
    add_program(programs / "dockerd", "echo no rights here >&2; exit 1")
    printed = demo(scratch)
    reason = "it says: no rights here" if os.geteuid() == 0 else "only root can start it"
    assert f"\ndockerd cannot be started here ({reason}).\n" in printed
    assert "\nwithout a certificate: rejected (" in printed
    assert "\nwith the client's certificate: accepted\n" in printed
    assert printed.endswith(
        "\nDone without dockerd: rejected without a certificate, accepted with one.\n"
    )
