"""Run the hooks after ``issue`` and ``rollback``, and report the result."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer

from dockertls_vault.certificate.request import Purpose
from dockertls_vault.duration import format_time
from dockertls_vault.errors import DockerTLSError, HookFailed, Locked

from . import restart, speech

if TYPE_CHECKING:
    from pathlib import Path

    from dockertls_vault.credential.layout import Placement
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


def note_restart(directory: Path, running: Running) -> tuple[str, ...]:
    """Note that the daemon of the credential in ``directory`` was set up, and restarted.

    Return a warning if no hook restarts it after a renewal.
    """
    from dockertls_vault.credential import condition, reader, settle
    from dockertls_vault.credential.worker import by_worker

    try:
        place = reader.locate(directory)
        settle.note_restart(place, running)
        is_restarted = settle.commands(by_worker(place, condition.read), running)
    except DockerTLSError:  # the next renewal restarts it once more, or reports the reason
        return ()
    if is_restarted:
        return ()
    again = "sudo -E dockertls-vault issue server --hook default" + restart.option(place.directory)
    return (f"no hook restarts dockerd after a renewal: `{again}` adds it",)


def restart_note(place: Placement, running: Running) -> str | None:
    """Return how to restart the daemon of the credential in ``place``, None if nobody has to."""
    from dockertls_vault.credential import condition, settle
    from dockertls_vault.credential.worker import by_worker

    found = by_worker(place, condition.read)
    if found.record.request.purpose is Purpose.CLIENT or settle.commands(found, running):
        return None
    return restart.note(
        found.record,
        place.directory,
        can_configure=_is_for_root(place.directory),
        is_new=not running.default(place.directory) and not by_worker(place, _has_former_files),
    )


def _has_former_files(place: Placement) -> bool:
    """Tell whether there were other files before, which a daemon may use."""
    from dockertls_vault.credential import backup, history

    return len(history.read(place).generations) > 1 or backup.newest(place.directory) is not None


def _is_for_root(directory: Path) -> bool:
    """Tell whether nobody but root can replace the server credential: `daemon configure` asks."""
    from dockertls_vault.daemon import served

    try:
        return not served.exposures(served.paths(directory), frozenset({0}))
    except (DockerTLSError, OSError):
        return False


def report(settled: Settled, note: str | None) -> None:
    """Log what is left to do: what is pending, or else the ``note``.

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
    elif note is not None:
        logger.info(note)
