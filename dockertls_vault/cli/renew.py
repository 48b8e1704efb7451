"""``dockertls-vault renew [DIR…]``."""

from __future__ import annotations

import functools
import logging
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from dockertls_vault.duration import format_time
from dockertls_vault.errors import DockerTLSError, TryAgain
from dockertls_vault.settings.schema import Settings

from . import options, render, speech
from .directories import state_directory
from .help import Command, single_command, vault_epilog
from .options import VAULT, parsed, with_preferences, with_settings
from .preferences import Preferences
from .running import running
from .session import open_session

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dockertls_vault.credential.registry import Registry
    from dockertls_vault.renew import Renewal

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
    directories: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[DIR]...",
            help="The directories of the credentials; by default, all that are known on this host.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Renew even what is not due.")] = False,
    expires_in: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Renew if less than this is left, such as 8h or 30%; by default, at two thirds "
            "of the validity, give or take a tenth.",
        ),
    ] = None,
    detailed_exitcode: Annotated[
        bool,
        typer.Option(
            "--detailed-exitcode", help="Exit with 2 if anything was renewed, 0 if nothing was due."
        ),
    ] = False,
) -> None:
    """Renew the certificates that are due, and run pending hooks."""
    from dockertls_vault.certificate.schedule import parse_threshold
    from dockertls_vault.credential.registry import Registry
    from dockertls_vault.host import identity
    from dockertls_vault.renew import Action, Mounts, Policy, Renewals
    from dockertls_vault.renew import renew as renew_one
    from dockertls_vault.vault.pki import PKI

    threshold = None if expires_in is None else parsed("--expires-in", parse_threshold, expires_in)
    hooks = running(settings, os.environ)
    chosen = [options.directory("DIR", directory) for directory in directories or ()]
    chosen = chosen or _known(Registry(state_directory(settings, os.environ)))
    if not chosen:
        logger.info("no credential is known on this host: name its directory, or issue one")
    detect = functools.cache(lambda: identity.names(settings.timeout.total_seconds() / 2))
    with open_session(settings, preferences, needs_token=False) as session:
        mounts = Mounts(lambda path: PKI(session, path), _now)
        done = []
        for directory in chosen:
            session.allow(settings.timeout)
            renewal = renew_one(
                directory,
                Policy(detect, threshold, force=force),
                hooks,
                mounts,
                admins=settings.admin_group,
                clock=_now,
            )
            _report(renewal)
            done.append(renewal)
    failed = [renewal.error for renewal in done if renewal.error is not None]
    changed = any(renewal.action in {Action.RENEWED, Action.TRUST_UPDATED} for renewal in done)
    render.show(
        "renewals",
        Renewals(tuple(done)),
        preferences,
        parts=[_table(done)] if done else [],
        warnings=[f"{each.directory}: {text}" for each in done for text in each.warnings],
        ok=not failed,
    )
    if failed:
        raise typer.Exit(_worst(failed).exit_status)
    if changed and detailed_exitcode:
        raise typer.Exit(EXIT_RENEWED)


def _now() -> datetime:
    return datetime.now(UTC)


def _known(registry: Registry) -> list[Path]:
    """Return the directories listed that are there; those that are gone are dropped."""
    found = []
    for directory in registry.known():
        try:
            directory.stat()
        except FileNotFoundError:
            registry.remove(directory)
            logger.warning("%s is gone, and will no longer be renewed", directory)
        except OSError:
            found.append(directory)  # what is wrong with it is told when it is renewed
        else:
            found.append(directory)
    return found


def _report(renewal: Renewal) -> None:
    """Log what was done with a credential, and why."""
    from dockertls_vault.renew import Action

    where = renewal.directory
    why = "; ".join(cause.detail for cause in renewal.causes)
    if renewal.action is Action.RENEWED:
        logger.info("%s: renewed: %s", where, why)
    elif renewal.action is Action.TRUST_UPDATED:
        logger.info("%s: updated ca.pem: %s", where, why)
    elif renewal.error is None:
        logger.info("%s: nothing is due", where)
    if (opens := renewal.hooks.waiting_until) is not None:
        logger.info("%s: hooks wait for their window, which opens at %s", where, format_time(opens))
    if renewal.error is not None:
        speech.failed(f"{where}: {renewal.error.message}", renewal.error)


def _table(done: Sequence[Renewal]) -> render.Table:
    columns = ("action", "directory", "valid until", "due")
    return render.Table(columns, [_row(renewal) for renewal in done])


def _row(renewal: Renewal) -> tuple[str, ...]:
    until, due = renewal.valid_until, renewal.renewal_due
    return (
        renewal.action.value,
        str(renewal.directory),
        "" if until is None else format_time(until),
        "" if due is None else format_time(due),
    )


def _worst(errors: Sequence[DockerTLSError]) -> DockerTLSError:
    """Return the error that decides the exit status: one that a retry may not mend, if any."""
    return min(errors, key=lambda error: isinstance(error, TryAgain))
