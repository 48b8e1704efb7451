"""The files of a set-up on this host, and others, as a change reads them.

One that cannot be read is an error, so that nothing is changed that is not understood.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dockertls_vault.errors import ConfigurationError
from dockertls_vault.files import reading
from dockertls_vault.host import systemd

from . import units

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

_REPLACE = "make it a file that root can read, then try again"


@dataclass(frozen=True)
class Files:
    """The contents of the files that a set-up consists of; None for one that does not exist."""

    daemon_json: bytes | None
    socket: bytes | None
    drop_in: bytes | None


def read(daemon_json: Path, place: Path = systemd.UNITS) -> Files:
    """Return the files as they are; raises ConfigurationError if one cannot be read."""
    return Files(
        daemon_json=content(daemon_json),
        socket=content(place / units.SOCKET),
        drop_in=content(place / units.DROP_IN),
    )


def contents(paths: Iterable[Path]) -> Mapping[Path, bytes | None]:
    """Return the contents of files, None if missing; raises ConfigurationError."""
    return {path: content(path) for path in paths}


def content(path: Path) -> bytes | None:
    """Return the content of a file, None if missing; raises ConfigurationError."""
    try:
        return reading.read(path)
    except FileNotFoundError:
        if path.is_symlink():
            raise ConfigurationError(
                f"{path} is a symbolic link to a file that does not exist", hint="remove the link"
            ) from None
        return None
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be read: {error.strerror}", hint=_REPLACE
        ) from None
    except ValueError as error:
        raise ConfigurationError(f"{path} cannot be used: {error}", hint=_REPLACE) from None
