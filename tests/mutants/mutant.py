"""A change to a line, and the tests that must notice it."""

from __future__ import annotations

from dataclasses import dataclass

# The promise, a text that occurs once in the file, and its replacement.
Rows = tuple[tuple[str, str, str], ...]
# For each file of the package: its tests, below tests/, and its rows.
Table = dict[str, tuple[str, Rows]]


@dataclass(frozen=True)
class Mutant:
    """Replaces ``before``, which occurs once in ``file``, by ``after``; ``tests`` must fail."""

    promise: str
    file: str
    before: str
    after: str
    tests: tuple[str, ...]

    def apply(self, source: str) -> str:
        """Return the changed source; raises ValueError unless ``before`` occurs exactly once."""
        if source.count(self.before) != 1:
            raise ValueError(f"{self.file} has {source.count(self.before)} times: {self.before}")
        return source.replace(self.before, self.after)
