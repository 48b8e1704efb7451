"""The timeline of a command: the stopwatch sees every phase, and the drawing is current."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from .bench import timeline
from .bench.contenders import contenders
from .programs import program

if TYPE_CHECKING:
    from pathlib import Path

    from .harness.openbao import DevVault


def test_drawing_matches_the_table() -> None:
    """`python scripts/draw.py` updates the drawing."""
    draw = program("draw")
    rows = draw.rows(draw.PAGE.read_text(encoding="utf-8"))
    phases = [*timeline.PHASES.values()]
    assert [row.name for row in rows] == [
        *phases[:-1],
        timeline.REST,
        phases[-1],
        "issue client",
        "bao write, jq, chmod",
    ]
    assert draw.DRAWING.read_text(encoding="utf-8") == draw.drawn(rows)


def test_every_phase_of_a_command_is_measured(prepared: DevVault, tmp_path: Path) -> None:
    """Imports, requests to Vault and writes, all within the time of the command."""
    ours = contenders(prepared, os.environ["PATH"], tmp_path)[0]
    run = timeline.timed(ours, tmp_path)
    assert set(run.phases) == {*timeline.PHASES.values(), timeline.REST}
    pieces = timeline.union(piece for found in run.phases.values() for piece in found)
    assert pieces == [(0.0, run.total)]
