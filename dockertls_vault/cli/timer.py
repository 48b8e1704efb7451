"""``dockertls-vault renew --install-timer``."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from dockertls_vault.duration import format_time
from dockertls_vault.errors import CannotWrite, InvalidInput

from . import program, render
from .directories import SERVER_DIRECTORY, state_directory
from .preferences import Preferences

if TYPE_CHECKING:
    from dockertls_vault.certificate.also_trusted import TrustedUntil
    from dockertls_vault.settings.schema import Settings
    from dockertls_vault.timer import Installed


def install(
    settings: Settings,
    preferences: Preferences,
    others: Mapping[str, object],
    *,
    dry_run: bool,
    wanted: bool,
) -> None:
    """Print the plan that installs the timer, and apply it unless this is a dry run.

    ``others`` are the values of options that cannot be combined with it; ``wanted`` is whether
    --install-timer was given.
    """
    from dockertls_vault import timer
    from dockertls_vault.credential.registry import Registry
    from dockertls_vault.host import systemd
    from dockertls_vault.host.units import Program
    from dockertls_vault.renew_all import known
    from dockertls_vault.settings import resolve

    if not wanted:
        raise InvalidInput("--dry-run needs --install-timer")
    for flag, value in others.items():
        if value:
            raise InvalidInput(f"{flag} cannot be combined with --install-timer")
    if os.geteuid() != 0:
        raise CannotWrite(
            "only root can install the timer",
            hint="run it with `sudo`; to renew your own credentials, run `dockertls-vault renew` "
            "from cron or a user timer",
        )
    systemd.require_running(
        instead="run `dockertls-vault renew` from cron every few minutes, or `dockertls-vault "
        "renew --watch` as a service"
    )
    service = resolve.resolve({}, {}, resolve.config_files({}))
    timer.refuse_unseen(settings, service)
    state = state_directory(service, {})
    plan = timer.plan(
        Program(program.command(), program.places()),
        (SERVER_DIRECTORY, *known(Registry(state))),
        state=service.state_dir,
    )
    render.text([f"- {step.summary}" for step in plan.steps], preferences)
    result = timer.apply(plan, dry_run=dry_run)
    render.show("timer", result, preferences, parts=[_summary(result)])


def uncovered(directories: Iterable[Path]) -> tuple[Path, ...]:
    """Return the directories in which root's timer may not write; none without a timer."""
    from dockertls_vault import timer

    return timer.uncovered(directories) if os.geteuid() == 0 else ()


def warnings(uncovered: Iterable[Path]) -> tuple[str, ...]:
    """Return a warning for each of these directories."""
    return tuple(
        f"the timer cannot renew {directory} yet: run `dockertls-vault renew --install-timer` again"
        for directory in uncovered
    )


def end_date_warnings(cas: Iterable[TrustedUntil]) -> tuple[str, ...]:
    """Return a warning for each CA with an end date at which no timer of root's removes it."""
    from dockertls_vault import timer

    if not cas or (os.geteuid() == 0 and timer.runs()):
        return ()
    how = "run `sudo dockertls-vault renew --install-timer`, or run `renew` from cron"
    return tuple(
        f"no timer removes {ca.certificate.subject or '(empty)'} from ca.pem after "
        f"{format_time(ca.until)}: {how}"
        for ca in cas
    )


def _summary(result: Installed) -> str:
    if result.applied:
        return "the timer is installed: every five minutes, it renews the certificates that are due"
    return "nothing was changed (--dry-run)" if result.steps else "no changes needed"
