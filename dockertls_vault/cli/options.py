"""The options that commands share, and the settings that follow from them."""

from __future__ import annotations

import os
import sys
import termios
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dockertls_vault import stop
from dockertls_vault.ca import policy
from dockertls_vault.credential import layout
from dockertls_vault.duration import format_duration
from dockertls_vault.errors import InvalidInput, InvalidSetting, NoToken, PolicyDenied
from dockertls_vault.settings import parsers
from dockertls_vault.settings.parsers import Method
from dockertls_vault.settings.schema import Settings, sources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from typer.models import OptionInfo

    from dockertls_vault.ca.policy import Person
    from dockertls_vault.vault.session import Session


_VAULT = (
    "The address of Vault is in VAULT_ADDR or BAO_ADDR, and a token in VAULT_TOKEN, BAO_TOKEN or "
    "~/.vault-token; --auth logs in instead."
)


# What streams.py has Python put in the place of bytes that are no text.
_REPLACED = "\ufffd"


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
    ctx.find_object(Preferences).output = value  # type: ignore[union-attr]  # set in main.run
    return value


def _remember_quiet(ctx: typer.Context, value: bool) -> bool:
    ctx.find_object(Preferences).quiet = value  # type: ignore[union-attr]  # set in main.run
    return value


def _remember_verbose(ctx: typer.Context, value: bool) -> bool:
    ctx.find_object(Preferences).verbose = value  # type: ignore[union-attr]  # set in main.run
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


def described(text: str, *, variables: Sequence[str] = (), default: str = "") -> str:
    """Return the help of an option: what it is, its variables and its default, as click has it."""
    told = [f"env var: {', '.join(variables)}"] if variables else []
    told += [f"default: {default}"] if default else []
    return f"{text}  [{'; '.join(told)}]" if told else text


def of_setting(name: str, metavar: str, **attributes: Any) -> OptionInfo:
    """Return the option of a setting, as the table of settings describes it."""
    source = sources()[name]
    if source.flag is None:
        raise ValueError(f"the setting {name!r} has no flag")
    text = described(source.doc, variables=source.variables, default=_default(name))
    option: OptionInfo = typer.Option(source.flag, metavar=metavar, help=text, **attributes)
    return option


def _default(setting: str) -> str:
    value = getattr(Settings(), setting)
    if value is None:
        return ""
    return format_duration(value) if isinstance(value, timedelta) else str(value)


def _methods(incomplete: str) -> list[str]:
    return [method.value for method in Method if method.value.startswith(incomplete)]


MountOption = Annotated[str | None, of_setting("mount", "PATH")]
TrustMountOption = Annotated[str | None, of_setting("trust_mount", "PATH")]
TimeoutOption = Annotated[str | None, of_setting("timeout", "DURATION")]
AuthOption = Annotated[str | None, of_setting("auth", "METHOD", autocompletion=_methods)]
NamespaceOption = Annotated[str | None, of_setting("namespace", "PATH")]
AdminGroupOption = Annotated[str | None, of_setting("admin_group", "GROUP")]


def commands(text: str) -> typer.Typer:
    """Return a group of commands with ``text`` as its help."""
    return typer.Typer(help=text, rich_markup_mode=None, no_args_is_help=True, add_completion=False)


def examples(*lines: str) -> str:
    """Return the end of a command's help; click leaves what follows its mark as it is."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def of_vault(*lines: str) -> str:
    """Return the end of the help of a command that talks to Vault: where that is, and examples."""
    return f"{_VAULT}\n\n{examples(*lines)}"


def directory(name: str, text: str) -> Path:
    """Return a directory that was given; empty it would be wherever the shell happens to be."""
    if not text:
        raise InvalidInput(f"an empty {name}", hint="is a variable of the shell not set?")
    return parsers.path(text)


def parsed(flag: str, parse: Callable[[str], timedelta], text: str) -> timedelta:
    """Return what ``text`` means; where that is nothing, the flag is named, as by resolve.py."""
    try:
        return parse(text)
    except InvalidInput as error:
        raise InvalidInput(f"{flag}: {error.message}", hint=error.hint) from None


def settings(**flags: object) -> Settings:
    """Resolve the settings from ``flags`` (None: not given), the environment and the files."""
    from dockertls_vault.settings import resolve

    given = {name: value for name, value in flags.items() if value is not None}
    found = resolve.resolve(given, os.environ, resolve.config_files(os.environ))
    if "admin_group" in flags and found.admin_group is not None:
        _refuse_no_group(found.admin_group, found.origins["admin_group"])
    return found


def _refuse_no_group(name: str, origin: str) -> None:
    """Name the flag, the variable or the file that names a group which does not exist."""
    try:
        layout.group(name)
    except InvalidInput as error:
        kind = InvalidInput if origin == sources()["admin_group"].flag else InvalidSetting
        raise kind(f"{origin}: {error.message}", hint=error.hint) from None


def session(settings: Settings, preferences: Preferences) -> Session:
    """Open the session with Vault; what it has to say goes to stderr."""
    from dockertls_vault.vault.session import open_session

    from . import render

    for variable, winner in settings.outvoted.items():
        render.note(
            f"{winner} wins over {variable}, which differs (unset {winner} to use that)",
            preferences,
        )
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


@contextmanager
def needing(person: Person, mount: str, role: str) -> Iterator[None]:
    """Where the token's policies lack something, point to a policy that lacks nothing.

    One line for a path would let the next one be found out by the next failure.
    """
    try:
        yield
    except PolicyDenied as denied:
        if denied.by_policy:
            writing = policy.command(person, mount, role)
            denied.hint = f"`{writing}` writes a policy with all that this command needs"
        raise


def _ignore(_text: str) -> None:
    """Say nothing: ``--verbose`` was not given."""


def _password(prompt: str) -> str:
    """Ask for a password on the terminal, which does not show it; the prompt goes to stderr.

    Unlike getpass's, the wait for it ends with a signal whose handler raises nothing.
    """
    from . import render

    try:
        with _unseen(sys.stdin.fileno()):
            render.prompt(prompt)
            typed = stop.readline(sys.stdin)
    finally:
        sys.stderr.write("\n")
    if not typed or _REPLACED in typed:  # Ctrl-D; bytes that are no text
        raise NoToken("no password was typed", hint="type it, or log in by --auth METHOD")
    return typed.removesuffix("\n")


@contextmanager
def _unseen(terminal: int) -> Iterator[None]:
    """Have the terminal show nothing of what is typed."""
    before = termios.tcgetattr(terminal)
    local_modes = before[3]
    try:
        termios.tcsetattr(
            terminal, termios.TCSAFLUSH, [*before[:3], local_modes & ~termios.ECHO, *before[4:]]
        )
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSAFLUSH, before)
