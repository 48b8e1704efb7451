"""Progress reporters for tests."""

from __future__ import annotations


class Waits:
    """A Progress that records what it is told; None marks the end of a wait."""

    def __init__(self) -> None:
        self.told: list[str | None] = []

    def waiting(self, what: str) -> None:
        """Record the text."""
        self.told.append(what)

    def over(self) -> None:
        """Record the end."""
        self.told.append(None)

    @property
    def texts(self) -> list[str]:
        """Return the texts without the ends."""
        return [what for what in self.told if what is not None]


class NoWaits(Waits):
    """A Progress for a test in which no wait may be reported."""

    def waiting(self, what: str) -> None:
        """Fail."""
        raise AssertionError(what)
