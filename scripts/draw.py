"""Draw where a command spends its time, from the figures in docs/reference/performance.md.

``python scripts/draw.py`` updates the drawing; a test fails if it is out of date.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"
PAGE = DOCS / "reference" / "performance.md"
DRAWING = DOCS / "images" / "time.svg"
# Rows as printed by tests/bench/timeline.py; the last two are whole commands, ours and the rival.
_PHASE = re.compile(r"^(\S.*?) {2,}([\d.]+) {2}((?:[\d.]+-[\d.]+ ?)+)$", re.MULTILINE)

WIDTH, MARGIN, ROW, BAR = 520, 16, 46, 14
HEAD = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" \
aria-labelledby="title">
  <title id="title">Time spent by issue client, in ms: {summary}</title>
  <style>
    svg {{ --paper: #f6f8fa; --ink: #1f2328; --track: #d8dee4; --bar: #0969da; --rival: #656d76; }}
    @media (prefers-color-scheme: dark) {{
      svg {{ --paper: #161b22; --ink: #e6edf3; --track: #30363d; --bar: #79c0ff; }}
    }}
    text {{ font: 15px system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; \
fill: var(--ink); }}
    .takes {{ text-anchor: end; }}
    .whole {{ font-weight: 600; }}
    .paper {{ fill: var(--paper); }}
    .track {{ fill: var(--track); }}
    .bar {{ fill: var(--bar); }}
    .rival {{ fill: var(--rival); }}
  </style>
  <rect class="paper" width="{width}" height="{height}" rx="12"/>
"""


@dataclass(frozen=True)
class Row:
    """A phase: its name, duration and intervals, in milliseconds."""

    name: str
    takes: float
    when: tuple[tuple[float, float], ...]


def rows(page: str) -> list[Row]:
    """Parse the figures on the page."""
    return [
        Row(name, float(takes), tuple(_piece(piece) for piece in when.split()))
        for name, takes, when in _PHASE.findall(page)
    ]


def drawn(found: list[Row]) -> str:
    """Return the SVG: each row shows its name and duration, with its intervals below."""
    scale = (WIDTH - 2 * MARGIN) / max(last for row in found for _, last in row.when)
    summary = "; ".join(f"{row.name} {row.takes:.0f}" for row in found)
    height = MARGIN + ROW * len(found)
    parts = [HEAD.format(width=WIDTH, height=height, summary=summary)]
    for top, row in zip(range(MARGIN, height, ROW), found, strict=True):
        whole = " whole" if row in found[-2:] else ""
        bar = "rival" if row is found[-1] else "bar"
        parts.append(
            f'  <text class="name{whole}" x="{MARGIN}" y="{top + 12}">{row.name}</text>\n'
            f'  <text class="takes{whole}" x="{WIDTH - MARGIN}" y="{top + 12}">'
            f"{row.takes:.0f} ms</text>\n"
            f'  <rect class="track" x="{MARGIN}" y="{top + 25}" width="{WIDTH - 2 * MARGIN}" '
            'height="2"/>\n'
        )
        parts += [
            f'  <rect class="{bar}" x="{MARGIN + first * scale:.1f}" y="{top + 19}" '
            f'width="{max((last - first) * scale, 1.5):.1f}" height="{BAR}" rx="1.5"/>\n'
            for first, last in row.when
        ]
    return "".join([*parts, "</svg>\n"])


def _piece(text: str) -> tuple[float, float]:
    first, last = text.split("-")
    return float(first), float(last)


if __name__ == "__main__":
    DRAWING.write_text(drawn(rows(PAGE.read_text(encoding="utf-8"))), encoding="utf-8")
