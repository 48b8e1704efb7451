"""What the system refuses, as an error of ours."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from dockertls_vault.errors import CannotWrite

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def refusals(directory: Path) -> Iterator[None]:
    """Turn OSError into CannotWrite within the block."""
    try:
        yield
    except OSError as error:
        name = f" ({error.filename})" if isinstance(error.filename, str) else ""
        raise CannotWrite(f"cannot write in {directory}: {error.strerror}{name}") from None
