"""Options shared by several commands, added by two decorators.

``with_preferences`` adds ``-o``, ``-q`` and ``-v`` and passes the resulting Preferences;
``with_settings`` adds the flags of settings and passes the Settings. Both extend the command's
signature, from which typer builds its options.
"""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, TypeVar

import typer

from dockertls_vault.certificate.request import KeyType
from dockertls_vault.credential import layout
from dockertls_vault.duration import format_duration
from dockertls_vault.errors import DockerTLSError, InvalidInput, InvalidSetting
from dockertls_vault.settings import parsers
from dockertls_vault.settings.method import Method
from dockertls_vault.settings.schema import Flag, Settings, sources

from . import speech
from .help import described
from .preferences import Failed, Output, Preferences

if TYPE_CHECKING:
    from pathlib import Path

    from dockertls_vault.settings.schema import Origin

Parsed = TypeVar("Parsed")

# The settings that every command that talks to Vault has a flag for.
VAULT = ("auth", "namespace", "timeout")


def _methods(incomplete: str) -> list[str]:
    return [method.value for method in Method if method.value.startswith(incomplete)]


def _default(setting: str) -> str:
    value = getattr(Settings(), setting)
    if value is None:
        return ""
    return format_duration(value) if isinstance(value, timedelta) else str(value)


def _setting_option(name: str, metavar: str, kind: Any = str, **attributes: Any) -> Any:
    """Return the option of a setting, with its help from the settings table."""
    source = sources()[name]
    text = described(source.doc, variables=source.variables, default=_default(name))
    option = typer.Option(source.flag, metavar=metavar, help=text, **attributes)
    return Annotated[kind | None, option]


Directories = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[DIR]...",
        help="The directories of the credentials; by default, all that are known on this host.",
    ),
]
_PREFERENCES = {
    "output": Annotated[
        Output,
        typer.Option("--output", "-o", help="The output format."),
    ],
    "quiet": Annotated[
        bool, typer.Option("--quiet", "-q", help="Suppress informational messages on stderr.")
    ],
    "verbose": Annotated[
        bool,
        typer.Option(
            "--verbose", "-v", help="Show where each setting that is not the default comes from."
        ),
    ],
}
_SETTINGS = {
    "mount": _setting_option("mount", "PATH"),
    "trust_mount": _setting_option("trust_mount", "PATH"),
    "server_role": _setting_option("server_role", "NAME"),
    "client_role": _setting_option("client_role", "NAME"),
    "key_type": _setting_option("key_type", "TYPE", KeyType),
    "admin_group": _setting_option("admin_group", "GROUP", list[str]),
    "auth": _setting_option("auth", "METHOD", autocompletion=_methods),
    "namespace": _setting_option("namespace", "PATH"),
    "timeout": _setting_option("timeout", "DURATION"),
}


def with_preferences(
    *names: str,
) -> Callable[[Callable[Concatenate[Preferences, ...], None]], Callable[..., None]]:
    """Add the named output options to a command, and pass its Preferences as first argument.

    Apply it directly below typer's decorator: an error raised by the inner decorators or the
    command is then reported according to these preferences.
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
    *names: str, others: Sequence[str] | None = None
) -> Callable[[Callable[Concatenate[Settings, ...], None]], Callable[..., None]]:
    """Add the flags of the named settings to a command, and pass its Settings as first argument.

    Of the other settings only ``others`` are resolved, or all if that is None.
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
    """Show typer the parameters of ``of`` except the first, followed by ``options``.

    ``options`` maps each name to its annotation and default.
    """
    signature = inspect.signature(of, eval_str=True)
    _, *own = signature.parameters.values()
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        for name, (kind, default) in options.items()
    ]
    run.__signature__ = signature.replace(parameters=[*own, *added])  # type: ignore[attr-defined]  # mypy knows it only on classes


def find_settings(flags: Mapping[str, Any], *, others: Sequence[str] | None = None) -> Settings:
    """Resolve the settings from ``flags`` (None: not given), the environment and the config files.

    Of the settings that are not in ``flags`` only ``others`` are resolved, or all if that is None.
    """
    from dockertls_vault.settings import resolve

    given = {name: value for name, value in flags.items() if value is not None}
    files = resolve.config_files(os.environ)
    names = None if others is None else {*flags, *others}
    found = resolve.resolve(given, os.environ, files, names=names)
    if "admin_group" in flags and found.admin_group is not None:
        _refuse_unknown_group(found.admin_group, found.origins["admin_group"])
    return found


def once(flag: str, values: Sequence[str] | None) -> str | None:
    """Return the value of a flag; raises InvalidInput if it was repeated.

    Click would silently use the last one, but a user could expect all of them to apply.
    """
    if not values:
        return None
    if len(values) > 1:
        raise InvalidInput(f"{flag} was given {len(values)} times", hint="use it only once")
    return values[0]


def _refuse_unknown_group(name: str, origin: Origin) -> None:
    """Raise an error that names the flag, variable or file with the nonexistent group."""
    try:
        layout.gid(name)
    except InvalidInput as error:
        kind = InvalidInput if isinstance(origin, Flag) else InvalidSetting
        raise kind(f"{origin}: {error.message}", hint=error.hint) from None


def directory(name: str, text: str) -> Path:
    """Return the directory ``text``; raises InvalidInput if empty, which would mean the cwd."""
    if not text:
        raise InvalidInput(f"empty value for {name}", hint="check that the shell variable is set")
    return parsers.path(text)


def parsed(flag: str, parse: Callable[[str], Parsed], text: str) -> Parsed:
    """Parse ``text``; prefix the message of InvalidInput with the flag, as for a setting."""
    try:
        return parse(text)
    except InvalidInput as error:
        raise InvalidInput(f"{flag}: {error.message}", hint=error.hint) from None
