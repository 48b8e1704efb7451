"""systemd on this host: quote values for unit files, and call systemctl."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from dockertls_vault.errors import ConflictingState, InvalidInput, MissingDependency

UNITS = Path("/etc/systemd/system")
# Exists while systemd is the init system: sd_booted(3).
_BOOTED = Path("/run/systemd/system")
_LIMIT = 90.0  # seconds, DefaultTimeoutStartSec of systemd-system.conf(5)


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


def require_running() -> None:
    """Raise MissingDependency if systemd does not run this host."""
    if not _BOOTED.is_dir():
        raise MissingDependency(
            "this host does not run systemd",
            hint="run `dockertls-vault renew` from cron every few minutes, or `dockertls-vault "
            "renew --watch` as a service",
        )


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


def reload() -> None:
    """Have systemd read the unit files again."""
    _systemctl("daemon-reload")


def enable_and_start(unit: str) -> None:
    """Start ``unit`` now and at every boot."""
    _systemctl("enable", "--now", "--", unit)


def _systemctl(*arguments: str) -> str:
    """Run systemctl and return its output; raises ConflictingState if it fails."""
    command = ("systemctl", "--no-ask-password", *arguments)
    try:
        run = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_LIMIT,
            check=False,
        )
    except FileNotFoundError:
        raise MissingDependency("systemctl is not installed") from None
    except subprocess.TimeoutExpired:
        raise ConflictingState(
            f"`{' '.join(command)}` did not end within {_LIMIT:.0f} seconds"
        ) from None
    if run.returncode:
        why = run.stderr.strip() or f"exit status {run.returncode}"
        raise ConflictingState(f"`{' '.join(command)}` failed: {why}")
    return run.stdout
