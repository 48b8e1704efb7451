"""systemd on this host: quote values for unit files, and call systemctl."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dockertls_vault.errors import ConflictingState, InvalidInput, MissingDependency

from . import program

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

UNITS = Path("/etc/systemd/system")
# Exists while systemd is the init system: sd_booted(3).
_BOOTED = Path("/run/systemd/system")
_LIMIT = 90.0  # seconds, DefaultTimeoutStartSec of systemd-system.conf(5)
PATIENCE = 600.0  # seconds: docker.service has no limit of its own, and may have many containers
# ActiveState= of a service that runs, or is starting.
RUNNING = frozenset({"active", "activating", "reloading"})
_MANAGER = "org.freedesktop.systemd1"
_UNITS_OF_MANAGER = "/org/freedesktop/systemd1/unit"
_NOT_IN_A_PATH = re.compile(r"[^A-Za-z0-9]")


@dataclass(frozen=True)
class UnitState:
    """The state of a unit; ``stale`` if its files have changed since systemd loaded them."""

    enabled: bool
    active: bool
    stale: bool


def quote(text: str) -> str:
    """Quote a word of a unit file: systemd.syntax(7), "Quoting"; systemd.unit(5), "Specifiers".

    Raises InvalidInput for text with line breaks or other control characters.
    """
    if not text.isprintable():
        raise InvalidInput(
            f"{text!r} has characters that a unit file cannot contain", hint="use another path"
        )
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"' if set(text) & set(" '\"\\;#") else escaped


def is_running() -> bool:
    """Tell whether systemd runs this host."""
    return _BOOTED.is_dir()


def require_running(*, instead: str) -> None:
    """Raise MissingDependency if systemd does not run this host; ``instead`` is its hint."""
    if not is_running():
        raise MissingDependency("this host does not run systemd", hint=instead)


def state(unit: str) -> UnitState:
    """Return the state of ``unit``, which need not exist."""
    shown = _systemctl(
        "show", "--property=UnitFileState,ActiveState,NeedDaemonReload", "--", unit
    ).splitlines()
    found = dict(line.split("=", 1) for line in shown)
    return UnitState(
        enabled=found["UnitFileState"] == "enabled",
        active=found["ActiveState"] in {"active", "activating"},
        stale=found["NeedDaemonReload"] == "yes",
    )


def properties(unit: str, interface: str, *names: str, limit: float = _LIMIT) -> tuple[Any, ...]:
    """Return properties of ``unit``, which need not exist, as org.freedesktop.systemd1(5) has them.

    ``systemctl show`` would print a command without its quotes. ``limit`` is in seconds.
    """
    escaped = _NOT_IN_A_PATH.sub(lambda found: f"_{ord(found[0]):02x}", unit)
    where = (_MANAGER, f"{_UNITS_OF_MANAGER}/{escaped}", f"{_MANAGER}.{interface}")
    printed = _call("busctl", "--json=short", "get-property", *where, *names, limit=limit)
    return tuple(json.loads(line)["data"] for line in printed.splitlines())


def restart(unit: str) -> None:
    """Restart ``unit``, or start it, whatever its start limit (StartLimitBurst=) says.

    systemd does all of it, even if this process ends.
    """
    reset_failed(unit)
    _systemctl("restart", "--", unit, limit=PATIENCE)


def try_restart(unit: str, limit: float) -> None:
    """Have systemd restart ``unit`` as ``restart`` does, but only if it is running, or starting.

    It is not waited for: until systemd has done that, the unit has a job. ``limit`` is in seconds,
    for each answer of systemd. Raises ConflictingState if it does not accept that.
    """
    reset_failed(unit, limit)
    _systemctl("--no-block", "try-restart", "--", unit, limit=limit)


def has_job(unit: str, limit: float) -> bool:
    """Tell whether systemd is about to start or stop ``unit``, or waits until that is done.

    ``limit`` is in seconds.
    """
    ((number, _),) = properties(unit, "Unit", "Job", limit=limit)
    return bool(number)


def stop(unit: str) -> None:
    """Stop ``unit``, if it is running."""
    _systemctl("stop", "--", unit)


def run(
    unit: str, properties: Mapping[str, str], command: Sequence[str], limit: float = _LIMIT
) -> None:
    """Start ``command`` as the transient ``unit``, and wait until it has started.

    One with Type=oneshot has started once it has ended; it does so even if this process ends.
    ``limit`` is in seconds. Raises ConflictingState if it does not start, or not in time.
    """
    options = [f"--property={name}={value}" for name, value in properties.items()]
    started = ("systemd-run", f"--unit={unit}")
    others = ("--quiet", "--collect", *options, "--", *command)
    _call(*started, *others, limit=limit, name=" ".join(started))


def reset_failed(unit: str, limit: float = _LIMIT) -> None:
    """Have systemd forget that ``unit`` has failed, and how often it was started."""
    _systemctl("reset-failed", "--", unit, limit=limit)


def hang_up(unit: str) -> None:
    """Send SIGHUP to the main process of ``unit``."""
    _systemctl("kill", "--kill-who=main", "--signal=HUP", "--", unit)


def invocation(unit: str, limit: float = _LIMIT) -> str | None:
    """Return the ID of a unit's present run, None if it is not running."""
    shown = _systemctl("show", "--property=InvocationID", "--value", "--", unit, limit=limit)
    return shown.strip() or None


def reload() -> None:
    """Have systemd read the unit files again."""
    _systemctl("daemon-reload")


def enable_and_start(unit: str) -> None:
    """Start ``unit`` now and at every boot."""
    _systemctl("enable", "--now", "--", unit)


def _systemctl(*arguments: str, limit: float = _LIMIT) -> str:
    """Run systemctl and return its output; raises ConflictingState if it fails."""
    return _call("systemctl", "--no-ask-password", *arguments, limit=limit)


def _call(*command: str, limit: float = _LIMIT, name: str = "") -> str:
    """Run a command, which errors call by its ``name``, and return its output."""
    name = name or " ".join(command)
    try:
        run = program.run(command, limit)
    except FileNotFoundError:
        raise MissingDependency(f"{command[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise ConflictingState(
            f"`{name}` did not end within {limit:.0f} seconds",
            hint="see what systemd is waiting for: systemctl list-jobs",
        ) from None
    if run.returncode:
        why = run.stderr.strip() or f"exit status {run.returncode}"
        raise ConflictingState(f"`{name}` failed: {why}")
    return run.stdout
