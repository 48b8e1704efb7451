"""The command that starts this program again, independent of PATH."""

from __future__ import annotations

import sys
from pathlib import Path

import dockertls_vault


def command() -> tuple[str, ...]:
    """Return the words that start this program: its script, or a module of its Python."""
    script = Path(sys.argv[0]).absolute()
    if script.name != "__main__.py":
        return (str(script),)
    return (sys.executable, "-m", dockertls_vault.__name__)


def places() -> tuple[Path, ...]:
    """Return the files that the program consists of: its script, its Python and its package."""
    started = Path(command()[0])
    found = (
        started,
        started.resolve(),
        Path(sys.executable).resolve(),
        Path(dockertls_vault.__file__),
    )
    return tuple(dict.fromkeys(found))
