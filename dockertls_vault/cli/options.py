"""The options that commands share, and the settings that follow from them."""

from __future__ import annotations

import getpass
import os
import sys
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from dockertls_vault.config import Settings
    from dockertls_vault.vault.session import Session


class Output(StrEnum):
    """How a result is printed."""

    TABLE = "table"
    JSON = "json"


@dataclass
class Preferences:
    """How to talk to the user; filled in while the command line is read."""

    output: Output = Output.TABLE
    quiet: bool = False
    verbose: bool = False


def _remember_output(ctx: typer.Context, value: Output) -> Output:
    ctx.find_object(Preferences).output = value  # type: ignore[union-attr]  # set in app.run
    return value


def _remember_quiet(ctx: typer.Context, value: bool) -> bool:
    ctx.find_object(Preferences).quiet = value  # type: ignore[union-attr]  # set in app.run
    return value


def _remember_verbose(ctx: typer.Context, value: bool) -> bool:
    ctx.find_object(Preferences).verbose = value  # type: ignore[union-attr]  # set in app.run
    return value


OutputOption = Annotated[
    Output,
    typer.Option(
        "--output",
        "-o",
        is_eager=True,
        callback=_remember_output,
        help="Print a table for people or JSON for programs.",
    ),
]
QuietOption = Annotated[
    bool,
    typer.Option(
        "--quiet", "-q", is_eager=True, callback=_remember_quiet, help="Print no notes on stderr."
    ),
]
VerboseOption = Annotated[
    bool,
    typer.Option(
        "--verbose",
        "-v",
        is_eager=True,
        callback=_remember_verbose,
        help="Say on stderr which settings were found, and where.",
    ),
]
MountOption = Annotated[
    str | None, typer.Option("--mount", metavar="PATH", help="The PKI mount in Vault.")
]
TrustMountOption = Annotated[
    str | None,
    typer.Option(
        "--trust-mount",
        metavar="PATH",
        help="The mount whose roots go into ca.pem, where it is not the one that signs.",
    ),
]
TimeoutOption = Annotated[
    str | None,
    typer.Option("--timeout", metavar="DURATION", help="How long to try to reach Vault, in all."),
]
AuthOption = Annotated[
    str | None,
    typer.Option("--auth", metavar="METHOD", help="How to log in to Vault; found out by default."),
]
NamespaceOption = Annotated[
    str | None, typer.Option("--namespace", metavar="PATH", help="The namespace in Vault.")
]


def commands(text: str) -> typer.Typer:
    """Return a group of commands, or the place for one, with ``text`` as its help."""
    return typer.Typer(help=text, rich_markup_mode=None, no_args_is_help=True, add_completion=False)


def settings(**flags: object) -> Settings:
    """Resolve the settings from ``flags`` (None: not given), the environment and the files."""
    from dockertls_vault import config

    given = {name: value for name, value in flags.items() if value is not None}
    return config.resolve(given, os.environ, config.config_files(os.environ))


def session(settings: Settings, preferences: Preferences) -> Session:
    """Open the session with Vault; what it has to say goes to stderr."""
    from dockertls_vault.vault.session import open_session

    from . import render

    if preferences.verbose:
        for name, origin in settings.origins.items():
            render.note(f"{name}: from {origin}", preferences)
    return open_session(
        settings,
        say=render.warn,
        explain=(lambda text: render.note(text, preferences)) if preferences.verbose else _ignore,
        waiting=render.waiting(preferences),
        ask=_password if sys.stdin.isatty() else None,
    )


def _ignore(_text: str) -> None:
    """Say nothing: ``--verbose`` was not given."""


def _password(prompt: str) -> str:
    """Ask for a password on the terminal, which does not show it; the prompt goes to stderr."""
    return getpass.getpass(f"{prompt}: ", stream=sys.stderr)
