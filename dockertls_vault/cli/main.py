"""The program: finds the command, runs it, and turns what it raises into words and a status."""

from __future__ import annotations

import gc
import importlib
import sys
import warnings
from collections.abc import Sequence
from typing import Annotated, Any, cast

import typer
from typer.core import TyperCommand, TyperGroup

from dockertls_vault import stop
from dockertls_vault.errors import OutputLost

from . import signals, speech, streams
from .help import examples
from .preferences import Failed, Preferences

# A command's module is imported when the command is called, or named in the help.
COMMANDS = {
    "issue": "issue",
    "rollback": "rollback",
    "check": "check",
    "auth": "auth",
    "ca": "ca",
    "dev": "dev",
}
# What people try that there is not: words that no command line has, and what there is instead.
NOT_THERE = {
    (
        "--token",
    ): "a flag exposes the token to everybody on this machine: set VAULT_TOKEN or BAO_TOKEN",
    ("issue", "server", "--name"): "give the server's names with --host",
    ("issue", "client", "--host"): "give the client's name with --name",
    ("login",): "each command logs in by itself (--auth), or uses the token of `bao login`",
    (
        "revoke",
    ): "Docker reads no CRL: a certificate is accepted until it expires or its CA is removed from "
    "ca.pem",
    ("renew",): "run the same `dockertls-vault issue` again: it replaces the old certificate",
}
EXIT_USAGE = 2
# Under whatever name the release of typer has it.
_UsageError = cast("type[Exception]", typer.BadParameter.__base__)
EXIT_BUG = 70


class _Commands(TyperGroup):
    """The commands of the table above, each imported at its first use."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        # Where a name is mistyped, typer suggests one of these; they do nothing else.
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
        from dockertls_vault import __version__  # which is looked up

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


def main() -> None:
    """Run the program on the arguments of the process, and exit with its status.

    Garbage is not looked for at the very end, where the system takes the memory back anyway.
    """
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # a library's, about what a server sent: not for users
    stdout = streams.take_over()
    status = run(sys.argv[1:])
    if stdout.failure is not None and status == 0:
        lost = OutputLost(f"cannot write the result to stdout: {stdout.failure.strerror}")
        speech.failure(lost, Preferences())
        status = lost.exit_status
    gc.freeze()
    sys.exit(status)


def _in_options(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with ``help [COMMAND…]`` and ``version`` as the options they are for."""
    match list(arguments):
        case ["help", *command]:
            return [*command, "--help"]
        case ["version"]:
            return ["--version"]
        case others:
            return others


def _say_what_is_there_instead(arguments: Sequence[str]) -> None:
    """Add to what typer says, which suggests nothing but what has a similar name."""
    given = {argument.partition("=")[0] for argument in arguments}
    for words, instead in NOT_THERE.items():
        if given.issuperset(words):
            speech.say("hint", instead)


def run(arguments: Sequence[str]) -> int:
    """Run the program on ``arguments``; return its exit status.

    What is wrong with the command line itself, typer says, and ends with 2. A signal ends it with
    128 and its number; one that comes when the work is done comes too late.
    """
    try:
        with signals.heard() as heard:
            return _run(arguments, heard)
    except Exception:  # noqa: BLE001 - the last resort: a bug is shown whole, under its own status
        sys.excepthook(*sys.exc_info())
        return EXIT_BUG


def _run(arguments: Sequence[str], heard: signals.Heard) -> int:
    try:
        status = app(_in_options(arguments), prog_name="dockertls-vault", standalone_mode=False)
    except _UsageError as error:
        speech.usage(error)
        _say_what_is_there_instead(arguments)
        return EXIT_USAGE
    except stop.Stopped:
        return heard.status
    except Failed as failed:
        speech.failure(failed.error, failed.preferences)
        return heard.status or failed.error.exit_status
    return status or 0
