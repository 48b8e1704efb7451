"""The unit files that renew the credentials of a host; pure.

``dockertls-renew.timer`` starts ``dockertls-renew.service`` every five minutes, which does nothing
unless something is due. ``dockertls-renew.target`` renews now, due or not: it pulls in
``dockertls-renew-now.service`` and the services that an administrator adds with ``WantedBy=``, and
stops as soon as they are done, so that it can be started again.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from . import unit_origin
from .systemd import quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SERVICE = "dockertls-renew.service"
SERVICE_NOW = "dockertls-renew-now.service"
TIMER = "dockertls-renew.timer"
TARGET = "dockertls-renew.target"
_MARK = unit_origin.mark("renew --install-timer", "put changes into a drop-in.")
# What ProtectHome= and PrivateTmp= hide: systemd.exec(5).
_HOMES = (Path("/home"), Path("/root"), Path("/run/user"))
_TEMPORARY = (Path("/tmp"), Path("/var/tmp"))  # noqa: S108 - not used, only compared with

_SERVICE = """\
{mark}
[Unit]
Description={description}
Documentation=https://github.com/dockertls-vault/dockertls-vault
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
Type=oneshot
{commands}
TimeoutStartSec=1h
# stdout only has a table of what the messages on stderr report.
StandardOutput=null
StandardError=journal

# It writes the list of credentials, and each credential.
StateDirectory=dockertls-vault
ProtectSystem=strict
ProtectHome={home}
PrivateTmp=true
{paths}

# For root to write to directories of other users with their permissions, and to run their hooks.
CapabilityBoundingSet=CAP_CHOWN CAP_DAC_READ_SEARCH CAP_FOWNER CAP_KILL CAP_SETGID CAP_SETUID
NoNewPrivileges=true
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallFilter=@chown @setuid setfsuid setfsgid
SystemCallErrorNumber=EPERM
SystemCallArchitectures=native

# Vault, systemd (a hook restarts Docker), and netlink, which lists this machine's addresses.
RestrictAddressFamilies=AF_INET AF_INET6 AF_NETLINK AF_UNIX

KeyringMode=private
# MemoryDenyWriteExecute= is left out: the check of a daemon needs the callbacks of Python's cffi.
LockPersonality=true
PrivateDevices=true
ProcSubset=pid
ProtectClock=true
ProtectControlGroups=true
ProtectHostname=true
ProtectKernelLogs=true
ProtectKernelModules=true
ProtectKernelTunables=true
ProtectProc=invisible
RemoveIPC=true
RestrictNamespaces=true
RestrictRealtime=true
RestrictSUIDSGID=true
UMask=0077
"""
_TIMER = """\
{mark}
[Unit]
Description=Renew Docker TLS certificates when they are due

[Timer]
OnCalendar=*:0/5
# Spreads a fleet; each host keeps its own delay.
RandomizedDelaySec=5min
FixedRandomDelay=true
Persistent=true

[Install]
WantedBy=timers.target
"""
_TARGET = """\
{mark}
[Unit]
Description=Renew Docker TLS certificates now
Requires={now}
# Not active afterwards, so that it can be started again.
StopWhenUnneeded=true
"""


@dataclass(frozen=True)
class Program:
    """How this program is started, and the ``places`` of its files, which it reads when it runs."""

    command: tuple[str, ...]
    places: tuple[Path, ...]


def texts(program: Program, directories: Iterable[Path]) -> Mapping[str, str]:
    """Return the text of each unit file, by its name.

    ``directories`` are those of the credentials, and of the list of them if it is not the default.
    Raises InvalidInput for a path that a unit file cannot contain.
    """
    written = tuple(directories)
    renew = " ".join(map(quote, (*program.command, "renew")))
    condition = " ".join(map(quote, (*program.command, "needs-renewal")))
    in_homes = any(_is_below(path, _HOMES) for path in (*program.places, *written))
    common = {
        "mark": _MARK,
        "home": "read-only" if in_homes else "true",
        "paths": "\n".join(map(writable, written)),
    }
    return {
        SERVICE: _SERVICE.format(
            description="Renew Docker TLS certificates that are due",
            commands=f"ExecCondition={condition}\nExecStart={renew}",
            **common,
        ),
        SERVICE_NOW: _SERVICE.format(
            description="Renew Docker TLS certificates now",
            commands=f"ExecStart={renew} --force",
            **common,
        ),
        TIMER: _TIMER.format(mark=_MARK),
        TARGET: _TARGET.format(mark=_MARK, now=SERVICE_NOW),
    }


def writable(directory: Path) -> str:
    """Return the line of a service that may write in ``directory``, if that exists."""
    setting = "BindPaths" if is_temporary(directory) else "ReadWritePaths"
    path = str(directory).replace(":", "\\:") if setting == "BindPaths" else str(directory)
    return f"{setting}={quote(f'-{path}')}"


def may_write(service: str, directory: Path) -> bool:
    """Tell whether the service with the text ``service`` may write in ``directory``."""
    lines = set(service.splitlines())
    return any(writable(path) in lines for path in (directory, *directory.parents))


def is_temporary(path: Path) -> bool:
    """Tell whether a service has its own directory in place of this one (PrivateTmp=)."""
    return _is_below(path, _TEMPORARY)


def _is_below(path: Path, places: Iterable[Path]) -> bool:
    return any(path.is_relative_to(place) for place in places)
