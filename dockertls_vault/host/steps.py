"""The steps of a plan that changes this host: each has a summary, and is safe to repeat."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dockertls_vault.errors import CannotWrite, ConflictingState
from dockertls_vault.files import atomic, descriptors, reading, walk
from dockertls_vault.files.refusals import refusals

from . import systemd

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_MODE = 0o644
_DIRECTORY_MODE = 0o755


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
class Write(Step):
    """Replace the content of the file at ``path``, None for no file.

    ``why`` tells it from other edits of the same file. Raises ConflictingState if others have
    changed it since the plan was made.
    """

    path: Path
    before: bytes | None = field(repr=False)
    after: bytes | None = field(repr=False)
    why: str = ""

    @property
    def summary(self) -> str:
        if self.after is None:
            return f"remove {self.path}"
        edit = f"{'write' if self.before is None else 'edit'} {self.path}"
        return f"{edit} ({self.why})" if self.why else edit

    def apply(self) -> None:
        with refusals(self.path.parent):
            if self._content() not in (self.before, self.after):
                raise ConflictingState(f"{self.path} was changed meanwhile", hint="try again")
            if self.after is None:
                self._remove()
            else:
                self._replace(self.after)

    def _content(self) -> bytes | None:
        try:
            return reading.read(self.path)
        except FileNotFoundError:
            return None

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
class ReloadUnits(Step):
    """Have systemd read the unit files."""

    @property
    def summary(self) -> str:
        return "reload systemd's unit files"

    def apply(self) -> None:
        systemd.reload()


def refuse_read_only(steps: Iterable[Step]) -> None:
    """Raise CannotWrite if a file of these steps is on a file system that is mounted read-only."""
    for path in (step.path.resolve() for step in steps if isinstance(step, Write)):
        there = next(each for each in (path, *path.parents) if each.exists())
        if os.statvfs(there).f_flag & os.ST_RDONLY:
            raise CannotWrite(
                f"{path} cannot be changed: its file system is mounted read-only",
                hint="mount it read-write, then try again; or, if it is a unit file, override its "
                f"settings: `sudo systemctl edit {path.name}`",
            )


def discard_staged(paths: Iterable[Path]) -> None:
    """Remove what a run that was killed had staged for each of these files."""
    for path in paths:
        with refusals(path.parent):
            _staged(path.resolve()).unlink(missing_ok=True)


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


def _staged(path: Path) -> Path:
    """Return where the new content of a file is written before it replaces the old."""
    return path.with_name(f".{path.name}.dockertls-vault")
