"""The options that commands share, which two decorators give.

One gives ``-o``, ``-q``, ``-v`` and the Preferences that follow from them, the other the options of
settings, and the Settings. What they add is in the signature of the command, where typer looks.
"""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Concatenate

import typer

from dockertls_vault.certificate.request import KeyType
from dockertls_vault.credential import layout
from dockertls_vault.duration import format_duration
from dockertls_vault.errors import DockerTLSError, InvalidInput, InvalidSetting
from dockertls_vault.settings import parsers
from dockertls_vault.settings.parsers import Method
from dockertls_vault.settings.schema import Settings, sources

from . import speech
from .help import described
from .preferences import Failed, Output, Preferences

if TYPE_CHECKING:
    from pathlib import Path

# What leads to Vault, and whom it takes us for.
VAULT = ("auth", "namespace", "timeout")


def _methods(incomplete: str) -> list[str]:
    return [method.value for method in Method if method.value.startswith(incomplete)]


def _default(setting: str) -> str:
    value = getattr(Settings(), setting)
    if value is None:
        return ""
    return format_duration(value) if isinstance(value, timedelta) else str(value)


def _of_setting(name: str, metavar: str, kind: Any = str, **attributes: Any) -> Any:
    """Return the option of a setting, as the table of settings describes it."""
    source = sources()[name]
    text = described(source.doc, variables=source.variables, default=_default(name))
    option = typer.Option(source.flag, metavar=metavar, help=text, **attributes)
    return Annotated[kind | None, option]


_PREFERENCES = {
    "output": Annotated[
        Output,
        typer.Option("--output", "-o", help="Print a table or JSON."),
    ],
    "quiet": Annotated[bool, typer.Option("--quiet", "-q", help="Suppress notes on stderr.")],
    "verbose": Annotated[
        bool,
        typer.Option(
            "--verbose",
            "-v",
            help="Report which settings are used, and their origin.",
        ),
    ],
}
_SETTINGS = {
    "mount": _of_setting("mount", "PATH"),
    "trust_mount": _of_setting("trust_mount", "PATH"),
    "server_role": _of_setting("server_role", "NAME"),
    "client_role": _of_setting("client_role", "NAME"),
    "key_type": _of_setting("key_type", "TYPE", KeyType),
    "admin_group": _of_setting("admin_group", "GROUP", list[str]),
    "auth": _of_setting("auth", "METHOD", autocompletion=_methods),
    "namespace": _of_setting("namespace", "PATH"),
    "timeout": _of_setting("timeout", "DURATION"),
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
                with speech.speaking(preferences):
                    command(preferences, **given)
            except DockerTLSError as error:
                raise Failed(error, preferences) from error

        options = {name: (_PREFERENCES[name], getattr(Preferences, name)) for name in names}
        _show_options(run, of=command, options=options)
        return run

    return decorate


def with_settings(
    *names: str, others: bool = True
) -> Callable[[Callable[Concatenate[Settings, ...], None]], Callable[..., None]]:
    """Give a command its Settings first, and the options of those that are named.

    Without ``others`` these alone are looked for, where the command has no use for more.
    """

    def decorate(command: Callable[Concatenate[Settings, ...], None]) -> Callable[..., None]:
        @functools.wraps(command)
        def run(*first: Any, **given: Any) -> None:
            flags = {name: given.pop(name) for name in names}
            if "admin_group" in flags:
                flags["admin_group"] = once("--admin-group", flags["admin_group"])
            command(find_settings(flags, others=others), *first, **given)

        _show_options(run, of=command, options={name: (_SETTINGS[name], None) for name in names})
        return run

    return decorate


def _show_options(
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


def find_settings(flags: Mapping[str, Any], *, others: bool = True) -> Settings:
    """Find the settings by ``flags`` (None: not given), the environment and the files.

    Without ``others`` those that have a flag here alone.
    """
    from dockertls_vault.settings import resolve

    given = {name: value for name, value in flags.items() if value is not None}
    files = resolve.config_files(os.environ)
    found = resolve.resolve(given, os.environ, files, names=None if others else flags.keys())
    if "admin_group" in flags and found.admin_group is not None:
        _refuse_no_group(found.admin_group, found.origins["admin_group"])
    return found


def once(flag: str, values: Sequence[str] | None) -> str | None:
    """Return the value of a flag that could be taken for one to repeat, and is not."""
    if not values:
        return None
    if len(values) > 1:
        raise InvalidInput(f"{flag} is given {len(values)} times", hint="name only one")
    return values[0]


def _refuse_no_group(name: str, origin: str) -> None:
    """Name the flag, the variable or the file that names a group which does not exist."""
    try:
        layout.gid(name)
    except InvalidInput as error:
        kind = InvalidInput if origin == sources()["admin_group"].flag else InvalidSetting
        raise kind(f"{origin}: {error.message}", hint=error.hint) from None


def directory(name: str, text: str) -> Path:
    """Return a directory that was given; empty it would be wherever the shell happens to be."""
    if not text:
        raise InvalidInput(f"an empty {name}", hint="check that the shell variable is set")
    return parsers.path(text)


def parsed(flag: str, parse: Callable[[str], timedelta], text: str) -> timedelta:
    """Return what ``text`` means; where that is nothing, the flag is named, as for a setting."""
    try:
        return parse(text)
    except InvalidInput as error:
        raise InvalidInput(f"{flag}: {error.message}", hint=error.hint) from None
