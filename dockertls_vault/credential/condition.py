"""The condition of a credential, as its files show it: a glance at them, and its full record."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dockertls_vault.files import reading

from . import generations, glance, hooks, record
from .naming import PRIVATE

if TYPE_CHECKING:
    from pathlib import Path

    from .due import Due
    from .hooks import State
    from .layout import Placement
    from .record import Record


@dataclass(frozen=True)
class Condition:
    """A credential: what was requested, what is in use, and what is wrong with it.

    ``worker`` is the user whose permissions are used in ``place``, ``owner`` the user who owns its
    private directory. ``generation`` is the name of the one in use, None if there is none; ``due``
    says when it is due, None if that is known only from its certificate; ``hooks`` for which
    generation the hooks have succeeded; ``damage`` what was lost or changed since it was installed.
    """

    place: Placement
    worker: int
    owner: int
    record: Record
    generation: str | None
    due: Due | None
    hooks: State
    damage: tuple[str, ...]

    @property
    def path(self) -> Path | None:
        """The directory of the generation in use."""
        if self.generation is None:
            return None
        return self.place.directory / PRIVATE / generations.DIRECTORY / self.generation


def read(place: Placement) -> Condition:
    """Return the condition of the credential in ``place``, whose kind may be None.

    Called by its worker (worker.py). Raises ConflictingState if it has no record, and OSError.
    """
    if (worker := place.worker) is None:
        raise ValueError("the placement has no worker")
    directory = place.directory.resolve()
    try:
        # The generation first: if another is put in use meanwhile, its hooks stay pending.
        shown = glance.look(str(directory))
        with reading.opened(str(directory / PRIVATE)) as private:
            requested = record.read_private(place.directory, private)
            state = hooks.read(private)
            owner = os.fstat(private).st_uid
    except FileNotFoundError:
        raise glance.without_request(place.directory) from None
    return Condition(
        place=replace(_anew(place, worker), kind=requested.kind),
        worker=worker,
        owner=owner,
        record=requested,
        generation=shown.generation,
        due=shown.due,
        hooks=state,
        damage=shown.damage,
    )


def _anew(place: Placement, worker: int) -> Placement:
    """Return the placement without its worker, from which ``by_worker`` chooses the same one."""
    return replace(place, worker=None, uid=place.uid if worker == os.geteuid() else worker)
