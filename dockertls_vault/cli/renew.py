"""``dockertls-vault renew [DIR…]``."""

from __future__ import annotations

import functools
import logging
import os
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from dockertls_vault.errors import InvalidInput
from dockertls_vault.settings.schema import Settings

from . import options, render, renewed, timer
from .directories import state_directory
from .help import Command, single_command, vault_epilog
from .options import VAULT, parsed, with_preferences, with_settings
from .preferences import Preferences
from .running import running
from .session import open_session

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from dockertls_vault.renew_all import Renewals, Selection
    from dockertls_vault.renewal.reasons import Policy

logger = logging.getLogger(__name__)
app = single_command()

EXIT_RENEWED = 2


@app.command(
    cls=Command,
    epilog=vault_epilog(
        "sudo -E dockertls-vault renew",
        "dockertls-vault renew ~/.docker --expires-in 30%",
    ),
)
@with_preferences("output", "quiet", "verbose")
@with_settings("admin_group", *VAULT)
def renew(
    settings: Settings,
    preferences: Preferences,
    directories: options.Directories = None,
    force: Annotated[bool, typer.Option("--force", help="Renew even if nothing is due.")] = False,
    expires_in: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Renew if less than this is left, such as 8h or 30%; by default, at two thirds "
            "of the validity, give or take a tenth.",
        ),
    ] = None,
    detailed: Annotated[
        bool,
        typer.Option(
            "--detailed-exitcode", help="Exit with 2 if anything was renewed, 0 if nothing was due."
        ),
    ] = False,
    watch: Annotated[
        bool,
        typer.Option(
            "--watch",
            help="Keep running, and renew each certificate when it is due, as in a container.",
        ),
    ] = False,
    health_file: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="With --watch, write to FILE every minute whether renewals succeed.",
        ),
    ] = None,
    install_timer: Annotated[
        bool,
        typer.Option("--install-timer", help="Install a systemd timer that renews; needs root."),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="With --install-timer, print the plan without applying it."),
    ] = False,
) -> None:
    """Renew the certificates that are due, and run pending hooks."""
    if install_timer or dry_run:
        others = {"DIR": directories, "--force": force, "--expires-in": expires_in}
        others |= {"--detailed-exitcode": detailed, "--watch": watch, "--health-file": health_file}
        timer.install(settings, preferences, others, dry_run=dry_run, wanted=install_timer)
        return
    find_policy = functools.partial(_policy, settings, force=force, expires_in=expires_in)
    if watch:
        _refuse({"--force": force, "--expires-in": expires_in, "--detailed-exitcode": detailed})
        selection = _selection(settings, directories or ())
        _watch(settings, preferences, selection, find_policy, health_file)
        return
    _refuse({"--health-file": health_file}, without="--watch")
    policy, selection = find_policy(), _selection(settings, directories or ())
    _finish(_once(settings, preferences, selection, policy), preferences, detailed=detailed)


def _once(
    settings: Settings, preferences: Preferences, selection: Selection, policy: Policy
) -> Renewals:
    """Renew what is due, and log what was done."""
    from dockertls_vault.renew_all import Renewals, renew_all

    hooks = running(settings, os.environ)
    chosen, registry = selection.directories(), selection.registry
    done = []
    with (
        render.progress_bar(len(chosen), preferences) or nullcontext() as bar,
        open_session(settings, preferences, needs_token=False, progress=bar) as session,
    ):
        for renewal in renew_all(chosen, policy, hooks, session, registry, _now):
            renewed.report(renewal)
            done.append(renewal)
            if bar is not None:
                bar.advance()
    renewals = Renewals(tuple(done))
    selection.note_look(renewals, _now())
    return renewals


def _watch(
    settings: Settings,
    preferences: Preferences,
    selection: Selection,
    policy: Callable[[], Policy],
    health_file: str | None,
) -> None:
    from .watch import watch

    written = None if health_file is None else options.directory("--health-file", health_file)
    watch(settings, preferences, selection, policy, written)


def _selection(settings: Settings, directories: Sequence[str]) -> Selection:
    from dockertls_vault.credential.registry import Registry
    from dockertls_vault.renew_all import Selection

    named = tuple(dict.fromkeys(options.directory("DIR", each) for each in directories))
    registry = Registry(state_directory(settings, os.environ))
    hidden = timer.uncovered(registry.known())
    for warning in timer.warnings(hidden):
        logger.warning("%s", warning)
    selection = Selection(registry, named, hidden)
    if not selection.directories():
        logger.info("no credential is known on this host: name its directory, or issue one")
    return selection


def _refuse(given: Mapping[str, object], *, without: str | None = None) -> None:
    """Raise InvalidInput for a flag that cannot be combined with --watch, or that needs it."""
    for flag, value in given.items():
        if value not in (None, False):
            how = "cannot be combined with --watch" if without is None else f"needs {without}"
            raise InvalidInput(f"{flag} {how}")


def _now() -> datetime:
    return datetime.now(UTC)


def _policy(settings: Settings, *, force: bool, expires_in: str | None) -> Policy:
    """Return what makes a credential due; DNS gets half of the timeout, once."""
    from dockertls_vault.certificate.threshold import parse_threshold
    from dockertls_vault.host import identity
    from dockertls_vault.renewal.reasons import Policy

    threshold = None if expires_in is None else parsed("--expires-in", parse_threshold, expires_in)
    detect = functools.cache(lambda: identity.names(settings.timeout.total_seconds() / 2))
    return Policy(detect, threshold, force=force)


def _finish(done: Renewals, preferences: Preferences, *, detailed: bool) -> None:
    """Print the result, and exit with its status."""
    renewed.show(done, preferences)
    if done.errors:
        raise typer.Exit(renewed.worst(done.errors).exit_status)
    if detailed and done.changed:
        raise typer.Exit(EXIT_RENEWED)
