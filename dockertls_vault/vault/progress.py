"""The interface through which long waits are reported, from any thread."""

from __future__ import annotations

import logging
from typing import Protocol

from .once import Once

logger = logging.getLogger(__name__)


class Progress(Protocol):
    """Shows what a command is waiting for, such as a spinner."""

    def waiting(self, what: str) -> None:
        """Show ``what``, instead of what was shown before."""

    def over(self) -> None:
        """Stop showing it: the wait has ended."""


class Logged:
    """Logs each wait, but the same one only once."""

    def __init__(self) -> None:
        self._once = Once()

    def waiting(self, what: str) -> None:
        if self._once.first(what):
            logger.info("%s", what)

    def over(self) -> None:
        """Do nothing: a log line is not removed."""
