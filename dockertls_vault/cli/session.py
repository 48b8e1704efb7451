"""The session with Vault that a command has, and what its user is told and asked there."""

from __future__ import annotations

import logging
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

logger = logging.getLogger(__name__)


def open_session(settings: Settings, preferences: Preferences) -> Session:
    """Open the session with Vault; what it has to say goes to stderr."""
    from dockertls_vault.vault import session

    for variable, winner in settings.outvoted.items():
        logger.info(
            "%s wins over %s, which differs (unset %s to use that)", winner, variable, winner
        )
    for name, origin in settings.origins.items():
        logger.debug("%s: from %s", name, origin)
    return session.open_session(
        settings,
        progress=render.spinner(preferences),
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
            denied.hint = f"`{writing}` writes a policy with everything this command needs"
        raise
