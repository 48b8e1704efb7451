"""How a command talks to its user: ``-o``, ``-q`` and ``-v``, which one decorator gives."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Concatenate

import typer

from dockertls_vault.errors import DockerTLSError


class Output(StrEnum):
    """How a result is printed."""

    TABLE = "table"
    JSON = "json"


@dataclass(frozen=True)
class Preferences:
    """How to talk to the user."""

    output: Output = Output.TABLE
    quiet: bool = False
    verbose: bool = False


class Failed(Exception):
    """A command failed with ``error``, which its user wants to be told in a certain way."""

    def __init__(self, error: DockerTLSError, preferences: Preferences) -> None:
        super().__init__(error.message)
        self.error = error
        self.preferences = preferences


_OPTIONS = {
    "output": Annotated[
        Output,
        typer.Option("--output", "-o", help="Print a table for people or JSON for programs."),
    ],
    "quiet": Annotated[bool, typer.Option("--quiet", "-q", help="Print no notes on stderr.")],
    "verbose": Annotated[
        bool,
        typer.Option("--verbose", "-v", help="Say on stderr which settings were found, and where."),
    ],
}


def with_preferences(
    *names: str,
) -> Callable[[Callable[Concatenate[Preferences, ...], None]], Callable[..., None]]:
    """Give a command its Preferences first, and those of the options that are named.

    Outermost of the decorators below typer's: whatever the command raises is told accordingly.
    """

    def decorate(command: Callable[Concatenate[Preferences, ...], None]) -> Callable[..., None]:
        @functools.wraps(command)
        def run(**given: Any) -> None:
            preferences = Preferences(**{name: given.pop(name) for name in names})
            try:
                command(preferences, **given)
            except DockerTLSError as error:
                raise Failed(error, preferences) from error

        options = {name: (_OPTIONS[name], getattr(Preferences, name)) for name in names}
        show_options(run, of=command, options=options)
        return run

    return decorate


def show_options(
    run: Callable[..., None], *, of: Callable[..., None], options: dict[str, tuple[Any, object]]
) -> None:
    """Have typer see the parameters of ``of`` without the first, and then ``options``.

    For each option its annotation and its default.
    """
    signature = inspect.signature(of, eval_str=True)
    _, *own = signature.parameters.values()
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        for name, (kind, default) in options.items()
    ]
    run.__signature__ = signature.replace(parameters=[*own, *added])  # type: ignore[attr-defined]  # mypy knows it of classes alone
