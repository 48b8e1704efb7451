"""A file that a set-up edits, other than its own: once it is planned, and once it was made."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Edit:
    """A file that is edited; ``is_unit`` if systemd has to read it again."""

    path: Path
    before: bytes = field(repr=False)
    after: bytes = field(repr=False)
    is_unit: bool

    def reversed(self) -> Edit:
        """Return the edit that takes this one back."""
        return replace(self, before=self.after, after=self.before)


@dataclass(frozen=True)
class Edited:
    """A file that was edited: what we wrote, and what was there before the first of our edits.

    ``is_unit`` if systemd has to read it again.
    """

    path: Path
    written: bytes = field(repr=False)
    original: bytes = field(repr=False)
    is_unit: bool

    def is_known(self, content: bytes | None) -> bool:
        """Tell whether this is the file as it was or as we wrote it, or that it is missing."""
        return content in (None, self.original, self.written)

    def taking_back(self) -> Edit:
        """Return the edit that puts back what was there before."""
        return Edit(self.path, self.written, self.original, self.is_unit)
