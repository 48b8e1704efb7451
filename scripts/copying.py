"""MkDocs hook: the copy button of a console block copies only commands, not prompts or output."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_PROMPT = "$ "
_BLOCK = re.compile(r'<div class="language-console highlight">(.*?)</div>', re.DOTALL)
_TAG = re.compile(r"<[^>]+>")


def typed(lines: Iterator[str]) -> Iterator[str]:
    """Yield each command in a console block, with its continuation lines and here-document."""
    for line in lines:
        if not line.startswith(_PROMPT):
            continue
        command = [line.removeprefix(_PROMPT)]
        while command[-1].endswith("\\"):
            command.append(next(lines))
        here = re.search(r"<<'?(\w+)'?", command[-1])
        while here and command[-1] != here[1]:
            command.append(next(lines))
        yield "\n".join(command)


def on_page_content(content: str, **_: object) -> str:
    """Add to each console block the attribute from which Material's copy button copies."""
    return _BLOCK.sub(_with_commands, content)


def _with_commands(block: re.Match[str]) -> str:
    lines = html.unescape(_TAG.sub("", block[1])).splitlines()
    commands = html.escape("\n".join(typed(iter(lines))))
    return block[0].replace(">", f' data-copy="{commands}">', 1)
