"""The commands in the docs, as a reader would type them."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass

from .programs import ROOT, program

PAGES = {
    str(page.relative_to(ROOT)): page
    for page in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
}
_PIECE = re.compile(
    r"^#+ (?P<heading>[^\n]+)$|^(?P<block>[ ]*```console\n.*?\n)[ ]*```$", re.DOTALL | re.MULTILINE
)
_COPYING = program("copying")


@dataclass(frozen=True)
class Shown:
    """A command in a page with its continuation lines, below the heading ``section``."""

    page: str
    section: str
    text: str


def commands(page: str) -> list[Shown]:
    """Return the commands of a page's console blocks, without their output."""
    found, section = [], ""
    for piece in _PIECE.finditer(PAGES[page].read_text(encoding="utf-8")):
        if piece["heading"] is not None:
            section = piece["heading"]
            continue
        lines = textwrap.dedent(piece["block"]).splitlines()[1:]
        found += [Shown(page, section, text) for text in _COPYING.typed(iter(lines))]
    return found
