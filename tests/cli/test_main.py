"""The program around the commands: help, exit statuses, errors as text and as JSON, signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dockertls_vault import __version__, stop
from dockertls_vault.cli import main, signals, speech
from dockertls_vault.cli.preferences import Failed, Output, Preferences
from dockertls_vault.errors import (
    DockerTLSError,
    InvalidInput,
    NotFound,
    OutputLost,
    RequestRejected,
    UnmanagedFiles,
    VaultError,
    VerificationError,
    error_types,
)

# Arguments that these need besides a message and a hint.
_ARGUMENTS: dict[type[DockerTLSError], dict[str, Any]] = {
    VerificationError: {"problems": ("one", "two")},
    VaultError: {"status": 500},
    RequestRejected: {"status": 400},
    NotFound: {"status": 404},
}


def test_program_runs_as_a_module_and_prints_its_version() -> None:
    """What a user starts."""
    run = subprocess.run(
        [sys.executable, "-m", "dockertls_vault", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout == f"dockertls-vault {__version__}\n"


_WRITING = """
import atexit, sys
from dockertls_vault.cli import main
atexit.register(print, "the interpreter is taken apart")
def run(arguments):
    print("the result", end="")
    print("a warning", end="", file=sys.stderr)
    return 0
main.run = run
main.main()
"""


def test_exit_writes_what_is_buffered() -> None:
    """The process ends at once: the interpreter is not taken apart, but no output is lost."""
    run = subprocess.run([sys.executable, "-c", _WRITING], capture_output=True, check=True)
    assert (run.stdout, run.stderr) == (b"the result", b"a warning")


def test_exit_reports_buffered_output_that_cannot_be_written() -> None:
    """It is written before the exit status is decided."""
    with Path("/dev/full").open("wb") as full:
        run = subprocess.run(
            [sys.executable, "-c", _WRITING], stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert run.returncode == OutputLost.exit_status
    assert b"No space left" in run.stderr


@pytest.mark.parametrize(
    "arguments", [["--no-such-option"], ["no-such-command"], ["issue", "client", "--layout", "x"]]
)
def test_usage_error_gives_status_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The message is on stderr, and stdout is empty."""
    assert main.run(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Error" in captured.err


def test_no_command_prints_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    """It is a usage error that prints the help in place of a hint."""
    assert main.run([]) == 2
    said = capsys.readouterr()
    assert "Commands:\n  issue" in said.out + said.err
    assert "hint: " not in said.err


@pytest.mark.parametrize("words", main.ALTERNATIVES, ids=" ".join)
def test_common_wrong_guess_has_a_hint(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """The suggestions by similar spelling would not help."""
    wanted = f"\nhint: {main.ALTERNATIVES[words]}\n"
    *command, last = words
    given = [*(command or ["auth"]), f"{last}=x"] if last.startswith("-") else [*words]
    assert main.run(given) == 2
    captured = capsys.readouterr()
    assert "No such " in captured.err
    assert captured.err.endswith(wanted)
    assert captured.out == ""


def test_other_usage_error_has_no_such_hint(capsys: pytest.CaptureFixture[str]) -> None:
    """If the option for names of that command is not at fault."""
    assert main.run(["issue", "client", "--name", "alice", "--tttl", "1h"]) == 2
    assert "hint: " not in capsys.readouterr().err


def test_status_2_of_a_command_under_dev_has_no_such_hint(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`bao login` exits with 2, too, if its token is rejected."""

    def end(*_arguments: object, **_options: object) -> int:
        return main.EXIT_USAGE

    monkeypatch.setattr(main, "app", end)
    assert main.run(["dev", "--", "bao", "login"]) == 2
    assert capsys.readouterr().err == ""


def test_unexpected_exception_is_a_traceback_without_locals(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 70, and no variable's value is shown."""

    def broken(*_arguments: object, **_options: object) -> None:
        secret = "s.secret"
        raise RuntimeError(f"a bug after {len(secret)} characters")

    monkeypatch.setattr(main, "app", broken)
    assert main.run([]) == main.EXIT_BUG
    captured = capsys.readouterr().err
    assert "Traceback" in captured
    assert "RuntimeError: a bug after 8 characters" in captured


@pytest.mark.parametrize("error", error_types(), ids=lambda error: error.code)
def test_each_error_has_its_own_exit_status(
    error: type[DockerTLSError],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Its message and hint are on stderr."""

    def fail(*_arguments: object, **_options: object) -> None:
        failure = error("went wrong", hint="do this", **_ARGUMENTS.get(error, {}))
        raise Failed(failure, Preferences())

    monkeypatch.setattr(main, "app", fail)
    assert main.run([]) == error.exit_status
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: went wrong\n")
    assert captured.err.endswith("hint: do this\n")


def test_error_codes_are_unique() -> None:
    """Programs that read the JSON distinguish errors by code."""
    codes = [error.code for error in error_types()]
    assert len(codes) == len(set(codes))


def test_json_error_has_every_problem(capsys: pytest.CaptureFixture[str]) -> None:
    """The text is on stderr as well."""
    error = VerificationError("refused", ("no name", "no key"))
    speech.failure(error, Preferences(output=Output.JSON))
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {
        "version": 1,
        "kind": "error",
        "ok": False,
        "error": {
            "code": "verification-failed",
            "message": "refused",
            "hint": error.hint,
            "exit_status": 65,
            "problems": ["no name", "no key"],
        },
    }
    assert "  - no name\n  - no key\n" in captured.err


def test_json_error_without_a_hint_has_null(capsys: pytest.CaptureFixture[str]) -> None:
    """A missing hint is null, as every missing value."""
    speech.failure(InvalidInput("no such thing"), Preferences(output=Output.JSON))
    assert json.loads(capsys.readouterr().out)["error"]["hint"] is None


def test_failure_with_json_output_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever fails after the command line is parsed."""
    assert main.run(["issue", "client", "--name", "", "-o", "json"]) == InvalidInput.exit_status
    envelope = json.loads(capsys.readouterr().out)
    assert envelope["error"]["code"] == "invalid-input"


def test_escape_sequence_in_an_error_is_shown_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    """It is not sent to the terminal."""
    speech.failure(UnmanagedFiles("\x1b]0;title\x07 and \u202e more"), Preferences())
    assert "\x1b" not in (err := capsys.readouterr().err)
    assert "\u202e" not in err
    assert "\\x1b]0;title\\x07" in err


@pytest.mark.parametrize(
    ("typed", "meant"),
    [(["isue"], "issue"), (["chek", "h"], "check"), (["issue", "serer"], "server")],
)
def test_mistyped_command_gets_a_suggestion(
    typed: list[str], meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """At the top level and in groups, without importing any command."""
    assert main.run(typed) == 2
    assert f"Did you mean {meant!r}?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("typed", "option"),
    [
        (["help"], ["--help"]),
        (["help", "issue", "client"], ["issue", "client", "--help"]),
        (["version"], ["--version"]),
    ],
)
def test_help_and_version_work_as_commands(
    typed: list[str], option: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """They print the same as the options."""
    said = []
    for arguments in (typed, option):
        assert main.run(arguments) == 0
        said.append(capsys.readouterr().out)
    assert said[0] == said[1] != ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_is_handled_only_at_checkpoints(number: signal.Signals) -> None:
    """Not in a callback that swallows exceptions, nor during cleanup, even if repeated."""
    cleaned = []

    class Noisy:
        def __del__(self) -> None:
            os.kill(os.getpid(), number)

    def work() -> None:
        with signals.terminating() as termination:
            Noisy()
            assert termination.status == 128 + number
            os.kill(os.getpid(), signal.SIGTERM)
            cleaned.append(termination.status)
            stop.check()

    before = signal.getsignal(number)
    with pytest.raises(stop.Stopped):
        work()
    assert cleaned == [128 + number]
    assert signal.getsignal(number) is before


def test_program_that_hangs_after_a_signal_ends(tmp_path: Path) -> None:
    """First the hanging step is abandoned, then the process."""
    code = """
import os, signal, time
from dockertls_vault import stop
from dockertls_vault.cli import signals
signals._GRACE = signals._LAST = 0.1
with signals.terminating(), stop.patiently():
    os.kill(os.getpid(), signal.SIGTERM)
    try:
        with stop.cutting(lambda: print("insisted", flush=True)):
            while True:
                time.sleep(60)
    finally:
        print("never")
"""
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stdout, run.stderr) == (-signal.SIGTERM, "insisted\n", "")


def test_ignored_signal_stays_ignored() -> None:
    """Under nohup, SIGHUP does not end the program."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with signals.terminating():
            os.kill(os.getpid(), signal.SIGHUP)
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize(
    ("line", "position", "completion"),
    [
        ("dockertls-vault iss", 1, "issue"),
        ("dockertls-vault issue client --layout di", 4, "dind"),
        ("dockertls-vault issue client --auth app", 4, "approle"),
    ],
)
def test_shell_completes_commands_and_choices(line: str, position: int, completion: str) -> None:
    """Bash asks the program; commands that are imported lazily are completed, too."""
    run = subprocess.run(
        [sys.executable, "-c", "from dockertls_vault.cli.main import run; run([])"],
        env={
            **os.environ,
            "_DOCKERTLS_VAULT_COMPLETE": "complete_bash",
            "COMP_WORDS": line,
            "COMP_CWORD": str(position),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stdout.split() == [completion]


def test_completion_that_cannot_be_printed_is_an_error() -> None:
    """As for every other result, with the same status."""
    with Path("/dev/full").open("wb") as full:
        run = subprocess.run(
            [sys.executable, "-m", "dockertls_vault"],
            env={**os.environ, "_DOCKERTLS_VAULT_COMPLETE": "source_bash"},
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert run.returncode == 74
    assert b"cannot write the result to stdout" in run.stderr


def test_only_the_program_itself_installs_completion(capsys: pytest.CaptureFixture[str]) -> None:
    """As an option of a command, it would complete a name that does not exist."""
    for arguments in (["issue", "--help"], ["dev", "--help"], ["auth", "--help"]):
        assert main.run(arguments) == 0
        assert "--install-completion" not in capsys.readouterr().out


_DIGITS = "1" * 5000
_LOST = "~nobody-of-that-name/x"


@pytest.mark.parametrize(
    ("given", "status", "words"),
    [
        (["--ttl", _DIGITS], 2, "--ttl: invalid duration: "),
        (["--timeout", _DIGITS], 2, "--timeout: invalid duration: "),
        (["--ttl", "7"], 2, "--ttl: TTL without a unit: '7'\nhint: write 7d"),
        (["--owner", _DIGITS], 2, "no such user: "),
        (["--dir", "d\udcff", "--timeout", "1\udcffs"], 2, "--timeout: invalid duration: "),
        ({"VAULT_MAX_RETRIES": _DIGITS}, 78, "VAULT_MAX_RETRIES: not a non-negative integer: "),
        ({"VAULT_CLIENT_TIMEOUT": _DIGITS}, 78, "VAULT_CLIENT_TIMEOUT: invalid duration: "),
        ({"VAULT_CLIENT_TIMEOUT": f"-{_DIGITS}"}, 78, "VAULT_CLIENT_TIMEOUT: invalid duration: "),
        ({"VAULT_CACERT": _LOST}, 78, "VAULT_CACERT: home directory not found"),
        (
            {"VAULT_CACERT_BYTES": "-----BEGIN CERTIFICATE-----\udcff-----END CERTIFICATE-----"},
            78,
            "VAULT_CACERT_BYTES: no CA certificate in PEM format",
        ),
        ({"VAULT_TLS_SERVER_NAME": ".foo"}, 78, "VAULT_TLS_SERVER_NAME: invalid host name: "),
        (
            {"VAULT_TLS_SERVER_NAME": "a" * 70},
            78,
            "VAULT_TLS_SERVER_NAME: invalid host name: ",
        ),
        (
            {"VAULT_TLS_SERVER_NAME": "a\udcff"},
            78,
            "VAULT_TLS_SERVER_NAME: invalid host name: ",
        ),
        ({"VAULT_PROXY_ADDR": "http://a b:1"}, 78, "VAULT_PROXY_ADDR: invalid HTTP proxy URL"),
        ({"VAULT_PROXY_ADDR": "http://u:\udcff@p"}, 78, "VAULT_PROXY_ADDR: invalid HTTP proxy URL"),
        ({"HTTPS_PROXY": "http://a b:1"}, 78, "HTTPS_PROXY: invalid HTTP proxy URL"),
        ({"HTTPS_PROXY": "a" * 64}, 78, "HTTPS_PROXY: invalid HTTP proxy URL"),
        ({"HTTPS_PROXY": "http://a\udcff:1"}, 78, "HTTPS_PROXY: invalid HTTP proxy URL"),
        (
            {"ACTIONS_ID_TOKEN_REQUEST_URL": "http://[bad"},
            78,
            "ACTIONS_ID_TOKEN_REQUEST_URL: invalid host or port in the URL: 'http://[bad'",
        ),
    ],
)
def test_invalid_value_is_not_a_traceback(
    given: list[str] | dict[str, str],
    status: int,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Status 2 for a flag and 78 for a variable, and the message names it."""
    flags, environ = (given, {}) if isinstance(given, list) else ([], given)
    environ = {"VAULT_ADDR": "https://vault.invalid", "VAULT_TOKEN": "t", **environ}
    for variable, value in environ.items():
        monkeypatch.setenv(variable, value)
    assert main.run(["issue", "client", "--name", "a", *flags]) == status
    assert capsys.readouterr().err.startswith(f"error: {words}")


@pytest.mark.parametrize(
    "command", [["ca", "init", "--root-ttl", "soon"], ["check", "localhost", "--timeout", "soon"]]
)
def test_error_names_the_flag_of_the_command(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A command may have several durations."""
    assert main.run(command) == 2
    assert capsys.readouterr().err.startswith(f"error: {command[-2]}: invalid duration: 'soon'")


@pytest.mark.parametrize("command", [["issue", "client", "--name", "a"], ["check", "localhost"]])
def test_unknown_home_directory_is_not_a_traceback(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As in a container: no HOME, and no passwd entry."""

    def unknown(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", unknown)
    assert main.run(command) == 2
    words = "error: home directory not found: '~/.docker'\nhint: set HOME"
    assert capsys.readouterr().err.startswith(words)
