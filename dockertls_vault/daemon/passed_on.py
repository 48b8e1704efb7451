"""Whether the dockerd that runs was started with what docker.service says.

A script in its ExecStart= may give dockerd another configuration file, and so start it without the
TLS settings of the set-up, on a socket that the set-up has opened.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dockertls_vault.docker import daemon_json, flags
from dockertls_vault.errors import ConfigurationError, ConflictingState
from dockertls_vault.files import reading
from dockertls_vault.host import processes

from . import docker_service, running, sources, units

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path
    from typing import Any

# Seconds by which a file may seem older than it is: the clock of file systems is coarse.
_COARSE = 0.1
_NAMES = ("hosts", *flags.TLS)


@dataclass(frozen=True)
class Started:
    """The ``arguments`` of the dockerd that runs, and when docker.service was started (UTC).

    ``files`` are those that docker.service is made of now.
    """

    arguments: Sequence[str]
    since: datetime
    files: Iterable[Path]

    def is_newer(self, path: Path) -> bool:
        """Tell whether a file has changed since then."""
        try:
            return path.stat().st_ctime > self.since.timestamp() - _COARSE
        except OSError:
            return False


def read() -> Started | None:
    """Return how the dockerd of docker.service was started, None if it cannot be found."""
    main = docker_service.main_pid()
    service, process = processes.read(main), running.find(None, main).process
    if service is None or process is None:
        return None
    if process.pid != main and process.in_other_namespaces:
        return None
    return Started(process.arguments[1:], service.started, sources.paths())


def refuse_changed(started: Started, arguments: Sequence[str]) -> None:
    """Raise ConflictingState if dockerd has other arguments than these of docker.service.

    Not if its files were edited since: the next start has what they say now.
    """
    if any(map(started.is_newer, started.files)):
        return
    if problems := tuple(_changes(started, flags.parse(arguments))):
        raise ConflictingState(
            f"dockerd was started with other arguments than {units.SERVICE} has",
            problems=problems,
            hint="have the script in its ExecStart= pass on its arguments, and no others; or, if "
            f"{units.SERVICE} was edited, restart it; then try again",
        )


def _changes(started: Started, expected: flags.Flags) -> Iterator[str]:
    given = flags.parse(started.arguments)
    file = given.daemon_json
    if file != expected.daemon_json and not _is_copy(file, expected.daemon_json, started):
        yield f"it reads {file} in place of {expected.daemon_json}"
    for name in _NAMES:
        here, there = getattr(given, name), getattr(expected, name)
        if here != there:
            yield f"{name}: {_shown(here)} in place of {_shown(there)}"


def _is_copy(file: Path, of: Path, started: Started) -> bool:
    """Tell whether it is the same file, or was copied from it at the start, as at the next one."""
    if file.resolve() == of.resolve():
        return True
    return started.is_newer(file) and _values(file) == _values(of) is not None


def _values(path: Path) -> Mapping[str, Any] | None:
    """Return the settings in a file, none if it is missing, and None if it cannot be read."""
    try:
        return daemon_json.parse(reading.read(path), str(path)).values
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, ConfigurationError):
        return None


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return " ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)
