"""What a whole command uses: time on the clock, time of the CPU, memory."""

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
    """A command that was to be measured did not do its work; the text holds what it said."""


@dataclass(frozen=True)
class Usage:
    """Seconds on the clock and of the CPU, and the MiB of the largest process."""

    wall: float
    cpu: float
    memory: float


class Gauge:
    """Runs commands by the starter."""

    def __init__(self, starter: subprocess.Popen[str], log: Path) -> None:
        self._starter = starter
        self._log = log

    def run(self, command: Sequence[str], environment: Mapping[str, str], directory: Path) -> Usage:
        """Run ``command`` in ``directory``; raises CommandFailed if it never expires with 0."""
        if self._starter.stdin is None or self._starter.stdout is None:
            raise CommandFailed("nothing listens")
        order = [list(command), dict(environment), str(directory), str(self._log)]
        self._starter.stdin.write(json.dumps(order) + "\n")
        self._starter.stdin.flush()
        status, wall, cpu, kibibytes = json.loads(self._starter.stdout.readline())
        if status != 0:
            said = self._log.read_text(errors="replace")
            raise CommandFailed(f"{command} ended with {status}:\n{said}")
        return Usage(wall, cpu, kibibytes / 1024)


@contextmanager
def running_gauge(log: Path) -> Iterator[Gauge]:
    """Run the starter; what the commands print goes to ``log``."""
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
    """Return the median of each figure by itself."""
    return Usage(
        statistics.median(usage.wall for usage in usages),
        statistics.median(usage.cpu for usage in usages),
        statistics.median(usage.memory for usage in usages),
    )
