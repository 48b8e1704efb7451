"""``dockertls-vault daemon configure``."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dockertls_vault.daemon.printed import Form
from dockertls_vault.daemon.units import SERVICE
from dockertls_vault.duration import parse_duration
from dockertls_vault.errors import CannotWrite, ConfirmationRequired, InvalidInput
from dockertls_vault.settings import parsers
from dockertls_vault.settings.schema import Settings

from . import daemon_print, options, render, settled, speech
from .directories import SERVER_DIRECTORY, docker_cli_directory, state_directory
from .help import described, examples
from .options import parsed, with_preferences, with_settings
from .preferences import Preferences
from .running import running

if TYPE_CHECKING:
    from dockertls_vault.configure import Change, Outcome
    from dockertls_vault.credential.reader import CredentialFiles
    from dockertls_vault.daemon.desired import Listen
    from dockertls_vault.daemon.plan import Plan

logger = logging.getLogger(__name__)
EXAMPLES = examples(
    "sudo dockertls-vault daemon configure --dry-run",
    "sudo dockertls-vault daemon configure --listen 10.0.0.7 --listen [2001:db8::7]:2376",
    "sudo dockertls-vault daemon configure --remove",
    "dockertls-vault daemon configure --print compose --dir ./certs",
)


@with_preferences("output", "quiet", "verbose")
@with_settings(others=("state_dir",))
def configure(
    settings: Settings,
    preferences: Preferences,
    directory: Annotated[
        str | None,
        typer.Option(
            "--dir",
            metavar="DIR",
            help=described(
                "The directory of the server credential.", default=str(SERVER_DIRECTORY)
            ),
        ),
    ] = None,
    listen: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ADDRESS",
            help=described(
                "A port, an IP address, or both, to listen at; repeatable.",
                default="as before, or 2376",
            ),
        ),
    ] = None,
    certs: Annotated[
        str | None,
        typer.Option(
            metavar="DIR",
            help=described(
                "The directory of a client credential to check the daemon with.",
                variables=["DOCKER_CERT_PATH"],
                default="~/.docker, if its CA is the daemon's",
            ),
        ),
    ] = None,
    take_over: Annotated[
        bool,
        typer.Option(
            "--take-over",
            help="Move flags and hosts of dockerd that clash; --remove puts them back.",
        ),
    ] = False,
    remove: Annotated[
        bool, typer.Option("--remove", help="Take back what the set-up added, and nothing else.")
    ] = False,
    form: Annotated[
        Form | None,
        typer.Option(
            "--print",
            metavar="|".join(Form),
            help="Print what to paste where this host has no systemd; nothing is read or changed.",
        ),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Apply the plan without asking for confirmation.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan without applying it.")
    ] = False,
    timeout: Annotated[
        str, typer.Option(metavar="DURATION", help="The timeout for each response of the check.")
    ] = "10s",
) -> None:
    """Have dockerd serve TLS with a server credential, and prove it.

    The plan is printed with what it changes in each file. dockerd is restarted once; then it is
    checked from outside, and what was there before is put back if it fails. Containers keep running
    (live-restore), except on a Swarm node.
    """
    from dockertls_vault import configure as set_up
    from dockertls_vault import configure_file
    from dockertls_vault.host import systemd

    if form is not None:
        given = {"--remove": remove, "--certs": certs, "--dry-run": dry_run}
        _refuse(given | {"--take-over": take_over}, "--print")
        daemon_print.show(form, _directory(directory), _listens(listen), preferences)
        return
    _require_root()
    limit = parsed("--timeout", parse_duration, timeout)
    state = state_directory(settings, os.environ)
    if remove:
        others = {"--dir": directory, "--listen": listen, "--certs": certs}
        _refuse(others | {"--take-over": take_over}, "--remove")
    if not systemd.is_running():
        _refuse({"--take-over": take_over}, "a dockerd that systemd does not run")
        made = (
            configure_file.take_back(state, timeout=limit)
            if remove
            else configure_file.set_up(
                state,
                _directory(directory),
                _listens(listen),
                now=datetime.now(UTC),
                timeout=limit,
            )
        )
        _apply_file(made, preferences, yes=yes, dry_run=dry_run)
        return
    if remove:
        change = set_up.take_back(state)
    else:
        change = set_up.set_up(
            state, _directory(directory), _listens(listen), datetime.now(UTC), take_over=take_over
        )
    render.text(_plan(set_up.preview(change)), preferences)
    warnings: tuple[str, ...] = ()
    if dry_run or not change.plan.steps:
        outcome = set_up.preview(change)
    else:
        _confirm(change, yes=yes)
        client = _client(change, certs)
        outcome = set_up.apply(change, client=client, timeout=limit, now=lambda: datetime.now(UTC))
        if outcome.proofs and outcome.directory is not None:
            warnings = settled.note_restart(outcome.directory, running(settings, os.environ))
    summary = _summary(outcome, remove=remove)
    render.show("daemon-configure", outcome, preferences, parts=[summary], warnings=warnings)


def _apply_file(made: Plan, preferences: Preferences, *, yes: bool, dry_run: bool) -> None:
    """Print the plan for a dockerd that systemd does not run, and apply it."""
    from dockertls_vault import configure_file

    planned = configure_file.apply(made, dry_run=True)
    render.text(_plan(planned), preferences)
    if planned.steps and not dry_run and not yes:
        _ask("change the configuration of dockerd")
    outcome = configure_file.apply(made, dry_run=dry_run)
    summary = _file_summary(outcome) if outcome.applied else _summary(outcome, remove=False)
    render.show("daemon-configure", outcome, preferences, parts=[summary])


def _file_summary(outcome: Outcome) -> str:
    if outcome.directory is None:
        return "the settings are removed; they are in effect until dockerd is restarted"
    return (
        f"dockerd serves TLS at {', '.join(outcome.listen)} once it is restarted, which nothing on "
        "this host does: restart it now and after each renewal, then run `dockertls-vault check`"
    )


def _require_root() -> None:
    if os.geteuid() != 0:
        raise CannotWrite("only root can set up dockerd", hint="run it with `sudo`")


def _refuse(others: Mapping[str, object], chosen: str) -> None:
    for flag, value in others.items():
        if value:
            raise InvalidInput(f"{flag} cannot be combined with {chosen}")


def _directory(given: str | None) -> Path:
    from dockertls_vault.credential.layout import absolute

    return absolute(SERVER_DIRECTORY if given is None else options.directory("--dir", given))


def _listens(given: Sequence[str] | None) -> Sequence[Listen]:
    from dockertls_vault.daemon.desired import parse_listens

    try:
        return parse_listens(given or [])
    except InvalidInput as error:
        raise InvalidInput(f"--listen: {error.message}", hint=error.hint) from None


def _client(change: Change, certs: str | None) -> CredentialFiles | None:
    """Return the client credential to check with: the one named, or the default if it fits."""
    from dockertls_vault.credential import reader
    from dockertls_vault.proof import find_client

    if change.served is None:
        return None
    if certs is not None:
        files: CredentialFiles | None = reader.installed(options.directory("--certs", certs))
    else:
        default = parsers.path(str(docker_cli_directory(os.environ)))
        files = find_client(default, change.served, datetime.now(UTC))
    if files is not None:
        logger.info("the client certificate of the check is %s", files.cert.absolute())
    return files


def _plan(outcome: Outcome) -> list[render.Part]:
    """Return the steps of a plan, and what they change in files."""
    parts: list[render.Part] = [f"- {step}" for step in outcome.steps]
    for diff in outcome.diffs:
        parts += ["", render.Diff(diff)]
    return parts


def _confirm(change: Change, *, yes: bool) -> None:
    """Ask before anything is changed; raises ConfirmationRequired for a no."""
    stops = change.plan.stops
    what = f"restart {SERVICE}" if change.plan.restarts else "change these files"
    if stops:
        what += ", which stops these containers: live-restore cannot be switched on"
    if not yes:
        _ask(what, stops)


def _ask(what: str, stops: tuple[str, ...] = ()) -> None:
    answer = speech.confirmed([f"this will {what}", *stops])
    if answer is False:
        raise ConfirmationRequired("not confirmed: nothing was changed")
    if answer is None:
        raise ConfirmationRequired(
            f"nothing was changed: this would {what}", problems=stops, hint="use --yes to confirm"
        )


def _summary(outcome: Outcome, *, remove: bool) -> str:
    if not outcome.steps:
        return "no changes needed"
    if not outcome.applied:
        return "nothing was changed (--dry-run)"
    if remove:
        return "the set-up is removed"
    where = ", ".join(outcome.listen)
    if not outcome.proofs:
        return f"dockerd serves TLS at {where} once {SERVICE} is started: it is not running"
    return f"dockerd serves TLS at {where}, and passed its check"
