"""``dockertls-vault rollback DIR``."""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from dockertls_vault.duration import format_time
from dockertls_vault.errors import InvalidInput
from dockertls_vault.settings.schema import Settings

from . import options, render, settled
from .help import Command, examples, single_command
from .options import with_preferences, with_settings
from .preferences import Preferences
from .running import running
from .text import Lines

if TYPE_CHECKING:
    from dockertls_vault.credential.history import Generation, Generations
    from dockertls_vault.rollback import RolledBack

logger = logging.getLogger(__name__)
app = single_command()


@app.command(
    cls=Command,
    epilog=examples(
        "sudo dockertls-vault rollback /etc/docker/tls",
        "dockertls-vault rollback ~/.docker --list",
    ),
)
@with_preferences("output", "quiet")
@with_settings("admin_group", others=("state_dir", "hook_timeout"))
def rollback(
    settings: Settings,
    preferences: Preferences,
    directory: Annotated[
        str, typer.Argument(metavar="DIR", help="The credential directory (--dir of issue).")
    ],
    generation: Annotated[
        str | None,
        typer.Argument(
            metavar="[GENERATION]",
            help="A name from --list, or a unique prefix of it; by default the newest that is "
            "older than the one in use.",
        ),
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="List the generations and exit.")] = False,
) -> None:
    """Roll back to an earlier certificate.

    The certificate, its key and ca.pem are swapped at once, and the current ones are kept.
    """
    from dockertls_vault.credential import history, reader
    from dockertls_vault.rollback import roll_back

    where = options.directory("DIR", directory)
    if list_ and generation is not None:
        raise InvalidInput("--list and GENERATION are mutually exclusive", hint="omit one of them")
    if list_:
        found = history.find(where)
        render.show("generations", found, preferences, parts=[_table(found)])
        return
    hooks = running(settings, os.environ)
    done = roll_back(where, generation, admins=settings.admin_group, now=datetime.now(UTC))
    changed = done.previous != done.generation.name
    place = reader.locate(done.directory, admins=settings.admin_group)
    done = replace(done, hooks=settled.run_hooks(place, hooks))
    render.show(
        "rollback",
        done,
        preferences,
        parts=[_fields(done)],
        warnings=done.warnings,
        ok=done.hooks.failure is None,
    )
    if not changed:
        logger.info("this generation is already in use; nothing changed")
    settled.report(done.hooks, settled.restart_note(place, hooks) if changed else None)


def _table(found: Generations) -> render.Table:
    """Return a row for each generation, with the time in its name, which is unique."""
    columns = ("generation", "in use", "names", "issuer", "valid until", "problem")
    rows = [_row(each) for each in found.generations]
    shown = len(columns) if any(each.problem for each in found.generations) else -1
    return render.Table(columns[:shown], [row[:shown] for row in rows])


def _row(generation: Generation) -> tuple[str, ...]:
    time, _, _ = generation.name.partition("-")
    used = "yes" if generation.in_use else "no"
    certificate = generation.certificate
    if certificate is None:
        return time, used, "", "", "", generation.problem or ""
    return (
        time,
        used,
        _names(generation),
        certificate.issuer,
        format_time(certificate.not_after),
        generation.problem or "",
    )


def _names(generation: Generation) -> str:
    """Return the SANs of a certificate, or its subject if it has none."""
    certificate = generation.certificate
    if certificate is None:
        return ""
    names = (*certificate.dns_names, *certificate.ip_addresses)
    return ", ".join(names) or certificate.subject or "(none)"


def _fields(done: RolledBack) -> render.Fields:
    pairs: list[tuple[str, Lines]] = [("in use", done.generation.name)]
    if done.previous is not None:
        pairs.append(("previous", done.previous))
    if certificate := done.generation.certificate:
        pairs += [
            ("names", _names(done.generation)),
            ("issuer", certificate.issuer),
            ("serial", certificate.serial),
            ("valid until", format_time(certificate.not_after)),
            ("sha256", certificate.fingerprint_sha256),
        ]
    pairs.append(("files", [f"{file.mode} {file.path}" for file in done.files]))
    return render.Fields(pairs)
