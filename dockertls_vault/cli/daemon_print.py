"""``dockertls-vault daemon configure --print FORM``."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dockertls_vault.credential.naming import SERVER_NAMES
from dockertls_vault.daemon import desired, printed
from dockertls_vault.errors import ConflictingState

from . import render
from .preferences import Preferences

if TYPE_CHECKING:
    from dockertls_vault.daemon.desired import Listen
    from dockertls_vault.daemon.printed import Form

logger = logging.getLogger(__name__)


def show(form: Form, directory: Path, listens: Sequence[Listen], preferences: Preferences) -> None:
    """Print the text on stdout, and the notes about it on stderr."""
    result = printed.fill_in(form, directory, _files(directory), listens or (desired.DEFAULT,))
    render.show("daemon-print", result, preferences, parts=result.text.splitlines())
    for note in result.notes:
        logger.info(note)


def _files(directory: Path) -> Sequence[Path]:
    """Return the public paths of the credential there; in dockerd's layout if there is none."""
    from dockertls_vault.daemon import served

    try:
        return served.paths(directory)
    except ConflictingState:
        return [directory / name for name in SERVER_NAMES]
