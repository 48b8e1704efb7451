"""Where the dockerd of this host listens, by the set-up of `daemon configure`."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from dockertls_vault.errors import InvalidInput

from . import pickup
from .desired import parse_listen

if TYPE_CHECKING:
    from pathlib import Path

    from dockertls_vault.docker.endpoint import Endpoint


def find(state: Path, directory: Path | None = None) -> Endpoint | None:
    """Return where this host reaches its daemon, None if no set-up that can be read says so.

    ``state`` is the directory of the set-up. With ``directory``, it must be for the credential
    there.
    """
    for text in pickup.listens(str(state), None if directory is None else str(directory)):
        with suppress(InvalidInput):
            return parse_listen(text).endpoint
    return None
