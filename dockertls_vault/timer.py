"""Install the systemd timer that renews the credentials of this host.

It inspects the host, plans, and applies the plan, which is empty if nothing needs to change.
Drop-ins are left to the administrator, and a unit file that we did not write is not overwritten.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .errors import ConfigurationError, UnmanagedFiles
from .files import guarded
from .files.refusals import refusals
from .host import systemd, unit_origin, units
from .host.steps import ReloadUnits, Step, Write
from .settings.method import Method
from .settings.schema import Flag, sources
from .vault.http.proxies import proxy_for
from .vault.login import method

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from .host.units import Program
    from .settings.schema import Settings

_PROGRAM = guarded.Use(
    "is run by root every five minutes", "install dockertls-vault as root, outside of a home"
)
# The tables of a configuration file with settings that a renewal uses. What it requests from Vault
# is stored with the credential.
_TABLES = ("vault.", "files.", "hooks.")
# The operator and the service need not log in alike.
_LOGIN = "vault.token_file"
_PROMPTING = {Method.USERPASS, Method.LDAP}


@dataclass(frozen=True)
class Enable(Step):
    """Start the timer, now and at every boot."""

    @property
    def summary(self) -> str:
        return f"enable and start {units.TIMER}"

    def apply(self) -> None:
        systemd.enable_and_start(units.TIMER)


@dataclass(frozen=True)
class Plan:
    """The steps that install the timer; none if it is installed.

    ``directories`` are those of the credentials in which its service may write.
    """

    directories: tuple[Path, ...]
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Installed:
    """The summaries of the steps that were planned, and whether they were ``applied``.

    ``directories`` are those of the credentials in which the timer's service may write.
    """

    steps: tuple[str, ...]
    applied: bool
    directories: tuple[Path, ...]


def plan(
    program: Program,
    directories: Iterable[Path],
    *,
    state: Path | None = None,
    place: Path = systemd.UNITS,
) -> Plan:
    """Return the plan that installs the timer for the credentials in ``directories``.

    ``state`` is the directory that lists them, if it is not the default, ``place`` that of the unit
    files. Raises UnmanagedFiles if a unit file is not ours, and
    InvalidSetting if another user could change the program, which root then runs.
    """
    _refuse_program(program)
    known = tuple(sorted(set(directories)))
    texts = units.texts(program, known if state is None else (*known, state))
    writes = tuple(_writes(place, texts))
    timer = systemd.state(units.TIMER)
    stale = bool(writes) or any(systemd.state(unit).stale for unit in texts)
    steps: list[Step] = [*writes]
    steps += [ReloadUnits()] if stale else []
    steps += [] if timer.enabled and timer.active else [Enable()]
    return Plan(known, tuple(steps))


def apply(plan: Plan, *, dry_run: bool) -> Installed:
    """Apply the steps of a plan in their order, unless this is a dry run."""
    if not dry_run:
        for step in plan.steps:
            step.apply()
    summaries = tuple(step.summary for step in plan.steps)
    return Installed(summaries, bool(plan.steps) and not dry_run, plan.directories)


def runs() -> bool:
    """Tell whether systemd runs the timer."""
    return systemd.is_running() and systemd.state(units.TIMER).active


def uncovered(directories: Iterable[Path], *, place: Path = systemd.UNITS) -> tuple[Path, ...]:
    """Return the ``directories`` in which the installed service may not write; none without one."""
    text = _read(place / units.SERVICE)
    if text is None or not unit_origin.is_ours(text.encode()):
        return ()
    return tuple(each for each in directories if not units.may_write(text, each))


def refuse_unseen(here: Settings, service: Settings) -> None:
    """Refuse to install a service that cannot renew, judged by its settings and those in use here.

    Raises ConfigurationError if it could not log in, or if a setting that is in use here has
    another value for it.
    """
    chosen = method.choose(service)
    if chosen.method is Method.TOKEN and "token_file" not in service.origins:
        raise ConfigurationError(
            "the service has no way to log in to Vault",
            hint="set auth.role_id and auth.secret_id_file in /etc/dockertls-vault/config.toml",
        )
    if chosen.method in _PROMPTING:
        raise ConfigurationError(
            f"the service cannot log in with {chosen.method}, which asks for a password",
            hint="use approle, cert or jwt",
        )
    unseen = tuple(_unseen(here, service))
    if unseen:
        raise ConfigurationError(
            "settings that are in use here do not apply to the service",
            problems=unseen,
            hint="set them in /etc/dockertls-vault/config.toml; if a drop-in sets them for the "
            "service, unset them here",
        )


def _unseen(here: Settings, service: Settings) -> Iterator[str]:
    """Yield each setting that a renewal uses and that differs, with its origin here."""
    for name, source in sources().items():
        origin = here.origins.get(name)
        used = (source.key or "").startswith(_TABLES) and source.key != _LOGIN
        if isinstance(origin, Flag) or (used and getattr(here, name) != getattr(service, name)):
            yield f"{source.key}: {origin}"
    if any(proxy_for(each, here) != proxy_for(each, service) for each in here.addresses):
        yield "vault.proxy: the proxy in the environment"


def _refuse_program(program: Program) -> None:
    for path in program.places:
        if units.is_temporary(path):
            raise ConfigurationError(
                f"{path} is in a directory that may be emptied at any time",
                hint="install dockertls-vault as root in another directory",
            )
        guarded.check(path, _PROGRAM)


def _writes(place: Path, texts: Mapping[str, str]) -> Iterator[Write]:
    for name, text in texts.items():
        found = _read(place / name)
        if found is not None and not unit_origin.is_ours(found.encode()):
            raise UnmanagedFiles(
                f"{place / name} was not written by dockertls-vault",
                hint="move it elsewhere, or keep it and run `dockertls-vault renew` from your own "
                "timer",
            )
        if found != text:
            before = None if found is None else found.encode()
            yield Write(place / name, before, text.encode())


def _read(path: Path) -> str | None:
    """Return the text of a unit file, None if missing, "" for a symlink, as of a masked unit."""
    with refusals(path.parent):
        try:
            status = path.lstat()
            return path.read_bytes().decode() if stat.S_ISREG(status.st_mode) else ""
        except FileNotFoundError:
            return None
