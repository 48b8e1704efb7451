"""``dockertls-vault daemon doctor``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from dockertls_vault.duration import format_time, parse_duration
from dockertls_vault.errors import DockerTLSError

from . import render, results
from .directories import SERVER_DIRECTORY
from .help import examples
from .options import find_settings, parsed, with_preferences
from .preferences import Preferences
from .session import open_session

if TYPE_CHECKING:
    from dockertls_vault.docker.diagnosis.report import CheckResult
    from dockertls_vault.doctor import Diagnosis

EXAMPLES = examples(
    "sudo dockertls-vault daemon doctor",
    "sudo -E dockertls-vault daemon doctor -o json",
)


@with_preferences("output", "quiet")
def doctor(
    preferences: Preferences,
    pid: Annotated[
        int | None,
        typer.Option(
            metavar="PID",
            min=1,
            help="The process of dockerd, if several run here; by default that of docker.service, "
            "of its PID file, or the only one.",
        ),
    ] = None,
    timeout: Annotated[
        str, typer.Option(metavar="DURATION", help="The timeout for each response.")
    ] = "10s",
) -> None:
    """Find what is unsafe about dockerd, and how to fix it.

    Its process, settings, sockets, certificates and keys are examined; nothing is changed. What
    only root may read is left out for other users. If an address of Vault is set, its clock is
    compared and, with a token, its roles are checked. The exit status is that of the worst result:
    0 no finding, 1 a warning, 3 a check was left out or inconclusive, 65 an error, 69 dockerd does
    not run or does not answer, 76 clients without a trusted certificate are accepted, or could be.
    """
    from dockertls_vault.daemon import supervision
    from dockertls_vault.doctor import Target, diagnose

    limit = parsed("--timeout", parse_duration, timeout)
    target = Target(pid, os.environ, limit, SERVER_DIRECTORY)
    ask_vault = partial(_ask_vault, preferences, limit)
    found = diagnose(target, supervision.read(), ask_vault, datetime.now(UTC))
    status = found.result.exit_status
    parts = (results.table(found.checks), "", _fields(found))
    render.show("daemon-doctor", found, preferences, parts=parts, ok=status == 0)
    raise typer.Exit(status)


def _ask_vault(preferences: Preferences, limit: timedelta) -> Sequence[CheckResult]:
    """Ask Vault if it is set; what is wrong with its settings must not prevent a diagnosis."""
    from dockertls_vault.daemon import vault_checks

    try:
        settings = find_settings({})
        if "addresses" not in settings.origins:
            return vault_checks.skipped("VAULT_ADDR is not set; if `sudo` drops it, use `sudo -E`")
        with (
            open_session(settings, preferences, needs_token=False) as session,
            session.at_most(limit.total_seconds()),
        ):
            return vault_checks.ask(session, lambda: datetime.now(UTC))
    except DockerTLSError as error:
        return vault_checks.skipped(error.message)


def _fields(found: Diagnosis) -> render.Fields:
    from dockertls_vault.docker.diagnosis.report import Result

    pairs = []
    if found.dockerd is not None:
        pairs += [
            ("dockerd", f"PID {found.dockerd.pid}"),
            ("started", format_time(found.dockerd.started)),
            ("sockets", ", ".join(found.dockerd.sockets) or "(none)"),
        ]
    left_out = [each.description for each in found.checks if each.result is Result.SKIPPED]
    pairs += [("left out", "; ".join(left_out))] if left_out else []
    return render.Fields([*pairs, ("result", found.result.value)])
