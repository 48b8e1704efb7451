"""Find the credential in a directory, whether or not this tool created it."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dockertls_vault.certificate.request import Purpose
from dockertls_vault.errors import ConflictingState
from dockertls_vault.files import atomic, reading

from . import generations, glance
from .layout import Placement, absolute, gid
from .naming import GENERATION_NAMES, PRIVATE, SERVER_NAMES

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class CredentialFiles:
    """The three files of a credential; those of a generation never change."""

    ca: Path
    cert: Path
    key: Path


def installed(directory: Path) -> CredentialFiles:
    """Return the files of the credential in ``directory``, whether or not this tool created it.

    For a docker:dind directory, which contains ``client`` and ``server``, it is the client's. If
    this tool created it, the paths are inside the generation, so that three reads cannot mix two
    credentials. Raises ConflictingState if there is no complete credential.
    """
    purposes = (Purpose.CLIENT, Purpose.SERVER)
    for candidate in (directory, *(directory / purpose.value for purpose in purposes)):
        for names in (GENERATION_NAMES, SERVER_NAMES):
            public = [candidate / name for name in names]
            if not all(os.path.lexists(path) for path in public):
                continue
            return CredentialFiles(*(_in_use(candidate, public) or public))
    raise ConflictingState(
        f"no certificate, key and ca.pem in {directory}",
        hint="create them with `dockertls-vault issue client`, or choose another directory",
    )


def _in_use(directory: Path, public: Sequence[Path]) -> list[Path] | None:
    """Return the files of the generation that the public names lead to, None if to no generation.

    If a swap came between resolving it and comparing its files, it is resolved again.
    """
    link, seen = directory / PRIVATE / generations.CURRENT, None
    with suppress(OSError, RuntimeError):  # RuntimeError: a symlink loop
        while (current := link.resolve(strict=True)) != seen:
            seen = current
            ours = [current / name for name in GENERATION_NAMES]
            with suppress(FileNotFoundError):
                if all(map(os.path.samefile, public, ours)):
                    return ours
    return None


def kept(directory: Path) -> tuple[CredentialFiles, ...]:
    """Return the generation in use in ``directory``, then the others, newest first.

    Empty if no credential created by this tool is in use. Raises OSError if it cannot be read.
    """
    private = directory / PRIVATE
    try:
        with (
            reading.opened(str(private)) as opened,
            reading.opened(generations.DIRECTORY, opened) as places,
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


def locate(directory: Path, *, admins: str | None = None) -> Placement:
    """Return the placement of the credential in ``directory`` or its subdirectory.

    If root runs this, the directory's owner does the work in it; that includes reading the kind
    of the credential, so it is still None. ``admins`` is a group whose members may write to the
    directories above. Raises ConflictingState for no credential, InvalidInput for two, and
    what ``layout.absolute`` raises.
    """
    whole = absolute(directory)
    found = glance.locate(str(whole))
    if found is None:
        raise ConflictingState(
            f"no dockertls-vault credential in {directory}"
            if os.path.lexists(whole)
            else f"the directory {directory} does not exist",
            hint="pass the directory that was used as --dir",
        )
    path, owner = found
    return Placement(
        Path(path),
        kind=None,
        uid=owner if os.geteuid() == 0 and owner != 0 else atomic.KEEP,
        admins=None if admins is None else gid(admins),
        movable=False,
    )
