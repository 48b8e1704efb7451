"""A change to a line, and the tests that must notice it."""

from __future__ import annotations

from dataclasses import dataclass

# What is promised, a text that is in the file once, and its change.
Rows = tuple[tuple[str, str, str], ...]
# By file below the package: the tests, below tests/, and the rows.
Table = dict[str, tuple[str, Rows]]


@dataclass(frozen=True)
class Mutant:
    """One change: of ``before``, which is in ``file`` once, to ``after``; ``tests`` must fail."""

    promise: str
    file: str
    before: str
    after: str
    tests: tuple[str, ...]

    def apply(self, source: str) -> str:
        """Return the source with the change; raises ValueError unless it has one place."""
        if source.count(self.before) != 1:
            raise ValueError(f"{self.file} has {source.count(self.before)} times: {self.before}")
        return source.replace(self.before, self.after)
