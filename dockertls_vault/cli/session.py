"""The session with Vault that a command has, and what its user is told and asked there."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dockertls_vault.ca import policy
from dockertls_vault.errors import PolicyDenied

from . import password, render

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockertls_vault.ca.policy import Person
    from dockertls_vault.settings.schema import Settings
    from dockertls_vault.vault.session import Session

    from .preferences import Preferences


def open_session(settings: Settings, preferences: Preferences) -> Session:
    """Open the session with Vault; what it has to say goes to stderr."""
    from dockertls_vault.vault import session

    for variable, winner in settings.outvoted.items():
        render.note(
            f"{winner} wins over {variable}, which differs (unset {winner} to use that)",
            preferences,
        )
    if preferences.verbose:
        for name, origin in settings.origins.items():
            render.note(f"{name}: from {origin}", preferences)
    return session.open_session(
        settings,
        say=render.warn,
        explain=(lambda text: render.note(text, preferences)) if preferences.verbose else _ignore,
        waiting=render.waiting(preferences),
        ask=password.typed if sys.stdin.isatty() else None,
    )


@contextmanager
def needing(person: Person, mount: str, role: str) -> Iterator[None]:
    """Where the token's policies lack something, point to a policy that lacks nothing.

    One line for a path would let the next one be found out by the next failure.
    """
    try:
        yield
    except PolicyDenied as denied:
        if denied.by_policy:
            writing = policy.command(person, mount, role)
            denied.hint = f"`{writing}` writes a policy with all that this command needs"
        raise


def _ignore(_text: str) -> None:
    """Say nothing: ``--verbose`` was not given."""
