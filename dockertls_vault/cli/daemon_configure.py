"""``dockertls-vault daemon configure``."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dockertls_vault.daemon.printed import Form
from dockertls_vault.daemon.units import DOCTOR, SERVICE, START
from dockertls_vault.duration import parse_duration
from dockertls_vault.errors import CannotWrite, ConfirmationRequired, InvalidInput, LiveRestoreOff
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
    from dockertls_vault.daemon.desired import Listen, Wanted
    from dockertls_vault.daemon.plan import Plan
    from dockertls_vault.daemon.record import Record

logger = logging.getLogger(__name__)
EXAMPLES = examples(
    "sudo dockertls-vault daemon configure --dry-run",
    "sudo dockertls-vault daemon configure --listen 10.0.0.7 --listen 127.0.0.1",
    "sudo dockertls-vault daemon configure --remove",
    "dockertls-vault daemon configure --print compose --dir ./certs",
)


_TIMEOUT = "10s"
_NOT_SYSTEMD = "is for a dockerd that systemd runs: no other is restarted and checked"
_FLEETING = "this Docker removes what was started with --rm"


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
                "The directory of the server credential.",
                default=f"as before, or {SERVER_DIRECTORY}",
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
            help="Print what to paste where you set up dockerd yourself; nothing is changed.",
        ),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Apply the plan without asking for confirmation.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan without applying it.")
    ] = False,
    timeout: Annotated[
        str | None,
        typer.Option(
            metavar="DURATION",
            help=described("The timeout for each response of the check.", default=_TIMEOUT),
        ),
    ] = None,
) -> None:
    """Have dockerd serve TLS with a server credential, and prove it.

    The plan is printed with what it changes in each file. dockerd is restarted once; then it is
    checked from outside, and what was there before is put back if it fails. Containers keep running
    (live-restore), except on a Swarm node. Without systemd, only daemon.json is changed.
    """
    from dockertls_vault.configure import preview
    from dockertls_vault.host import systemd

    by_systemd = systemd.is_running()
    for_check = {"--certs": certs, "--timeout": timeout}
    for_systemd: Mapping[str, object] = {"--take-over": take_over, **for_check}
    if form is not None:
        given = {**for_systemd, "--remove": remove, "--dry-run": dry_run}
        _refuse(given, "cannot be combined with --print")
        daemon_print.show(form, _directory(directory), _listens(listen), preferences)
        return
    if remove:
        given = {**for_systemd, "--dir": directory, "--listen": listen}
        _refuse(given, "cannot be combined with --remove")
    elif not by_systemd:
        _refuse(for_systemd, _NOT_SYSTEMD)
    _require_root()
    limit = parsed("--timeout", parse_duration, timeout or _TIMEOUT)
    state = state_directory(settings, os.environ)
    wanted = None if remove else _wanted(state, directory, listen, take_over=take_over)
    plan = partial(_planned, state, wanted, by_systemd=by_systemd)
    change = plan()
    outcome = preview(change.plan)
    render.text(_plan(outcome), preferences)
    if outcome.directory is not None:
        change.plan.distrusted.warn(outcome.directory)
    warnings: tuple[str, ...] = ()
    if change.plan.steps and not dry_run:
        try:
            outcome = _apply(change, certs, limit, yes=yes)
        except LiveRestoreOff as error:
            stopped = ", ".join(error.problems)
            logger.warning("%s: a restart stops %s", error.message, stopped)
            outcome = _apply(plan(can_reload=False), certs, limit, yes=yes)
        if outcome.proofs and outcome.directory is not None:
            warnings = settled.note_restart(outcome.directory, running(settings, os.environ))
    summary = _summary(outcome, by_systemd=by_systemd)
    render.show("daemon-configure", outcome, preferences, parts=[summary], warnings=warnings)


def _wanted(
    state: Path, directory: str | None, listen: Sequence[str] | None, *, take_over: bool
) -> Wanted:
    """Return the set-up that is asked for; the credential is the previous one by default."""
    from dockertls_vault.daemon.desired import Wanted
    from dockertls_vault.daemon.records import Records

    chosen = _directory(directory, Records(state).read())
    return Wanted(chosen, _listens(listen), take_over=take_over)


def _planned(
    state: Path, wanted: Wanted | None, *, by_systemd: bool, can_reload: bool = True
) -> Change:
    """Plan the set-up that is wanted, or else the removal."""
    from dockertls_vault import configure, configure_file

    now = datetime.now(UTC)
    if not by_systemd:
        if wanted is None:
            return configure_file.take_back(state)
        return configure_file.set_up(state, wanted, now)
    if wanted is None:
        return configure.take_back(state)
    return configure.set_up(state, wanted, now, can_reload=can_reload)


def _apply(change: Change, certs: str | None, limit: timedelta, *, yes: bool) -> Outcome:
    """Ask, apply the plan, and prove it with the client credential in ``certs``."""
    from dockertls_vault.configure import apply

    _confirm(change.plan, yes=yes)
    client = _client(change, certs)
    return apply(change, client=client, timeout=limit, now=lambda: datetime.now(UTC))


def _require_root() -> None:
    if os.geteuid() != 0:
        raise CannotWrite(
            "only root can set up dockerd",
            hint="run it with `sudo`; for rootless Docker, use --print (see the guide "
            "'Configure dockerd without systemd')",
        )


def _refuse(given: Mapping[str, object], why: str) -> None:
    """Raise InvalidInput for the first flag that was given."""
    for flag, value in given.items():
        if value:
            raise InvalidInput(f"{flag} {why}")


def _directory(given: str | None, before: Record | None = None) -> Path:
    """Return the directory that was given, the one that was set up ``before``, or the default."""
    from dockertls_vault.credential.layout import absolute

    if given is not None:
        return absolute(options.directory("--dir", given))
    return absolute(SERVER_DIRECTORY) if before is None else before.certificates


def _listens(given: Sequence[str] | None) -> tuple[Listen, ...]:
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
    return [*parts, ""] if outcome.diffs else parts


def _confirm(made: Plan, *, yes: bool) -> None:
    """Ask before anything is changed; raises ConfirmationRequired for a no."""
    if yes:
        return
    stops = made.stops
    what = f"restart {SERVICE}" if made.restarts else "change these files"
    if stops:
        why = _FLEETING if made.restores else "live-restore cannot be switched on"
        what += f", which stops these containers ({why})"
    elif made.restarts:
        what += ", which stops no container"
    answer = speech.confirmed([f"this will {what}", *stops])
    if answer is False:
        raise ConfirmationRequired("not confirmed: nothing was changed")
    if answer is None:
        raise ConfirmationRequired(
            f"there is no terminal to ask on, so nothing was changed: this would {what}",
            problems=stops,
            hint="use --yes to confirm",
        )


def _summary(outcome: Outcome, *, by_systemd: bool) -> str:
    if not outcome.steps:
        return "no changes needed"
    if not outcome.applied:
        return "nothing was changed (--dry-run)"
    if outcome.directory is None:
        if by_systemd:
            return "the set-up is removed"
        return "the settings are removed; they are in effect until dockerd is restarted"
    where = ", ".join(outcome.listen)
    if outcome.proofs:
        return f"dockerd serves TLS at {where}, and passed its check"
    if by_systemd:
        return (
            f"dockerd serves TLS at {where} once {SERVICE} is started, which is not running: run "
            f"`{START}`; if it does not start, `{DOCTOR}` says why"
        )
    return (
        f"dockerd serves TLS at {where} once it is restarted, which nothing on this host does: "
        "restart it now and after each renewal, then run `dockertls-vault check`"
    )
