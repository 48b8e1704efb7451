"""Resolve the settings: a flag wins over the environment, that over a file, that over the default.

schema.py lists the sources of each. Files are TOML; the user's file wins over the system's.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from dockertls_vault.errors import DockerTLSError, InvalidInput, InvalidSetting
from dockertls_vault.files import guarded

from . import places
from .schema import Flag, InFile, Origin, Settings, Source, Variable, sources

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

_USE = guarded.Use(
    "decides where the token is sent",
    f"keep root's settings in {places.SYSTEM_FILE}, and another user's in their own file "
    "(XDG_CONFIG_HOME)",
)
_INTEGER = 63  # bits of an integer in TOML, without the sign
# Keys that users may try to put into a configuration file.
_SECRETS = {"token", "secret_id", "wrapped_secret_id", "password", "jwt"}


def config_files(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Return the files to read if they exist, in order of precedence."""
    return tuple(map(Path, places.config_files(environ)))


def resolve(
    flags: Mapping[str, object],
    environ: Mapping[str, str],
    files: Sequence[Path],
    *,
    names: Collection[str] | None = None,
) -> Settings:
    """Return the settings; ``flags`` holds the flags that were given, by the name of their field.

    With ``names`` only these are resolved, and invalid values of others are ignored.

    An empty variable counts as unset, and an empty ``BAO_X`` also unsets ``VAULT_X``, as in
    OpenBao's command line. Raises InvalidInput for a flag, InvalidSetting for a variable or a
    file; the message names the source of the value.
    """
    tables = [(file, _read(file)) for file in files]
    values: dict[str, Any] = {}
    origins: dict[str, Origin] = {}
    overridden: dict[str, str] = {}
    for name, source in sources().items():
        if names is not None and name not in names:
            continue
        for origin, value in _found(name, source, flags, environ, tables):
            try:
                values[name] = source.parse(value)
            except InvalidInput as error:
                kind = InvalidInput if isinstance(origin, Flag) else InvalidSetting
                raise kind(f"{origin}: {error.message}", hint=error.hint) from None
            origins[name] = origin
            other = f"VAULT_{origin.removeprefix('BAO_')}"
            if origin.startswith("BAO_") and environ.get(other, value) not in ("", value):
                overridden[other] = origin
            break
    named = str(values.get("jwt_variable", ""))
    if "jwt" not in values and environ.get(named):
        values["jwt"], origins["jwt"] = environ[named], Variable(named)
    under_sudo = bool(environ.get("SUDO_USER"))
    return Settings(**values, origins=origins, overridden=overridden, under_sudo=under_sudo)


def _found(
    name: str,
    source: Source,
    flags: Mapping[str, object],
    environ: Mapping[str, str],
    tables: Sequence[tuple[Path, Mapping[str, object]]],
) -> Iterator[tuple[Origin, object]]:
    """Yield each source that has the setting, and its value there, in order of precedence."""
    if name in flags:
        yield Flag(source.flag or name), flags[name]
    for variable in _set(source.variables, environ):
        yield Variable(variable), environ[variable]
    for file, table in tables:
        if source.key is not None and source.key in table:
            yield InFile(f"{file}: {source.key}"), table[source.key]


def _set(variables: Sequence[str], environ: Mapping[str, str]) -> list[str]:
    """Return the variables that are set and not hidden by an empty ``BAO_X``."""
    hidden = {
        variable.replace("BAO_", "VAULT_", 1)
        for variable in variables
        if variable.startswith("BAO_") and environ.get(variable) == ""
    }
    return [variable for variable in variables if environ.get(variable) and variable not in hidden]


def _read(file: Path) -> dict[str, object]:
    """Return the values of a file by ``table.key``; empty if it does not exist."""
    try:
        if not _is_there(file):
            return {}
        content = _toml(guarded.read(file, _USE).decode())
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidSetting(f"{file} cannot be read: {error}") from None
    known = {source.key for source in sources().values() if source.key}
    found = {}
    for table, keys in content.items():
        for key, value in keys.items() if isinstance(keys, dict) else [("", keys)]:
            name = f"{table}.{key}".rstrip(".")
            if name not in known:
                raise _unknown(file, name, known)
            if _is_huge(value):
                raise InvalidSetting(f"{file}: {name}: integer does not fit in 64 bits")
            found[name] = value
    return found


def _is_there(file: Path) -> bool:
    """Tell whether a file exists and is accessible: HOME may belong to another user."""
    try:
        file.stat()
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return False
    return True


def _toml(text: str) -> dict[str, Any]:
    import tomllib  # imported here: few users have such a file

    return tomllib.loads(text)


def _is_huge(value: object) -> bool:
    """Tell whether a value has an integer of more than 64 bits, which tomllib accepts.

    Python refuses to print very large integers.
    """
    if isinstance(value, list | dict):
        return any(map(_is_huge, value.values() if isinstance(value, dict) else value))
    return isinstance(value, int) and value.bit_length() > _INTEGER


def _unknown(file: Path, name: str, known: set[str]) -> DockerTLSError:
    if name.rpartition(".")[2] in _SECRETS:
        return InvalidSetting(
            f"{file}: {name} is a secret, and is not allowed in a configuration file",
            hint="keep it in a separate file with mode 0600 and name that here, or log in (--auth)",
        )
    import difflib  # imported here: only a typo needs it

    close = difflib.get_close_matches(name, known, n=1)
    return InvalidSetting(
        f"{file}: unknown setting: {name}", hint=f"did you mean {close[0]!r}?" if close else ""
    )
