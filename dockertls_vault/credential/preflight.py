"""Check that a credential can be written to its directory, before anything is changed."""

from __future__ import annotations

import os
import shlex
import stat
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from dockertls_vault.certificate.request import Purpose
from dockertls_vault.errors import CannotWrite, ConflictingState, UnmanagedFiles
from dockertls_vault.files import reading, walk
from dockertls_vault.files.refusals import refusals
from dockertls_vault.files.writers import user_name

from . import record
from .layout import Kind, Layout
from .naming import LOCK, PRIVATE, RENEWAL_LOCK, REQUEST
from .worker import by_worker, refuse_component, refuse_other_writers

if TYPE_CHECKING:
    from dockertls_vault.files.walk import OpenDirectory

    from .layout import Placement

_SUDO = "run it with `sudo -E`, which keeps VAULT_ADDR and VAULT_TOKEN"
_SUDO_WITHOUT_VAULT = "run it with `sudo`"


def check(placement: Placement, *, replace: bool) -> tuple[str, ...]:
    """Return the public names of files that this tool did not create and will replace.

    A placement without a kind accepts the kind of the installed credential. Raises CannotWrite if
    the directory is not writable for us or is writable for others, ConflictingState if it holds a
    credential of another kind, and UnmanagedFiles if it would replace files without ``replace``.
    """
    with refusals(placement.directory):
        foreign = by_worker(placement, _inspect)
    if foreign and not replace:
        raise UnmanagedFiles(
            f"refusing to overwrite {', '.join(foreign)} in {placement.directory}: not created by "
            "dockertls-vault"
        )
    return foreign


def _inspect(placement: Placement) -> tuple[str, ...]:
    """Inspect every component of the path and the contents of the directory, held open."""
    with walk.open_directory(placement.directory, partial(refuse_component, placement)) as reached:
        if reached.path == Path("/") and not reached.remaining:
            raise CannotWrite("/ cannot be a credential directory", hint=placement.remedy())
        _refuse_unwritable(placement, reached)
        if reached.remaining:
            return ()
        _refuse_planted(placement, reached.path / PRIVATE, reached.descriptor)
        if placement.kind is not None:
            _refuse_another_kind(placement, placement.kind, reached.descriptor)
        return _foreign(placement, reached.descriptor)


def _refuse_unwritable(placement: Placement, reached: OpenDirectory) -> None:
    """Raise CannotWrite if files cannot be created in the directory, or in its closest parent."""
    path = reached.path
    # By the effective IDs of this thread, which may differ from those of the process.
    if os.access(".", os.W_OK | os.X_OK, dir_fd=reached.descriptor, effective_ids=True):
        return
    if os.fstatvfs(reached.descriptor).f_flag & os.ST_RDONLY:
        raise CannotWrite(f"{path} is on a read-only file system", hint=placement.remedy())
    owner = os.fstat(reached.descriptor).st_uid
    if owner == placement.worker:
        raise CannotWrite(f"no write permission in {path}", hint=placement.remedy())
    if os.geteuid() != placement.worker:
        # No chown in the hint: another user may have led root to this directory.
        files = user_name(placement.worker or 0)
        raise CannotWrite(
            f"{path} belongs to {user_name(owner)}, but the files would belong to {files}",
            hint=placement.remedy(),
        )
    # A credential that cannot be moved is already installed: changing it does not involve Vault.
    sudo = _SUDO if placement.movable else _SUDO_WITHOUT_VAULT
    raise CannotWrite(f"{path} belongs to {user_name(owner)}", hint=placement.remedy(sudo))


def _refuse_planted(placement: Placement, path: Path, within: int, deeper: int = 2) -> None:
    """Refuse files in our private directory that somebody else owns or can change.

    Each file is opened with O_PATH, which never blocks, and checked by its descriptor. ``deeper``
    is how many directory levels to descend: down to .dockertls/generations/<name>.
    """
    with suppress(FileNotFoundError), walk.open_path(path.name, within) as found:
        status = os.fstat(found)
        _refuse_planted_file(placement, path, found, status)
        if not deeper or not stat.S_ISDIR(status.st_mode):
            return
        with reading.opened(".", found) as listed:
            for name in reading.entries(listed):
                _refuse_planted(placement, path / name, listed, deeper - 1)


def _refuse_planted_file(
    placement: Placement, path: Path, found: int, status: os.stat_result
) -> None:
    kind = status.st_mode
    if path.name == PRIVATE and not stat.S_ISDIR(kind):
        what = "a file" if stat.S_ISREG(kind) else "not a directory"
        raise CannotWrite(f"{path} is {what}", hint=placement.remedy())
    private = shlex.quote(str(placement.directory / PRIVATE))
    aside = f"mv {private} {private}.aside; it is recreated"
    if path.name in {REQUEST, LOCK, RENEWAL_LOCK} and not (
        stat.S_ISREG(kind) and status.st_nlink <= 1
    ):
        what = "has another hard link" if stat.S_ISREG(kind) else "is not a regular file"
        raise CannotWrite(f"{path} {what}", hint=aside)
    if status.st_uid != placement.worker:
        # Not chown: the request could name hooks, which would then run as the worker.
        raise CannotWrite(f"{path} belongs to {user_name(status.st_uid)}", hint=aside)
    if stat.S_ISDIR(kind) or stat.S_ISREG(kind):
        refuse_other_writers(placement, path, found)


def _refuse_another_kind(placement: Placement, kind: Kind, directory: int) -> None:
    kept = record.read(placement.directory, directory)
    if kept is None and kind.layout is Layout.DOCKER:
        for purpose in Purpose:
            if _is_for_dind(purpose, placement.directory, directory):
                raise ConflictingState(
                    f"{placement.directory / purpose} already holds a {purpose} credential in the "
                    "dind layout",
                    hint=placement.remedy("add --layout dind to renew it"),
                )
    if kept is not None and kept.kind != kind:
        raise ConflictingState(
            f"{placement.directory} holds a {kept.kind.purpose} credential in the "
            f"{kept.kind.layout} layout",
            hint=placement.remedy(),
        )


def _is_for_dind(purpose: Purpose, path: Path, directory: int) -> bool:
    """Return whether the subdirectory for ``purpose`` holds a credential in the dind layout."""
    with suppress(OSError, ConflictingState), reading.opened(purpose.value, directory) as below:
        kept = record.read(path / purpose.value, below)
        return kept is not None and kept.kind == Kind(purpose, Layout.DIND)
    return False


def _foreign(placement: Placement, directory: int) -> tuple[str, ...]:
    found = []
    for public, ours in placement.links:
        with suppress(FileNotFoundError):
            mode = os.lstat(public, dir_fd=directory).st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
                raise CannotWrite(
                    f"{placement.directory / public} is neither a regular file nor a symbolic link"
                )
            if reading.link_target(public, directory) != ours:
                found.append(public)
    return tuple(found)
