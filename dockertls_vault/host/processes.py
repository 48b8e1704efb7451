"""Processes as /proc shows them (proc(5)): those of a name, and what one of them was started with.

Anybody can read most of it. A program can choose its own name and arguments, so only processes of
root and of this user count.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from dockertls_vault.files import reading

if TYPE_CHECKING:
    from collections.abc import Mapping

_PROC = Path("/proc")
# The position of starttime in /proc/PID/stat, counted from the state, which follows the name.
_START = 19
# A process in another of these has other files, or other addresses, than this one.
_NAMESPACES = ("mnt", "net")


@dataclass(frozen=True)
class Process:
    """A process of the user ``owner``: its arguments, and when it started (UTC).

    ``environ`` is None if only root may read it. ``in_other_namespaces`` is whether it sees other
    files or addresses than this process, as in a container, as far as that can be read.
    """

    pid: int
    owner: int
    arguments: tuple[str, ...]
    started: datetime
    environ: Mapping[str, str] | None
    in_other_namespaces: bool


def named(name: str) -> tuple[int, ...]:
    """Return the PIDs of the processes with this name that root or this user runs here."""
    pids = sorted(int(entry.name) for entry in _PROC.iterdir() if entry.name.isdecimal())
    return tuple(pid for pid in pids if is_named(pid, name))


def is_named(pid: int, name: str) -> bool:
    """Tell whether a process has this name, is root's or this user's, and runs in no container."""
    try:
        status = _status(pid)
    except (OSError, ValueError):
        return False
    owner = status.get("Uid", "").split()
    # Of a process in a container, NSpid also has its PID there.
    is_here = len(status.get("NSpid", "").split()) <= 1
    return status.get("Name") == name and is_here and owner[:1] in (["0"], [str(os.geteuid())])


def read(pid: int) -> Process | None:
    """Return what is known of a process, None if it ended."""
    folder = _PROC / str(pid)
    try:
        owner = folder.stat().st_uid
        arguments = _words(reading.read(folder / "cmdline"))
        ticks = int(reading.read(folder / "stat").rpartition(b")")[2].split()[_START])
    except (OSError, ValueError, IndexError):
        return None
    environ = None
    with suppress(OSError, ValueError):
        found = (word.partition("=") for word in _words(reading.read(folder / "environ")))
        environ = {name: value for name, _, value in found}
    booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    started = datetime.fromtimestamp(booted + ticks / os.sysconf("SC_CLK_TCK"), UTC)
    return Process(pid, owner, arguments, started, environ, _in_other_namespaces(folder))


def _in_other_namespaces(folder: Path) -> bool:
    ours = _PROC / "self"
    with suppress(OSError):
        return any(
            (folder / "ns" / each).readlink() != (ours / "ns" / each).readlink()
            for each in _NAMESPACES
        )
    return False


def _status(pid: int) -> dict[str, str]:
    text = reading.read(_PROC / str(pid) / "status").decode(errors="replace")
    pairs = (line.partition(":") for line in text.splitlines())
    return {name: value.strip() for name, _, value in pairs}


def _words(data: bytes) -> tuple[str, ...]:
    return tuple(os.fsdecode(data).removesuffix("\0").split("\0")) if data else ()
