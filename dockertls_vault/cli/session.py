"""Open a command's Vault session, with its prompts and messages."""

from __future__ import annotations

import logging
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dockertls_vault.ca import policy
from dockertls_vault.errors import PermissionDenied

from . import password, render

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockertls_vault.ca.policy import Person
    from dockertls_vault.settings.schema import Settings
    from dockertls_vault.vault.progress import Progress
    from dockertls_vault.vault.session import Session

    from .preferences import Preferences

logger = logging.getLogger(__name__)


def open_session(
    settings: Settings,
    preferences: Preferences,
    *,
    needs_token: bool = True,
    progress: Progress | None = None,
) -> Session:
    """Open the Vault session; its messages and prompts go to stderr.

    ``progress`` shows what it waits for; by default, that is a spinner.
    """
    from dockertls_vault.vault import session

    for variable, winner in settings.overridden.items():
        logger.info(
            "%s takes precedence over %s, which has another value (unset %s to use it)",
            winner,
            variable,
            winner,
        )
    for name, origin in settings.origins.items():
        logger.debug("%s: from %s", name, origin)
    return session.open_session(
        settings,
        progress=progress or render.spinner(preferences),
        ask=password.ask if sys.stdin.isatty() else None,
        needs_token=needs_token,
    )


@contextmanager
def needing(person: Person, mount: str, role: str) -> Iterator[None]:
    """If the token's policies are insufficient, point to the complete policy for ``person``.

    Naming only the denied path would let the user discover the others one failure at a time.
    """
    try:
        yield
    except PermissionDenied as denied:
        if denied.by_policy:
            writing = policy.command(person, mount, role)
            denied.hint = f"`{writing}` writes a policy with everything this command needs"
        raise
