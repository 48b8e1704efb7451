"""Read a file that a setting names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockertls_vault.errors import InvalidSetting
from dockertls_vault.files import bounded

if TYPE_CHECKING:
    from pathlib import Path


def read(file: Path, origin: str | None) -> bytes:
    """Return the content of ``file``.

    Raises InvalidSetting if it cannot be read, with the flag, variable or configuration file that
    names it; ``origin`` is None for a default.
    """
    try:
        return bounded.read(file)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise unreadable(file, origin, reason) from None


def unreadable(file: Path, origin: str | None, reason: object) -> InvalidSetting:
    """Return the error for a file whose content cannot be used, and why."""
    named_by = f"{origin}: " if origin else ""
    return InvalidSetting(f"{named_by}cannot read {file}: {reason}")
