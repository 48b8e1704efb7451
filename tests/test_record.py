"""The recorded terminal session of the docs shows the current output."""

from __future__ import annotations

import html
import re
import subprocess
import sys
from typing import TYPE_CHECKING

from . import console
from .harness.dockerd import find_dockerd
from .programs import ROOT

if TYPE_CHECKING:
    from pathlib import Path

SESSION = ROOT / "docs" / "images" / "session.svg"
_TEXT = re.compile(r'<text class="session-[^"]*" x="[^"]*" y="([^"]*)"[^>]*>([^<]*)</text>')


def _shown(drawing: Path) -> list[str]:
    """Return the lines of a session, without what differs from run to run."""
    lines: dict[str, str] = {}
    for line, text in _TEXT.findall(drawing.read_text(encoding="utf-8")):
        lines[line] = lines.get(line, "") + html.unescape(text).replace("\N{NO-BREAK SPACE}", " ")
    return [console.steady(line).rstrip() for line in lines.values()]


def test_recorded_session_matches_the_output(tmp_path: Path) -> None:
    """`python scripts/record.py`, as root with dockerd and OpenBao, records it again."""
    find_dockerd()
    anew = tmp_path / "session.svg"
    subprocess.run([sys.executable, ROOT / "scripts" / "record.py", anew], check=True)
    shown = _shown(anew)
    assert "$ dockertls-vault check tcp://docker1.example.internal:2376" in shown
    assert shown == _shown(SESSION)
