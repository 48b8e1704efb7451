"""Default credential directories."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from dockertls_vault.errors import CannotWrite
from dockertls_vault.settings import parsers, places

from . import options

if TYPE_CHECKING:
    from dockertls_vault.settings.schema import Settings

SERVER_DIRECTORY = Path("/etc/docker/tls")
CLIENT_DIRECTORY = Path("~/.docker")


def docker_cli_directory(environ: Mapping[str, str]) -> Path:
    """Return where the docker CLI looks for its certificates, ``~`` not yet expanded."""
    return Path(environ.get("DOCKER_CERT_PATH") or environ.get("DOCKER_CONFIG") or CLIENT_DIRECTORY)


def install_directory(given: str | None, default: Path) -> Path:
    """Return the directory to install into: the value of ``--dir``, or the default.

    Raises CannotWrite if the default is below another user's HOME.
    """
    if given is not None:
        return options.directory("--dir", given)
    directory = parsers.path(str(default))
    if default == CLIENT_DIRECTORY:
        _refuse_foreign_home(directory)
    return directory


def state_directory(settings: Settings, environ: Mapping[str, str]) -> Path:
    """Return the directory that lists the credentials of this host.

    That is the setting, or root's, or the user's by the XDG base directory specification.
    """
    if settings.state_dir is not None:
        return settings.state_dir
    return parsers.path(places.state_directory(environ, os.geteuid()))


def set_up_directory(settings: Settings) -> Path:
    """Return the state directory with the set-up of dockerd, which is root's for every user."""
    return settings.state_dir or Path(places.SYSTEM_STATE)


def hooks_directories(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Return the directories of executables that run after every swap, root's first."""
    return tuple(map(parsers.path, places.hooks_directories(environ, os.geteuid())))


def _refuse_foreign_home(directory: Path) -> None:
    """Refuse a HOME that belongs to another user, as in a container without a passwd entry.

    The preflight would refuse it later, but with a hint to run as root.
    """
    me = os.geteuid()
    nearest = next(step for step in (directory, *directory.parents) if os.path.lexists(step))
    if me in {0, nearest.lstat().st_uid} or os.access(nearest, os.W_OK | os.X_OK):
        return
    raise CannotWrite(
        f"HOME is {directory.parent}, which belongs to another user", hint="set HOME, or use --dir"
    )
