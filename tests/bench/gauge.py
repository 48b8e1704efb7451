"""The resources of a whole command: wall time, CPU time, memory."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_STARTER = Path(__file__).with_name("starter.py")


class CommandFailed(Exception):
    """A command to be measured failed; the text has its output."""


@dataclass(frozen=True)
class Usage:
    """Wall time and CPU time in seconds, and the MiB of the largest process."""

    wall: float
    cpu: float
    memory: float


class Gauge:
    """Runs commands through the starter."""

    def __init__(self, starter: subprocess.Popen[str], log: Path) -> None:
        self._starter = starter
        self._log = log

    def run(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        directory: Path,
        *,
        expected: int = 0,
    ) -> Usage:
        """Run ``command`` in ``directory``; raises CommandFailed for another exit status."""
        if self._starter.stdin is None or self._starter.stdout is None:
            raise CommandFailed("the starter has no pipes")
        order = [list(command), dict(environment), str(directory), str(self._log)]
        self._starter.stdin.write(json.dumps(order) + "\n")
        self._starter.stdin.flush()
        status, wall, cpu, kibibytes = json.loads(self._starter.stdout.readline())
        if status != expected:
            said = self._log.read_text(errors="replace")
            raise CommandFailed(f"{command} ended with {status}:\n{said}")
        return Usage(wall, cpu, kibibytes / 1024)


@contextmanager
def running_gauge(log: Path) -> Iterator[Gauge]:
    """Run the starter; the output of commands goes to ``log``."""
    with subprocess.Popen(
        [sys.executable, "-I", "-S", str(_STARTER)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as starter:
        yield Gauge(starter, log)
        if starter.stdin is not None:
            starter.stdin.close()


def median(usages: Sequence[Usage]) -> Usage:
    """Return the median of each figure separately."""
    return Usage(
        statistics.median(usage.wall for usage in usages),
        statistics.median(usage.cpu for usage in usages),
        statistics.median(usage.memory for usage in usages),
    )
