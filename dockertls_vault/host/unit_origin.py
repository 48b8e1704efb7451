"""Whose a unit file is: ours, or that of a package; pure."""

from __future__ import annotations

from pathlib import Path

# How each of our unit files begins, by which we recognize it; its command and the rest may change.
_OURS = "# Written by `dockertls-vault "
# Where packages have theirs: systemd.unit(5), "Unit File Load Path".
_PACKAGED = (Path("/lib"), Path("/usr/lib"))


def mark(command: str, advice: str) -> str:
    """Return the first line of a unit file that a command of ours writes."""
    return f"{_OURS}{command}`: {advice}"


def is_ours(content: bytes) -> bool:
    """Tell whether we have written this unit file."""
    return content.startswith(_OURS.encode())


def is_packaged(path: Path) -> bool:
    """Tell whether a unit file is a package's, so that its next version replaces it."""
    return any(path.is_relative_to(each) for each in _PACKAGED)
