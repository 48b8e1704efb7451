"""``auth`` as a user runs it, and secrets that must never be shown."""

from __future__ import annotations

import json
import logging
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import termios
import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from dockertls_vault.cli.main import run
from tests.harness.missing import missing
from tests.mounts import lead_to
from tests.vault.misbehaving import Node, misbehaving, response
from tests.vault.operator import LIMIT, Operator

if TYPE_CHECKING:
    import socket
    from pathlib import Path

    from tests.harness.openbao import DevVault


@pytest.fixture
def operator(vault_server: DevVault, monkeypatch: pytest.MonkeyPatch) -> Operator:
    """Return the operator of the shared server, and point the environment to it."""
    monkeypatch.setenv("VAULT_ADDR", vault_server.address)
    return Operator.of(vault_server)


def approle(operator: Operator) -> dict[str, str]:
    """Create an AppRole role; return the variables that log in with it."""
    mount = operator.enable_auth("approle")
    operator.write(f"auth/{mount}/role/ci", {"token_policies": "default", "token_ttl": "5m"})
    return {
        "DOCKERTLS_AUTH_MOUNT": mount,
        "DOCKERTLS_ROLE_ID": operator.read(f"auth/{mount}/role/ci/role-id")["role_id"],
        "DOCKERTLS_SECRET_ID": operator.write(f"auth/{mount}/role/ci/secret-id")["data"][
            "secret_id"
        ],
    }


def test_auth_prints_a_table(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Identity, remaining TTL and missing capabilities; ``-v`` adds the findings on stderr."""
    token = operator.create_token(policies=["default"], ttl="5m", display_name="alice")
    monkeypatch.setenv("VAULT_TOKEN", token)
    assert run(["auth", "-v"]) == 0
    captured = capsys.readouterr()
    words = " ".join(captured.out.split())
    assert "name token-alice policies default token source VAULT_TOKEN" in words
    assert "result command details" in words
    assert "denied issue server path" in words
    assert "dockertls/sign/server" in words
    assert "token: from VAULT_TOKEN" in captured.err
    assert "\nthe token comes from VAULT_TOKEN\n" in captured.err
    assert token not in captured.out + captured.err


def test_auth_prints_a_json_envelope(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its fields are part of the public contract."""
    monkeypatch.setenv("VAULT_TOKEN", operator.token)
    assert run(["auth", "-o", "json", "--mount", operator.enable_pki()]) == 0
    captured = capsys.readouterr()
    envelope = json.loads(captured.out)
    assert (envelope["kind"], envelope["ok"], captured.err) == ("auth", True, "")
    assert set(envelope["data"]) == {
        "address",
        "namespace",
        "namespace_ignored",
        "token_source",
        "consumed_wrapping_token",
        "token",
        "commands",
    }
    assert set(envelope["data"]["token"]) == {
        "display_name",
        "type",
        "policies",
        "path",
        "entity_id",
        "ttl",
        "renewable",
        "remaining_uses",
    }
    assert envelope["data"]["commands"][0] == {
        "command": "issue server",
        "allowed": True,
        "missing_rules": [],
        "reason": None,
    }


def test_missing_mount_is_a_failure(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is what `issue` would report; the hint is `ca init`."""
    monkeypatch.setenv("VAULT_TOKEN", operator.token)
    assert run(["auth", "--mount", "nowhere"]) == 0
    _, _, table = capsys.readouterr().out.partition("\n\n")
    rows = [line.split("\t") for line in table.splitlines()]
    words = "allowed, but: no PKI mount 'nowhere' in Vault"
    assert rows[1] == ["warning", "issue server", words]
    assert rows[2] == ["warning", "issue client", words]
    assert rows[3] == ["ok", "ca init", ""]


@pytest.mark.parametrize(
    ("server", "said"), [("openbao", False), ("vault_enterprise", False), ("vault_community", True)]
)
def test_ignored_namespace_is_a_warning(
    server: str,
    said: bool,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Vault Community silently ignores namespaces."""
    vault: DevVault = request.getfixturevalue(server)
    Operator.of(vault).call("POST", "sys/namespaces/team")
    lead_to(vault, monkeypatch)
    assert run(["auth", "--namespace", "team"]) == 0
    captured = capsys.readouterr()
    assert ("team (ignored)" in captured.out) == said
    assert ("this server does not support namespaces" in captured.err) == said
    assert ("warning: " in captured.err) == said


@pytest.mark.parametrize("place", ["DOCKERTLS_WRAPPED_SECRET_ID", "file"])
def test_wrapping_token_spent_by_auth_is_reported(
    place: str,
    operator: Operator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A job that checks its login before issuing needs another one."""
    variables = approle(operator)
    del variables["DOCKERTLS_SECRET_ID"]
    path = f"auth/{variables['DOCKERTLS_AUTH_MOUNT']}/role/ci/secret-id"
    wrapping_token = operator.write(path, X_Vault_Wrap_TTL="60")["wrap_info"]["token"]
    (tmp_path / "file").write_text(wrapping_token)
    variables |= (
        {"DOCKERTLS_WRAPPED_SECRET_ID_FILE": str(tmp_path / place)}
        if place == "file"
        else {place: wrapping_token}
    )
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    where = str(tmp_path / place) if place == "file" else place
    assert run(["auth", "-q"]) == 0
    assert f"warning: this consumed the wrapping token from {where}: " in capsys.readouterr().err
    assert run(["auth"]) == 77
    told = capsys.readouterr().err
    assert "the wrapping token has expired or was already unwrapped: " in told
    assert re.search(r"hint: request a new one; .*`dockertls-vault auth` does.* stolen", told)


def test_plain_secret_id_takes_precedence_over_a_wrapped_one(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The wrapped one is not spent."""
    for name, value in (approle(operator) | {"DOCKERTLS_WRAPPED_SECRET_ID": "w"}).items():
        monkeypatch.setenv(name, value)
    assert run(["auth"]) == 0
    assert "used up" not in capsys.readouterr().err


def test_auth_flag_overrides_a_token_in_the_environment(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """``-v`` says which one was used, and why."""
    for name, value in approle(operator).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("VAULT_TOKEN", "of-somebody-else")
    assert run(["auth", "--auth", "approle", "-v"]) == 0
    assert "logged in with approle" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "variables", "status"),
    [
        ([], {}, 77),
        ([], {"VAULT_TOKEN": "of-somebody-else"}, 77),
        (["--auth", "carrier-pigeon"], {}, 2),
        ([], {"DOCKERTLS_AUTH": "carrier-pigeon"}, 78),
        (["--auth", "userpass"], {}, 78),
        (["--timeout", "1s"], {"VAULT_TOKEN": "t", "VAULT_ADDR": "http://127.0.0.1:1"}, 69),
    ],
)
def test_each_failure_has_its_status_message_and_hint(
    operator: Operator,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    variables: dict[str, str],
    status: int,
) -> None:
    """Message and hint are on stderr."""
    assert operator.address
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert run(["auth", *arguments]) == status
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("error: ") == 1
    assert captured.err.count("hint: ") == 1


def test_lease_quota_has_its_own_hint(
    vault_enterprise: DevVault, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Unlike a rate limit, it does not clear by waiting."""
    operator = Operator.of(vault_enterprise)
    monkeypatch.setenv("VAULT_ADDR", vault_enterprise.address)
    variables = approle(operator)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    mount = variables["DOCKERTLS_AUTH_MOUNT"]
    quota = {"path": f"auth/{mount}/", "max_leases": 0}
    operator.write(f"sys/quotas/lease-count/{mount}", quota)
    assert run(["auth"]) == 75
    words = capsys.readouterr().err
    assert "lease count quota exceeded" in words
    assert "wait for leases to expire" in words


def test_password_prompt_does_not_echo(operator: Operator, tmp_path: Path) -> None:
    """A real terminal shows the prompt, but not the password."""
    mount = operator.enable_auth("userpass")
    operator.write(f"auth/{mount}/users/alice", {"password": "s3cret-word", "token_ttl": "5m"})
    environ = environment(operator.address, tmp_path) | {
        "DOCKERTLS_AUTH_MOUNT": mount,
        "DOCKERTLS_AUTH_USER": "alice",
    }
    command = [*PROGRAM, "auth", "--auth", "userpass", "-o", "json"]
    process, terminal = pty.fork()
    if process == 0:
        os.execve(command[0], command, environ)  # noqa: S606 - it is pty that asks for it
    screen = b""
    try:
        screen = read_until(terminal, b"password of alice (userpass): ", screen)
        os.write(terminal, b"s3cret-word\n")
        screen = read_until(terminal, b'"warnings": []', screen)
    finally:
        _, status = os.waitpid(process, 0)
        os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 0
    assert f'"path": "auth/{mount}/login/alice"'.encode() in screen
    assert b"s3cret-word" not in screen


@pytest.mark.parametrize(
    ("typed", "problem"),
    [
        pytest.param(b"\x04", b": empty password", id="Ctrl-D"),
        pytest.param(b"\n", b": empty password", id="Enter"),
        pytest.param(b"\xff\n", b": the password is not valid text", id="not text"),
    ],
)
def test_missing_or_invalid_password_at_the_prompt_is_refused(
    typed: bytes, problem: bytes, tmp_path: Path
) -> None:
    """Input from a terminal is validated like any other."""
    environ = environment("http://127.0.0.1:1", tmp_path) | {"DOCKERTLS_AUTH_USER": "alice"}
    command = [*PROGRAM, "auth", "--auth", "userpass"]
    process, terminal = pty.fork()
    if process == 0:
        os.execve(command[0], command, environ)  # noqa: S606 - it is pty that asks for it
    try:
        screen = read_until(terminal, b"password of alice (userpass): ", b"")
        os.write(terminal, typed)
        read_until(terminal, problem, screen)
    finally:
        _, status = os.waitpid(process, 0)
        os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 77


def test_ctrl_c_at_a_prompt_ends_the_program(tmp_path: Path) -> None:
    """At once, with the status of SIGINT, and the terminal echoes again."""
    environ = environment("http://127.0.0.1:1", tmp_path) | {"DOCKERTLS_AUTH_USER": "alice"}
    command = [*PROGRAM, "auth", "--auth", "userpass"]
    process, terminal = pty.fork()
    if process == 0:
        os.execve(command[0], command, environ)  # noqa: S606 - it is pty that asks for it
    try:
        read_until(terminal, b"password of alice (userpass): ", b"")
        os.write(terminal, b"\x03")
    finally:
        _, status = os.waitpid(process, 0)
        modes = termios.tcgetattr(terminal)
        os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 130
    assert modes[3] & termios.ECHO


@pytest.mark.slow
def test_login_interrupted_before_its_answer_is_reported(tmp_path: Path) -> None:
    """After a few seconds to finish, a warning says that a token may remain; by any signal."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    asked = threading.Semaphore(0)

    def answer(node: Node, connection: socket.socket) -> None:
        asked.release()
        node.hangs(connection)

    with misbehaving(answer) as node, ExitStack() as programs:
        started = []
        for _ in numbers:  # all at once, as each takes its seconds
            program = subprocess.Popen(
                [*PROGRAM, "auth"],
                env=environment(node.address, tmp_path) | {"DOCKERTLS_JWT": "a.b.c"},
                stderr=subprocess.PIPE,
                text=True,
            )
            programs.enter_context(program)
            programs.callback(program.kill)
            started.append(program)
        for _ in numbers:
            assert asked.acquire(timeout=LIMIT)
        for program, number in zip(started, numbers, strict=True):
            program.send_signal(number)
            program.send_signal(number)
        for program, number in zip(started, numbers, strict=True):
            _, said = program.communicate(timeout=LIMIT)
            assert program.returncode == 128 + number
            assert "then an unknown token stays valid for the jwt role" in said


def test_sigterm_revokes_the_token(tmp_path: Path) -> None:
    """Even if Vault hangs; the exit status is 143."""
    asked = threading.Event()

    def answer(node: Node, connection: socket.socket) -> None:
        if node.paths[-1].endswith("/login"):
            auth = {"client_token": "of-the-login", "lease_duration": 300}
            connection.sendall(response({"auth": auth}))
        elif node.paths[-1].endswith("/revoke-self"):
            connection.sendall(response(b"", "204 No Content"))
        else:
            asked.set()
            node.hangs(connection)

    with misbehaving(answer) as node:
        program = subprocess.Popen(
            [*PROGRAM, "auth"],
            env=environment(node.address, tmp_path)
            | {"DOCKERTLS_ROLE_ID": "r", "DOCKERTLS_SECRET_ID": "s"},
        )
        try:
            assert asked.wait(LIMIT)
            program.terminate()
            assert program.wait(LIMIT) == 143
        finally:
            program.kill()
            program.wait()
    assert node.paths[-1] == "/v1/auth/token/revoke-self"


def test_no_secret_is_in_any_system_call(operator: Operator, tmp_path: Path) -> None:
    """Of all calls traced, no command line, file or output contains one.

    The only exception is the traffic to Vault.
    """
    strace = shutil.which("strace") or missing("strace is not installed")
    variables = approle(operator)
    trace = tmp_path / "trace"
    result = subprocess.run(
        # Every byte of every call: the test's server uses plain HTTP, so the traffic is readable.
        [strace, "-f", "-s", "100000", "-o", str(trace), *PROGRAM, "auth", "-v"],
        env=environment(operator.address, tmp_path) | variables,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    calls = trace.read_text()
    token = re.search(r'\\"client_token\\":\\"([^"\\]+)\\"', calls)
    assert token is not None
    secrets = (variables["DOCKERTLS_SECRET_ID"], token[1])
    lines = [line for line in calls.splitlines() if any(secret in line for secret in secrets)]
    assert lines
    with_sockets = re.compile(r"^\d+ +(sendto|recvfrom|recv|send|read)\(")
    # At execve, strace shows only the number of environment variables.
    assert [line for line in lines if not with_sockets.match(line)] == []
    assert all("write(" not in line for line in lines)
    assert not any(secret in result.stdout + result.stderr for secret in secrets)


PROGRAM = [sys.executable, "-m", "dockertls_vault"]


def environment(address: str, home: Path) -> dict[str, str]:
    """Return the environment that the program sees."""
    return {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "VAULT_ADDR": address,
    }


def read_until(terminal: int, text: bytes, screen: bytes) -> bytes:
    """Read a terminal's output until ``text`` appears."""
    deadline = time.monotonic() + LIMIT
    while text not in screen:
        assert time.monotonic() < deadline, screen
        try:
            screen += os.read(terminal, 65536)
        except OSError:
            break  # the program has ended
    assert text in screen, screen
    return screen


SECRETS = ("DOCKERTLS_SECRET_ID", "VAULT_TOKEN")


@pytest.mark.parametrize("mode", ["approle", "token"])
def test_no_log_record_has_a_secret(
    mode: str,
    operator: Operator,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Neither tokens nor credentials, at any level, in any logger."""
    variables = approle(operator)
    if mode == "token":
        variables = {"VAULT_TOKEN": operator.create_token(policies=["default"], ttl="5m")}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    caplog.set_level(logging.DEBUG)
    assert run(["auth", "-v"]) == 0
    told = capsys.readouterr().err
    said = [record for record in caplog.records if record.name.startswith("dockertls_vault.")]
    assert "VAULT_ADDR" in told
    assert {record.levelname for record in said} == {"DEBUG"}
    (secret,) = (variables[name] for name in SECRETS if name in variables)
    whole = told + "".join(f"{record.__dict__}" for record in caplog.records)
    assert secret not in whole
