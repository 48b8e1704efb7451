"""The steps of a set-up, with those of host/steps.py.

A kill after any of them leaves a host on which dockerd starts and its unix socket works.
"""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dockertls_vault import stop
from dockertls_vault.errors import ConflictingState, LiveRestoreOff
from dockertls_vault.host import systemd
from dockertls_vault.host.steps import Step

from . import docker_service, units
from .desired import LIVE_RESTORE

if TYPE_CHECKING:
    from pathlib import Path

    from dockertls_vault.docker.engine import Engine

    from .record import Record
    from .records import Records

logger = logging.getLogger(__name__)

_LIMIT = 10.0  # seconds for dockerd to act on a SIGHUP
_POLL = 0.05  # seconds


@dataclass(frozen=True)
class Keep(Step):
    """Record what the set-up adds and what was there before."""

    records: Records
    record: Record

    @property
    def summary(self) -> str:
        return f"record the set-up in {self.records.directory}"

    def apply(self) -> None:
        self.records.write(self.record)


@dataclass(frozen=True)
class Forget(Step):
    """Remove the record, once everything in it has been taken back.

    Of ``directories``, which the set-up made, those that are empty by now are removed, too.
    """

    records: Records
    directories: tuple[Path, ...]

    @property
    def summary(self) -> str:
        return f"remove the record in {self.records.directory}"

    def apply(self) -> None:
        for directory in self.directories:
            with suppress(OSError):  # not empty: others use it, too
                directory.rmdir()
        self.records.remove()


@dataclass(frozen=True)
class SwitchLiveRestore(Step):
    """Have dockerd read live-restore from daemon.json (SIGHUP), and wait until it is in effect.

    ``running`` are the containers that a restart would stop without it: if there are any, and it
    cannot be switched on, LiveRestoreOff is raised.
    """

    engine: Engine
    on: bool
    running: tuple[str, ...] = field(default=(), compare=False)  # it is the same step then

    @property
    def summary(self) -> str:
        switch = "on" if self.on else "off"
        return f"reload {units.SERVICE}, which switches {LIVE_RESTORE} {switch}"

    def apply(self) -> None:
        if self._is_in_effect():
            return
        if not self.on:
            logger.warning(
                "dockerd did not switch %s off when it was reloaded: its next restart stops "
                "containers",
                LIVE_RESTORE,
            )
        elif self.running:
            raise LiveRestoreOff(
                f"dockerd did not switch {LIVE_RESTORE} on when it was reloaded",
                problems=self.running,
                hint=f"see its log: journalctl -u {units.SERVICE}",
            )

    def _is_in_effect(self) -> bool:
        if not docker_service.can_reload():
            return False
        systemd.hang_up(units.SERVICE)
        deadline = time.monotonic() + _LIMIT
        while self.engine.info().get("LiveRestoreEnabled") is not self.on:
            if time.monotonic() > deadline:
                return False
            stop.wait(_POLL)
        return True


@dataclass(frozen=True)
class CloseSocket(Step):
    """Close systemd's side of the socket; dockerd goes on with its own until it is restarted."""

    @property
    def summary(self) -> str:
        return f"stop {units.SOCKET}"

    def apply(self) -> None:
        try:
            systemd.stop(units.SOCKET)
            systemd.reset_failed(units.SOCKET)
        except ConflictingState:  # it is not loaded
            if systemd.state(units.SOCKET).active:
                raise


@dataclass(frozen=True)
class Restart(Step):
    """Restart docker.service; systemd starts the socket in between, if that is to be open."""

    engine: Engine

    @property
    def summary(self) -> str:
        return f"restart {units.SERVICE}"

    def apply(self) -> None:
        try:
            with stop.to_the_end():
                systemd.restart(units.SERVICE)
        except ConflictingState as error:
            why = error.message.partition("\n")[0].removesuffix(".")
            raise ConflictingState(
                f"the restart of {units.SERVICE} failed: {why}",
                hint=error.hint or f"see its log: journalctl -u {units.SERVICE}",
            ) from None
        self.engine.info()
