"""Text output for renewals: a line for each as it is done, and a table of all."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from dockertls_vault.duration import format_time
from dockertls_vault.errors import TryAgain

from . import envelope, render, speech
from .preferences import Output

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dockertls_vault.errors import DockerTLSError
    from dockertls_vault.renew import Renewal
    from dockertls_vault.renew_all import Renewals

    from .preferences import Preferences

logger = logging.getLogger(__name__)


def report(renewal: Renewal) -> None:
    """Log the result for a credential; that it was renewed has already been logged."""
    from dockertls_vault.renew import Action

    where = renewal.directory
    if renewal.action is Action.NOTHING and renewal.error is None:
        logger.info("%s: nothing is due", where)
    if (opens := renewal.hooks.waiting_until) is not None:
        logger.info("%s: hooks wait for their window, which opens at %s", where, format_time(opens))
    if renewal.needs_restart:
        logger.info("%s: restart its daemon, which reads the files only at startup", where)
    if renewal.error is not None:
        speech.failed(f"{where}: {renewal.error.message}", renewal.error)


def is_news(renewal: Renewal) -> bool:
    """Tell whether anything was done, or is pending, or failed."""
    from dockertls_vault.renew import Action

    hooks = renewal.hooks
    return bool(
        renewal.action is not Action.NOTHING
        or renewal.error
        or renewal.warnings
        or hooks.ran
        or hooks.waiting_until
    )


def report_news(renewal: Renewal) -> None:
    """Log the result for a credential, if it is news."""
    if is_news(renewal):
        report(renewal)


def show_news(done: Sequence[Renewal], preferences: Preferences) -> None:
    """Print the news of one of many runs; JSON is on one line."""
    from dockertls_vault.renew_all import Renewals

    news = Renewals(tuple(filter(is_news, done)))
    if preferences.output is Output.JSON:
        if news.renewals:
            envelope.print_result(
                "renewals", news, warnings=news.warnings, ok=not news.errors, indent=None
            )
        return
    for warning in news.warnings:
        speech.say("warning", warning)


def show(done: Renewals, preferences: Preferences) -> None:
    """Print the result of one run."""
    render.show(
        "renewals",
        done,
        preferences,
        parts=[_table(done.renewals)] if done.renewals else [],
        warnings=done.warnings,
        ok=not done.errors,
    )


def worst(errors: Sequence[DockerTLSError]) -> DockerTLSError:
    """Return the error that decides the exit status: if any, one that a retry may not fix."""
    return min(errors, key=lambda error: isinstance(error, TryAgain))


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
