"""What takes long is told to a Progress, by all that waits: from whatever thread that does so."""

from __future__ import annotations

import logging
from typing import Protocol

logger = logging.getLogger(__name__)


class Progress(Protocol):
    """Shows what a command waits for, as a spinner does."""

    def waiting(self, what: str) -> None:
        """Show ``what``, in the place of what was shown before."""

    def over(self) -> None:
        """Show nothing any more; what is waited for is there, or is given up."""


class Logged:
    """Logs each wait, once however often it comes again."""

    def __init__(self) -> None:
        self._logged: set[str] = set()

    def waiting(self, what: str) -> None:
        if what not in self._logged:
            self._logged.add(what)
            logger.info("%s", what)

    def over(self) -> None:
        """Do nothing: a line in a log stays there."""
