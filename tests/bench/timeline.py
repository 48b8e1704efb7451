"""Where the time of one command goes: importing, waiting for Vault, working on files.

The run with the median time is shown, since only a single run has an order of phases. The table is
in docs/reference/performance.md, from which ``python scripts/draw.py`` draws it.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .contenders import Contender

STOPWATCH = Path(__file__).with_name("stopwatch.py")
REST = "key, CSR, checks, the rest"
# Their names in stopwatch.py.
PHASES = {
    "python": "Python starts",
    "imports": "imports",
    "vault": "requests to Vault",
    "files": "files",
    "end": "Python ends",
}
# Milliseconds: intervals closer than this are merged, and shorter ones left out.
_APART = 3.0
_SHORT = 0.3


@dataclass(frozen=True)
class Run:
    """The time that a command took, and the intervals of each phase, in milliseconds."""

    total: float
    phases: dict[str, list[tuple[float, float]]]


def measured(ours: Contender, rival: Contender, directory: Path, rounds: int) -> str:
    """Run both commands in turn, ours under the stopwatch; return the table."""
    runs, rivals = [], []
    for _ in range(rounds):
        runs.append(timed(ours, directory))
        begun, ended = _spent(rival.command, rival, directory)
        rivals.append((ended - begun) / 1e6)
    median = sorted(runs, key=lambda run: run.total)[rounds // 2]
    return table(median, rounds) + _row(rival.name, [(0.0, statistics.median(rivals))])


def timed(ours: Contender, directory: Path) -> Run:
    """Run our command under the stopwatch."""
    notes = directory / "notes"
    watched = (sys.executable, str(STOPWATCH), str(notes), *ours.command[1:])
    begun, ended = _spent(watched, ours, directory)
    return read(notes.read_text(), begun, ended)


def _spent(command: Sequence[str], contender: Contender, directory: Path) -> tuple[int, int]:
    """Run it in an empty directory; return its start and end in nanoseconds."""
    with tempfile.TemporaryDirectory(dir=directory) as empty:
        begun = time.perf_counter_ns()
        subprocess.run(
            command, env=contender.environment, cwd=empty, capture_output=True, check=True
        )
        return begun, time.perf_counter_ns()


def read(notes: str, begun: int, ended: int) -> Run:
    """Return the intervals that the stopwatch noted; 0 stands for the start or end of the run."""
    phases: dict[str, list[tuple[float, float]]] = {}
    for line in notes.splitlines():
        phase, first, last = line.split()
        piece = (int(first) or begun) - begun, (int(last) or ended) - begun
        phases.setdefault(PHASES[phase], []).append((piece[0] / 1e6, piece[1] / 1e6))
    total = (ended - begun) / 1e6
    watched = union(piece for pieces in phases.values() for piece in pieces)
    edges = [0.0, *(edge for piece in watched for edge in piece), total]
    phases[REST] = list(zip(edges[::2], edges[1::2], strict=True))
    return Run(total, phases)


def union(pieces: Iterable[tuple[float, float]], apart: float = 0.0) -> list[tuple[float, float]]:
    """Return the intervals in order, merged if they overlap or are close together."""
    found: list[tuple[float, float]] = []
    for first, last in sorted(pieces):
        if found and first - found[-1][1] <= apart:
            found[-1] = found[-1][0], max(found[-1][1], last)
        else:
            found.append((first, last))
    return found


def table(run: Run, rounds: int) -> str:
    """Return a row per phase: its total time, and its intervals."""
    *phases, end = PHASES.values()
    rows = [_row(phase, run.phases.get(phase, [])) for phase in (*phases, REST, end)]
    head = f"{f'issue client, the median of {rounds}, in ms':<38}{'takes':>9}  when\n"
    return head + "".join([*rows, _row("issue client", [(0.0, run.total)])])


def _row(name: str, pieces: Sequence[tuple[float, float]]) -> str:
    return f"{name:<38}{_taken(union(pieces)):>9.1f}  {_when(pieces)}\n"


def _taken(pieces: Sequence[tuple[float, float]]) -> float:
    return sum(last - first for first, last in pieces)


def _when(pieces: Sequence[tuple[float, float]]) -> str:
    long = (piece for piece in pieces if piece[1] - piece[0] >= _SHORT)
    return " ".join(f"{first:.1f}-{last:.1f}" for first, last in union(long, _APART))
