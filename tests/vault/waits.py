"""What is told of long waits, kept."""

from __future__ import annotations


class Waits:
    """A Progress that keeps all it is told; None is the end of a wait."""

    def __init__(self) -> None:
        self.told: list[str | None] = []

    def waiting(self, what: str) -> None:
        """Keep it."""
        self.told.append(what)

    def over(self) -> None:
        """Keep that as well."""
        self.told.append(None)

    @property
    def texts(self) -> list[str]:
        """What was waited for, without the ends."""
        return [what for what in self.told if what is not None]


class NoWaits(Waits):
    """For a test in which nothing is to take long."""

    def waiting(self, what: str) -> None:
        """Fail."""
        raise AssertionError(what)
