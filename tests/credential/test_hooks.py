"""What has to happen after a swap: run with a timeout, and remembered until it succeeded."""

from __future__ import annotations

import logging
import os
import pty
import pwd
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

import pytest

from dockertls_vault import stop
from dockertls_vault.credential import hooks, pending
from dockertls_vault.credential.hooks import Failure, State
from dockertls_vault.errors import HookFailed
from dockertls_vault.files import atomic, reading
from tests.harness.missing import needs_root

ME = os.geteuid()
MINUTE = timedelta(minutes=1)


def sh(script: str, **environment: str) -> None:
    """Run a hook that is a shell's script."""
    hooks.run([("sh", "-c", script)], {"PATH": os.environ["PATH"], **environment}, MINUTE, ME)


def is_running(pid: int) -> bool:
    """Tell whether a process is there and not a zombie, which whoever inherited it reaps."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_hooks_run_in_order_with_only_the_given_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing else of ours reaches them, such as a token."""
    monkeypatch.setenv("VAULT_TOKEN", "secret")
    written = tmp_path / "written"
    commands = [("sh", "-c", f"env >> {written}"), ("sh", "-c", f"pwd >> {written}")]
    hooks.run(commands, {"PATH": os.environ["PATH"], "A": "1"}, MINUTE, ME)
    lines = written.read_text().splitlines()
    assert "A=1" in lines
    assert "VAULT_TOKEN=secret" not in lines
    assert lines[-1] == "/"


def test_hook_has_an_empty_stdin(tmp_path: Path) -> None:
    """It cannot read our input."""
    reading, writing = os.pipe()
    os.write(writing, b"for us\n")
    os.close(writing)
    ours = os.dup(0)
    os.dup2(reading, 0)
    try:
        hooks.run([("sh", "-c", f"cat > {tmp_path}/read")], os.environ, MINUTE, ME)
    finally:
        os.dup2(ours, 0)
        os.close(ours)
        os.close(reading)
    assert (tmp_path / "read").read_text() == ""


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (("sh", "-c", "exit 3"), "exit status 3"),
        (("sh", "-c", "kill -9 $$"), "killed by SIGKILL"),
        (("sh", "-c", "kill -40 $$"), "killed by signal 40"),
        (("/nowhere/at all",), "No such file or directory"),
        (("/",), "Permission denied"),
    ],
)
def test_failed_hook_is_named_with_its_reason(
    command: tuple[str, ...], reason: str, tmp_path: Path
) -> None:
    """Later hooks do not run, since they may depend on it."""
    after = tmp_path / "after"
    with pytest.raises(HookFailed) as raised:
        hooks.run([command, ("touch", str(after))], {"PATH": os.environ["PATH"]}, MINUTE, ME)
    assert (raised.value.command, raised.value.reason) == (command, reason)
    assert raised.value.exit_status == 71
    assert not after.exists()


def test_hook_that_hangs_is_killed_with_its_session(tmp_path: Path) -> None:
    """It gets SIGTERM first, then SIGKILL."""
    pid = tmp_path / "pid"
    script = f"trap '' TERM; sleep 1000 & echo $! > {pid}.new; mv {pid}.new {pid}; wait; sleep 1000"
    with pytest.raises(HookFailed, match="timed out after 0s"):
        hooks.run([("sh", "-c", script)], {"PATH": os.environ["PATH"]}, timedelta(seconds=0.5), ME)
    while is_running(int(pid.read_text())):
        time.sleep(0.01)


def test_daemon_that_a_hook_starts_keeps_running(tmp_path: Path) -> None:
    """It is not waited for either, although it has our stderr open."""
    pid = tmp_path / "pid"
    sh(f"sleep 1000 & echo $! > {pid}")
    os.kill(int(pid.read_text()), 9)  # it is there


def test_hook_is_killed_when_we_are_stopped(tmp_path: Path) -> None:
    """A signal for us is one for it."""
    started = tmp_path / "started"
    pid = tmp_path / "pid"
    with stop.heeded() as asked:

        def ask() -> None:
            while not started.exists():
                time.sleep(0.01)
            asked.request()

        asking = Thread(target=ask)
        asking.start()
        with pytest.raises(stop.Stopped):
            sh(f"echo $$ > {pid}; touch {started}; sleep 1000")
        asking.join()
    assert not is_running(int(pid.read_text()))


def test_hook_prints_only_to_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    """Stdout has only the result of the command, which may be JSON."""
    sh("echo out; echo err >&2; cat")
    assert capfd.readouterr() == ("", "out\nerr\n")


def test_hook_of_another_user_cannot_read_the_terminal() -> None:
    """It can write to it, but not read what root types."""
    needs_root("only root can act as another")
    keyboard, terminal = pty.openpty()
    ours = os.dup(2)
    os.dup2(terminal, 2)
    try:
        script = "echo seen >&2; read line <&2"
        with pytest.raises(HookFailed, match="exit status"):
            hooks.run([("sh", "-c", script)], {"PATH": os.environ["PATH"]}, MINUTE, 54321)
    finally:
        os.dup2(ours, 2)
        os.close(ours)
        os.close(terminal)
    assert os.read(keyboard, 100).startswith(b"seen")
    os.close(keyboard)


def test_root_runs_the_hook_of_another_user_as_that_user(tmp_path: Path) -> None:
    """It has their groups, none of root's, and cannot regain root's identity."""
    needs_root("only root can act as another")
    tmp_path.chmod(0o777)
    for parent in tmp_path.parents[:3]:
        parent.chmod(parent.stat().st_mode | 0o111)
    script = f"id -u; id -G; grep -c 'CapEff:.*[1-9a-f]' /proc/self/status >> {tmp_path}/caps"
    daemon = pwd.getpwnam("daemon")
    command = ("sh", "-c", f"({script}) > {tmp_path}/id; exit 0")
    hooks.run([command], {"PATH": os.environ["PATH"]}, MINUTE, daemon.pw_uid)
    groups = set(os.getgrouplist(daemon.pw_name, daemon.pw_gid))
    uid, gids = (tmp_path / "id").read_text().splitlines()
    assert (int(uid), set(map(int, gids.split()))) == (daemon.pw_uid, groups)
    assert (tmp_path / "caps").read_text() == "0\n"


@pytest.mark.parametrize("user", ["daemon", "54321"])
def test_hook_of_another_user_finds_their_home(shared_directory: Path, user: str) -> None:
    """HOME is not that of root, which the user cannot read."""
    needs_root("only root can act as another")
    shared_directory.chmod(0o777)
    uid = int(user) if user.isdigit() else pwd.getpwnam(user).pw_uid
    ours = {"PATH": os.environ["PATH"], "HOME": "/root", "USER": "root", "LOGNAME": "root"}
    command = ("sh", "-c", f'echo "$HOME $USER $LOGNAME" > {shared_directory}/seen')
    hooks.run([command], ours, MINUTE, uid)
    home = "/" if user.isdigit() else pwd.getpwnam(user).pw_dir
    assert (shared_directory / "seen").read_text() == f"{home} {user} {user}\n"


STATES = [
    State(),
    State("20260101T000000.000000Z-0a", datetime(2026, 1, 8, tzinfo=UTC)),
    State(
        "a",
        None,
        Failure("b", ("sh", "-c", "é"), "exit status 1", datetime(2026, 1, 1, tzinfo=UTC)),
    ),
]


@pytest.mark.parametrize("state", STATES)
def test_state_survives_a_round_trip(state: State, tmp_path: Path) -> None:
    """A former file is replaced."""
    with reading.opened(str(tmp_path)) as private, atomic.directory("s", 0o755, private) as staging:
        assert hooks.read(private) == State()
        for each in (STATES[1], state):
            atomic.replace(pending.NAME, hooks.to_bytes(each), pending.MODE, private, staging)
        assert hooks.read(private) == state
        assert pending.read(private) == state.last_run


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"version": 2}',
        '{"version": 1, "completed": 1, "serving_until": null, "failure": null}',
        '{"version": 1, "completed": null, "serving_until": null, "failure": {}}',
        "[" * 100_000,
        "\\xff",
    ],
)
def test_hooks_run_again_if_their_state_is_corrupt(text: str, tmp_path: Path) -> None:
    """Running them twice is better than never."""
    (tmp_path / "hooks.json").write_bytes(text.encode().decode("unicode_escape").encode("latin-1"))
    with reading.opened(str(tmp_path)) as private:
        assert hooks.read(private) == State()


def test_each_hook_is_logged_with_quoted_arguments(caplog: pytest.LogCaptureFixture) -> None:
    """The line can be pasted into a shell."""
    with caplog.at_level(logging.INFO):
        hooks.run([(sys.executable, "-c", "pass # it")], {}, MINUTE, ME)
    assert caplog.messages == [f"running the hook {sys.executable} -c 'pass # it'"]
