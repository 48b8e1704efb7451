"""Every trust boundary of the program, and an endless supply of inputs for it.

A border is where data from outside comes in: each module here generates such data, and defines how
the program processes it. ``make test`` takes a few inputs for each, ``make fuzz`` 100,000.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import answers, certificates, chains, daemon, directory, log, settings, tick

if TYPE_CHECKING:
    from .border import Border

BORDERS: dict[str, Border[Any]] = {
    module.BORDER.name: module.BORDER
    for module in (settings, answers, certificates, chains, daemon, directory, log, tick)
}
