"""The server credential that dockerd is to serve: its public paths, and what is wrong with it."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from shlex import quote
from typing import TYPE_CHECKING

from dockertls_vault.certificate.certificate import load_certificates
from dockertls_vault.certificate.keys import is_key_of
from dockertls_vault.certificate.request import Purpose
from dockertls_vault.credential.layout import Layout, absolute
from dockertls_vault.credential.naming import SERVER_NAMES, public_names
from dockertls_vault.docker.diagnosis.report import Result
from dockertls_vault.docker.diagnosis.server_certificate import judge_usage
from dockertls_vault.duration import format_time
from dockertls_vault.errors import ConflictingState, VerificationError
from dockertls_vault.files import acl, reading, walk
from dockertls_vault.files.writers import Trust, untrusted_writers, user_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime
    from pathlib import Path

    from cryptography.x509 import Certificate

    from dockertls_vault.files.walk import Component


@dataclass(frozen=True)
class Served:
    """A server credential: the public paths of ca.pem, certificate and key, which stay the same.

    ``roots`` are the CAs in ca.pem, whose clients dockerd accepts.
    """

    paths: tuple[Path, Path, Path]
    leaf: Certificate
    roots: tuple[Certificate, ...]


def load(directory: Path, now: datetime) -> Served:
    """Read the credential in ``directory``, or in its subdirectory ``server`` (--layout dind).

    Raises ConflictingState if there is none, and VerificationError with all that is wrong with it.
    """
    whole = absolute(directory)
    ca, cert, key = files = paths(whole)
    try:
        roots = load_certificates(reading.read(ca))
        leaf, *_ = load_certificates(reading.read(cert))
        problems = tuple(_problems(leaf, reading.read(key), now))
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise ConflictingState(f"{whole} cannot be read: {why}", hint=_issue(whole)) from None
    if problems:
        raise VerificationError(
            f"{cert} cannot be used", problems, hint=f"nothing was changed; {_issue(whole)}"
        )
    return Served(files, leaf, roots)


def paths(directory: Path) -> tuple[Path, Path, Path]:
    """Return the public paths of the server credential in ``directory``, in either layout.

    Raises ConflictingState if there is none.
    """
    for names, place in (
        (SERVER_NAMES, directory),
        (public_names(Purpose.SERVER, Layout.DIND), directory / Purpose.SERVER),
    ):
        ca, cert, key = (place / name for name in names)
        if all(map(os.path.lexists, (ca, cert, key))):
            return ca, cert, key
    raise ConflictingState(f"there is no server credential in {directory}", hint=_issue(directory))


def is_issued(directory: Path) -> bool:
    """Tell whether ``directory`` has a server credential, as far as this user can see."""
    try:
        paths(directory)
    except ConflictingState:
        return False
    return True


def refuse_others(served: Served) -> None:
    """Raise ConflictingState if other users than root and this one could replace the files.

    They would decide whose clients dockerd accepts, and each of those is root on this host.
    """
    if found := exposures(served.paths, frozenset({0, os.geteuid()})):
        raise ConflictingState(
            "others could replace the credential, and so decide whose clients dockerd accepts",
            problems=found,
            hint="issue one as root, in a directory that only root can write to: "
            "`sudo -E dockertls-vault issue server --dir DIR`",
        )


def refuse_writers(files: Iterable[Path]) -> None:
    """Raise ConflictingState if other users than root could change what configures dockerd.

    They could have it serve its API to anybody at its next start. A missing file is one that they
    could create.
    """
    if found := exposures(files, frozenset({0, os.geteuid()})):
        raise ConflictingState(
            "others can change the configuration of dockerd, and so become root on this host",
            problems=found,
            hint="give each to root alone, then try again: `sudo chown root:root PATH && sudo "
            "chmod go-w PATH`",
        )


def exposures(files: Iterable[Path], users: frozenset[int]) -> tuple[str, ...]:
    """Return each path at which other users than these could replace the files, and who."""
    trust = Trust(users)
    found: dict[Path, str] = {}

    def look(path: Path, descriptor: int) -> None:
        is_below = not found.keys().isdisjoint(path.parents)
        if not is_below and (problem := _exposed(descriptor, trust)):
            found[path] = f"{path} {problem}"

    def check(component: Component) -> None:
        if component.descriptor is not None:
            look(component.path, component.descriptor)

    for path in files:
        real = path.resolve()
        for directory in (path.parent, real.parent):
            with walk.open_directory(directory, check):
                pass
        with suppress(FileNotFoundError), walk.open_path(str(real)) as descriptor:
            look(real, descriptor)
    return tuple(found.values())


def _exposed(descriptor: int, trust: Trust) -> str:
    """Return which others can change a file, or what is in a directory; "" if nobody can."""
    status = os.fstat(descriptor)
    if status.st_uid not in trust.users:
        return f"belongs to {user_name(status.st_uid)}"
    if stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX:
        return ""
    writers = untrusted_writers(status, acl.entries(descriptor), trust)
    return f"can be written by {' and '.join(each.name for each in writers)}" if writers else ""


def _problems(leaf: Certificate, key: bytes, now: datetime) -> Iterator[str]:
    if not is_key_of(key, leaf):
        yield "its key does not match"
    if now < leaf.not_valid_before_utc:
        yield f"it is not valid before {format_time(leaf.not_valid_before_utc)}"
    if leaf.not_valid_after_utc <= now:
        yield f"it expired at {format_time(leaf.not_valid_after_utc)}"
    usage = judge_usage(leaf)
    if usage.result is not Result.OK:
        yield usage.summary


def _issue(directory: Path) -> str:
    return f"issue one with `sudo -E dockertls-vault issue server --dir {quote(str(directory))}`"
