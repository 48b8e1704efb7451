"""The steps of a set-up: each has a summary, and is safe to repeat.

A kill after any of them leaves a host on which dockerd starts and its unix socket works.
"""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dockertls_vault import stop
from dockertls_vault.credential.preflight import refusals
from dockertls_vault.errors import ConflictingState
from dockertls_vault.files import atomic, descriptors, reading, walk
from dockertls_vault.host import systemd

from . import units
from .desired import LIVE_RESTORE

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from dockertls_vault.docker.engine import Engine

    from .record import Record, Records

_MODE = 0o644
_DIRECTORY_MODE = 0o755
_LIMIT = 10.0  # seconds for dockerd to act on a SIGHUP
_POLL = 0.05  # seconds


class Step(ABC):
    """One change to this host."""

    @property
    @abstractmethod
    def summary(self) -> str:
        """What it does, for people."""

    @abstractmethod
    def apply(self) -> None:
        """Apply it."""


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
class Write(Step):
    """Replace the content of the file at ``path``, None for no file."""

    path: Path
    before: bytes | None = field(repr=False)
    after: bytes | None = field(repr=False)

    @property
    def summary(self) -> str:
        if self.after is None:
            return f"remove {self.path}"
        return f"{'write' if self.before is None else 'edit'} {self.path}"

    def apply(self) -> None:
        with refusals(self.path.parent):
            if self.after is None:
                self._remove()
            else:
                self._replace(self.after)

    def _replace(self, content: bytes) -> None:
        # A link is followed: what it leads to is the file that others edit.
        path = self.path.resolve()
        for directory in reversed([each for each in path.parents if not each.exists()]):
            with (
                reading.opened(str(directory.parent)) as within,
                atomic.directory(directory.name, _DIRECTORY_MODE, within),
            ):
                pass
        staged = _staged(path).name
        with reading.opened(str(path.parent)) as within:
            with suppress(FileNotFoundError):
                os.unlink(staged, dir_fd=within)  # of a run that was killed
            try:
                _stage(content, path.name, staged, within)
                os.rename(staged, path.name, src_dir_fd=within, dst_dir_fd=within)
            except OSError:
                with suppress(OSError):
                    atomic.remove(staged, within)
                raise
            os.fsync(within)

    def _remove(self) -> None:
        if not self.path.parent.is_dir():
            return
        with reading.opened(str(self.path.parent.resolve())) as within:
            with suppress(FileNotFoundError):
                os.unlink(self.path.name, dir_fd=within)
            os.fsync(within)


@dataclass(frozen=True)
class SwitchLiveRestore(Step):
    """Have dockerd read live-restore from daemon.json (SIGHUP), and wait until it is in effect.

    ``running`` are the containers that a restart would stop without it.
    """

    engine: Engine
    on: bool
    running: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        switch = "on" if self.on else "off"
        return f"reload {units.SERVICE}, which switches {LIVE_RESTORE} {switch}"

    def apply(self) -> None:
        systemd.hang_up(units.SERVICE)
        deadline = time.monotonic() + _LIMIT
        while self.engine.info().get("LiveRestoreEnabled") is not self.on:
            if time.monotonic() > deadline:
                raise ConflictingState(
                    f"dockerd did not switch {LIVE_RESTORE} {'on' if self.on else 'off'}",
                    problems=tuple(f"a restart would stop {name}" for name in self.running),
                    hint=f"see its log: journalctl -u {units.SERVICE}",
                )
            stop.wait(_POLL)


@dataclass(frozen=True)
class ReloadUnits(Step):
    """Have systemd read the unit files."""

    @property
    def summary(self) -> str:
        return "reload systemd's unit files"

    def apply(self) -> None:
        systemd.reload()


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
            systemd.restart(units.SERVICE)
        except ConflictingState:
            raise ConflictingState(
                f"{units.SERVICE} does not start",
                hint=f"see its log: journalctl -u {units.SERVICE}",
            ) from None
        self.engine.info()


def _stage(content: bytes, name: str, staged: str, within: int) -> None:
    """Write the new content of the file ``name``, with the attributes of the old one."""
    try:
        with descriptors.opened(name, walk.PATH_ONLY | os.O_NOFOLLOW, within) as old:
            status, path = os.fstat(old), f"/proc/self/fd/{old}"
            attributes = {each: os.getxattr(path, each) for each in os.listxattr(path)}
    except FileNotFoundError:
        atomic.create(staged, content, _MODE, within)
    else:
        atomic.copy(content, status, staged, within, attributes)


def discard_staged(paths: Iterable[Path]) -> None:
    """Remove what a run that was killed had staged for each of these files."""
    for path in paths:
        with refusals(path.parent):
            _staged(path.resolve()).unlink(missing_ok=True)


def _staged(path: Path) -> Path:
    """Return where the new content of a file is written before it replaces the old."""
    return path.with_name(f".{path.name}.dockertls-vault")
