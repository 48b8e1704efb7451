"""Each border of the program, and inputs without end to cross it with.

A border is where something comes in that others made: a module here draws it, and says what the
program does with it. ``make test`` takes a few of each, ``make fuzz`` 100,000.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import answers, certificates, chains, daemon, directory, settings

if TYPE_CHECKING:
    from .border import Border

BORDERS: dict[str, Border[Any]] = {
    module.BORDER.name: module.BORDER
    for module in (settings, answers, certificates, chains, daemon, directory)
}
