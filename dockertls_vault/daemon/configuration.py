"""The configuration of a dockerd: its flags, its daemon.json, and the settings that follow.

This is for a diagnosis: of any dockerd here, also one that systemd does not run, and without root.
What it cannot read or understand is a result, not an error as in docker_service.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dockertls_vault.docker import daemon_json, flags
from dockertls_vault.docker.diagnosis.report import Result
from dockertls_vault.errors import ConfigurationError
from dockertls_vault.files import reading

from .examination import settings
from .examination.checks import Check

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dockertls_vault.docker.diagnosis.report import CheckResult
    from dockertls_vault.docker.flags import Flags

    from .examination.settings import Settings


@dataclass(frozen=True)
class Configuration:
    """What a dockerd is started with; ``values`` are those of its daemon.json, ``file``.

    ``written`` is the modification time of that file, 0 if there is none. ``problem`` is why
    dockerd would reject the configuration, ``unknown`` why it cannot be read here.
    """

    flags: Flags
    file: Path
    values: Mapping[str, Any]
    written: float
    settings: Settings
    problem: ConfigurationError | None = None
    unknown: str | None = None


def read(arguments: Sequence[str], environ: Mapping[str, str] | None) -> Configuration:
    """Read the configuration of a dockerd with these ``arguments``; never raises for its content.

    ``environ`` is its environment, None if unknown.
    """
    environ = environ or {}
    given, file, values, written = flags.Flags(), flags.DAEMON_JSON, {}, 0.0
    problem, unknown = None, None
    try:
        given = flags.parse(arguments)
        file = given.daemon_json if given.config_file else _default_file(environ)
        data, status = reading.read_with_status(file)
        written = status.st_mtime
        values = dict(daemon_json.parse(data, str(file)).values)
    except ConfigurationError as error:
        problem = error
    except (FileNotFoundError, NotADirectoryError):
        pass
    except PermissionError:
        unknown = f"needs root: {file}"
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        problem = ConfigurationError(f"{file}: {reason}")
    in_force = settings.in_force(given, values, environ)
    return Configuration(given, file, values, written, in_force, problem, unknown)


def _default_file(environ: Mapping[str, str]) -> Path:
    """Return the daemon.json of a dockerd without --config-file: its user's if it is rootless."""
    if not environ.get("ROOTLESSKIT_STATE_DIR"):
        return flags.DAEMON_JSON
    config = environ.get("XDG_CONFIG_HOME") or Path(environ.get("HOME", "/"), ".config")
    return Path(config, "docker", flags.DAEMON_JSON.name)


def judge(planned: Configuration) -> list[CheckResult]:
    """Judge whether dockerd would start with a configuration."""
    if planned.unknown:
        return [check.skipped(planned.unknown) for check in (Check.CONFIGURATION, Check.CLASH)]
    if planned.problem is not None:
        error = planned.problem
        broken = Check.CONFIGURATION.found(
            Result.ERROR,
            error.message,
            "dockerd does not start with it, or not in every version",
            error.hint.removeprefix(daemon_json.UNCHANGED) or "correct it",
        )
        return [broken, Check.CLASH.skipped("the configuration cannot be read")]
    read = str(planned.file) if planned.written else f"there is no {planned.file}"
    clash = settings.judge_clash(planned.flags, planned.values, planned.file)
    return [Check.CONFIGURATION.found(Result.OK, read), clash]
