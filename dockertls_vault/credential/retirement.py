"""Remove old generations, and the leftovers of unfinished runs; never the generation in use."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dockertls_vault.files import atomic, reading

from .generations import is_current, names

if TYPE_CHECKING:
    from collections.abc import Collection

KEPT = 3


def retire(generations: int, staging: int, spared: Collection[str]) -> tuple[str, ...]:
    """Move old generations to ``staging``; return a problem for each that could not be moved.

    ``spared`` are kept, and the newest of the others, up to KEPT in all. Each generation is moved
    as a whole by one rename; ``discard`` then removes it.
    """
    problems = []
    try:
        others = [name for name in names(generations) if name not in spared]
    except OSError as error:
        return (f"cannot list the old generations: {error.strerror}",)
    for name in others[max(0, KEPT - len(spared)) :]:
        try:
            os.rename(name, name, src_dir_fd=generations, dst_dir_fd=staging)
        except OSError as error:
            problems.append(f"cannot remove the old generation {name}: {error.strerror}")
    return tuple(problems)


def discard(staging: int, private: int) -> tuple[str, ...]:
    """Empty ``staging``, except for what is in use; return a problem for each failed removal."""
    problems = []
    try:
        left = reading.entries(staging)
    except OSError as error:
        return (f"cannot list leftover files: {error.strerror}",)
    for name in left:
        if not is_current(name, staging, private):
            try:
                atomic.remove(name, staging)
            except OSError as error:
                problems.append(f"cannot remove the leftover {name}: {error.strerror}")
    return tuple(problems)
