"""Run the hooks after ``issue`` and ``rollback``, and report the result."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer

from dockertls_vault.duration import format_time
from dockertls_vault.errors import HookFailed, Locked

from . import restart, speech

if TYPE_CHECKING:
    from dockertls_vault.credential.layout import Layout, Placement
    from dockertls_vault.credential.settle import Running, Settled

logger = logging.getLogger(__name__)


def run_hooks(place: Placement, running: Running) -> Settled:
    """Run the hooks that are pending for the credential in ``place``."""
    from dockertls_vault.credential import settle

    try:
        return settle.catch_up(place, running, datetime.now(UTC))
    except Locked:
        logger.warning("another run is renewing %s, and runs its hooks", place.directory)
        return settle.Settled()


def has_hooks(place: Placement, running: Running) -> bool:
    """Return whether any hook runs after a swap of the credential in ``place``."""
    from dockertls_vault.credential import condition, settle
    from dockertls_vault.credential.worker import by_worker

    return bool(settle.commands(by_worker(place, condition.read), running))


def report(settled: Settled, layout: Layout | None) -> None:
    """Log what is left to do; ``layout`` is that of a server's credential.

    Exits with the status of HookFailed if a hook failed.
    """
    if settled.failure is not None:
        from dockertls_vault.credential import hooks

        error = hooks.failed(settled.failure.command, settled.failure.reason)
        speech.failed(error.message, error)
        raise typer.Exit(HookFailed.exit_status)
    if settled.waiting_until is not None:
        opens = format_time(settled.waiting_until)
        logger.info("hooks wait for their window, which opens at %s", opens)
    elif layout is not None and not settled.ran:
        logger.info(restart.note(layout))
