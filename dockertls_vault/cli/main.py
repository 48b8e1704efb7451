"""The entry point: dispatch to a command and turn its errors into messages and exit statuses."""

from __future__ import annotations

import importlib
import os
import sys
import warnings
from collections.abc import Sequence
from typing import Annotated, Any, NoReturn, cast

import typer
from typer.core import TyperCommand, TyperGroup

from dockertls_vault import stop
from dockertls_vault.errors import OutputLost

from . import signals, speech, streams
from .help import examples
from .preferences import Failed, Preferences

# A command's module is imported only when the command runs or is listed in the help.
COMMANDS = {
    "issue": "issue",
    "renew": "renew",
    "needs-renewal": "needs_renewal",
    "rollback": "rollback",
    "status": "status",
    "check": "check",
    "daemon": "daemon",
    "auth": "auth",
    "ca": "ca",
    "dev": "dev",
}
# Flags and commands that people try but that do not exist, and what to use instead.
ALTERNATIVES = {
    (
        "--token",
    ): "a flag would expose the token to every user on this machine: set VAULT_TOKEN or BAO_TOKEN",
    ("issue", "server", "--name"): "use --host for the names of a server",
    ("issue", "client", "--host"): "use --name for the name of a client",
    ("login",): "every command logs in by itself (--auth) or uses the token from `bao login`",
    (
        "revoke",
    ): "Docker reads no CRL: a certificate is accepted until it expires or its CA is removed from "
    "ca.pem",
}
EXIT_USAGE = 2
# The status of any failure of these commands: as ExecCondition=, 255 fails a systemd unit, whereas
# 1 to 254 would silently skip it.
FAILURES = {"needs-renewal": 255}
# Typer's base class for usage errors; its name differs between releases.
_UsageError = cast("type[Exception]", typer.BadParameter.__base__)
EXIT_BUG = 70


class _Commands(TyperGroup):
    """The commands in COMMANDS, each imported on first use."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        # Placeholders: typer only reads their names, to suggest one for a mistyped command.
        self.commands = {name: TyperCommand(name) for name in COMMANDS}

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - the signature of the base, whose types are private
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"{__package__}.{COMMANDS[cmd_name]}")
        command = typer.main.get_command(module.app)
        command.name = cmd_name
        return command


app = typer.Typer(
    cls=_Commands,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples(
        "dockertls-vault dev --domain example.internal",
        "dockertls-vault issue server --help",
    ),
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from dockertls_vault import __version__  # reads the package metadata

        typer.echo(f"dockertls-vault {__version__}")
        raise typer.Exit


@app.callback(no_args_is_help=True)
def program(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Short-lived TLS certificates for Docker daemons and their clients, from Vault or OpenBao."""


def main() -> NoReturn:
    """Run the program with the arguments of this process, and exit with its status.

    Python would take apart each module that it has loaded, which takes as long as two requests to
    Vault; the kernel reclaims the memory anyway. Nothing here relies on ``atexit``.
    """
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # libraries warn about server responses: not for users
    stdout = streams.take_over()
    status = run(sys.argv[1:])
    sys.stdout.flush()
    if stdout.failure is not None and status == 0:
        lost = OutputLost(f"cannot write the result to stdout: {stdout.failure.strerror}")
        speech.failure(lost, Preferences())
        status = lost.exit_status
    sys.stderr.flush()
    os._exit(status)


def _as_options(arguments: Sequence[str]) -> list[str]:
    """Translate ``help [COMMAND…]`` and ``version`` to ``--help`` and ``--version``."""
    match list(arguments):
        case ["help", *command]:
            return [*command, "--help"]
        case ["version"]:
            return ["--version"]
        case others:
            return others


def _suggest_alternatives(arguments: Sequence[str]) -> None:
    """Print hints for flags and commands that do not exist; typer suggests only similar names."""
    given = {argument.partition("=")[0] for argument in arguments}
    for unsupported, alternative in ALTERNATIVES.items():
        if given.issuperset(unsupported):
            speech.say("hint", alternative)


def run(arguments: Sequence[str]) -> int:
    """Run the program with ``arguments``; return its exit status.

    A usage error is reported by typer and returns 2. A signal returns 128 plus its number, unless
    it arrives after the work is done.
    """
    try:
        with signals.terminating() as termination:
            return _run(arguments, termination)
    except Exception:  # noqa: BLE001 - last resort: a bug prints its traceback and has a status
        sys.excepthook(*sys.exc_info())
        return _failed(arguments, EXIT_BUG)


def _failed(arguments: Sequence[str], status: int) -> int:
    """Return the status of a failure that usually has ``status``."""
    return FAILURES.get(arguments[0] if arguments else "", status)


def _run(arguments: Sequence[str], termination: signals.Termination) -> int:
    try:
        status = app(_as_options(arguments), prog_name="dockertls-vault", standalone_mode=False)
    except _UsageError as error:
        speech.usage(error)
        _suggest_alternatives(arguments)
        return _failed(arguments, EXIT_USAGE)
    except SystemExit as done:  # shell completion
        return done.code if isinstance(done.code, int) else 0
    except stop.Stopped:
        return termination.status
    except Failed as failed:
        speech.failure(failed.error, failed.preferences)
        return termination.status or _failed(arguments, failed.error.exit_status)
    return status or 0
