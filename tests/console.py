"""The commands in the docs, as a reader would type them, and the output shown below them."""

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
# What differs between runs, machines and releases of dockerd, and what replaces it, in this order.
_CHANGING = {
    r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}": "time",
    r"[0-9A-F]{2}(:[0-9A-F]{2})+": "fingerprint",
    r"\b(\d+[dhms])+": "duration",
    r"(((\d+\.){3}\d+|[\da-f]*::[\da-f:]*)(, )?)+": "addresses",
    r"rejected: tls: .*": "rejected",
    r"Docker \S+, API \S+": "Docker",
}
# Off a terminal, a table has this label on every row instead of the first.
_LABEL = re.compile(r"^files\s", re.MULTILINE)


@dataclass(frozen=True)
class Shown:
    """A command in a page with its continuation lines, below the heading ``section``.

    ``output`` is what the page shows below it; "…" in it stands for anything.
    """

    page: str
    section: str
    text: str
    output: str


def commands(page: str) -> list[Shown]:
    """Return the commands of a page's console blocks."""
    found, section = [], ""
    for piece in _PIECE.finditer(PAGES[page].read_text(encoding="utf-8")):
        if piece["heading"] is not None:
            section = piece["heading"]
            continue
        block = textwrap.dedent(piece["block"]).partition("\n")[2]
        for text in _COPYING.typed(iter(block.splitlines())):
            block = block.partition(text)[2]
            output = re.split(r"^\$ ", block, maxsplit=1, flags=re.MULTILINE)[0]
            found.append(Shown(page, section, text, output))
    return found


def steady(text: str) -> str:
    """Return ``text`` without what differs between runs, machines and releases of dockerd."""
    for changing, name in _CHANGING.items():
        text = re.sub(changing, name, text)
    return text


def not_printed(shown: str, printed: str) -> list[str]:
    """Return the parts of the ``shown`` output, between one "…" and the next, not ``printed``."""
    rest, found = _words(printed), []
    for part in filter(None, map(_words, shown.split("…"))):
        _, there, after = rest.partition(part)
        if there:
            rest = after
        else:
            found.append(part)
    return found


def _words(text: str) -> str:
    return " ".join(steady(_LABEL.sub("", text)).split())
