"""The dockerd that runs on this host."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dockertls_vault.docker.diagnosis.report import Result
from dockertls_vault.duration import format_time
from dockertls_vault.files import reading
from dockertls_vault.host import processes

from .examination.checks import Check

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockertls_vault.docker.diagnosis.report import CheckResult
    from dockertls_vault.host.processes import Process

NAME = "dockerd"
_PIDFILE = Path("/var/run/docker.pid")
_START = (
    "start it: sudo systemctl start docker; if it fails, see `journalctl --unit=docker.service`"
)
_LONGEST_PID = 20  # bytes


@dataclass(frozen=True)
class Search:
    """The process, and how it was found; ``process`` is None for the reason in ``why``.

    ``remedy`` is what to do about that, if not start it.
    """

    process: Process | None
    why: str
    remedy: str = ""


def find(asked: int | None, main: int | None, pidfile: Path = _PIDFILE) -> Search:
    """Find the process: ``asked``, or else systemd's ``main``, or by its PID file or its name."""
    if asked is not None:
        found = processes.read(asked) if processes.is_named(asked, NAME) else None
        why = "as asked" if found else f"PID {asked} is not a {NAME} of root or this user here"
        return Search(found, why, "leave out --pid, or give the PID of a dockerd")
    for pid, how in _known(main, pidfile):
        if processes.is_named(pid, NAME) and (found := processes.read(pid)):
            return Search(found, how)
    every = [found for pid in processes.named(NAME) if (found := processes.read(pid))]
    here = [found for found in every if not found.in_other_namespaces] or every
    if len(here) > 1:
        listed = ", ".join(str(each.pid) for each in here)
        return Search(None, f"several run here: PID {listed}", "choose one with --pid")
    return Search(here[0], "by its name") if here else Search(None, f"no {NAME} runs on this host")


def judge(search: Search, *, by_systemd: bool) -> CheckResult:
    """Judge whether there is a process that can be examined; ``by_systemd`` is what starts it."""
    process = search.process
    if process is None:
        return Check.PROCESS.found(
            Result.UNREACHABLE,
            search.why,
            remedy=search.remedy or (_START if by_systemd else "start it"),
        )
    shown = f"PID {process.pid} ({search.why}), started at {format_time(process.started)}"
    if process.in_other_namespaces:
        return Check.PROCESS.found(
            Result.UNKNOWN,
            shown,
            "it sees other files or network addresses than this process, as in a container",
            _there(process),
        )
    return Check.PROCESS.found(Result.OK, shown)


def _there(process: Process) -> str:
    """Return how to examine a process in other namespaces; only RootlessKit's have another user."""
    if process.owner == 0:
        return "run `dockertls-vault daemon doctor` there"
    enter = f"nsenter -U --preserve-credentials -m -n -t {process.pid}"
    return f"run this as its user: {enter} dockertls-vault daemon doctor"


def _known(main: int | None, pidfile: Path) -> Iterator[tuple[int, str]]:
    if main:
        yield main, "docker.service"
    try:
        text = reading.read(pidfile)[:_LONGEST_PID].strip()
    except (OSError, ValueError):
        return
    if text.isdigit():
        yield int(text), str(pidfile)
