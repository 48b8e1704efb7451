"""Find the credential that is in a directory, of this tool's making or another's."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dockertls_vault.certificate.request import Purpose
from dockertls_vault.errors import ConflictingState
from dockertls_vault.files import atomic

from . import generations
from .layout import GENERATION_NAMES, PRIVATE, SERVER_NAMES

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class CredentialFiles:
    """Three files of one generation, in which nothing ever changes."""

    ca: Path
    cert: Path
    key: Path


def installed(directory: Path) -> CredentialFiles:
    """Return the files of the credential in ``directory``, of this tool's making or another's.

    Of a directory of docker:dind's, with ``client`` and ``server`` in it, it is the client's.
    Where it is this tool's, the paths are those inside the generation, so that three reads
    cannot see two credentials. Raises ConflictingState if there is none, or a part of one.
    """
    purposes = (Purpose.CLIENT, Purpose.SERVER)
    for candidate in (directory, *(directory / purpose.value for purpose in purposes)):
        for names in (GENERATION_NAMES, SERVER_NAMES):
            public = [candidate / name for name in names]
            if not all(os.path.lexists(path) for path in public):
                continue
            with suppress(OSError, RuntimeError):  # the latter for links in a circle
                current = (candidate / PRIVATE / generations.CURRENT).resolve(strict=True)
                ours = [current / name for name in GENERATION_NAMES]
                if all(map(os.path.samefile, public, ours)):
                    return CredentialFiles(*ours)
            return CredentialFiles(*public)
    raise ConflictingState(
        f"no certificate, key and ca.pem in {directory}",
        hint="create them with `dockertls-vault issue client`, or give another directory",
    )


def kept(directory: Path) -> tuple[CredentialFiles, ...]:
    """Return the generation in use in ``directory``, and then the others, newest first.

    Empty where there is no credential of this tool's making in use; raises OSError where it may
    not be read.
    """
    private = directory / PRIVATE
    try:
        with (
            atomic.opened(str(private)) as opened,
            atomic.opened(generations.DIRECTORY, opened) as places,
        ):
            used, found = generations.in_use(opened, places), generations.names(places)
    except FileNotFoundError:
        return ()
    if used is None:
        return ()
    return tuple(
        CredentialFiles(
            *(private / generations.DIRECTORY / name / file for file in GENERATION_NAMES)
        )
        for name in (used, *(name for name in found if name != used))
    )
