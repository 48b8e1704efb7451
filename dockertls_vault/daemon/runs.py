"""Which runs of dockerd count together: those that accepted no CA that the present one does not.

Unlike records.py, it reads only what anybody may read, since the answer must not depend on who
asks. A user who may not read all of it hears that, and does not get another answer.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dockertls_vault.certificate.request import Purpose
from dockertls_vault.credential.naming import PRIVATE
from dockertls_vault.errors import DockerTLSError
from dockertls_vault.files import reading
from dockertls_vault.host.journal import Runs

from . import attempt, pickup, served, supervision
from .attempt import Attempt

_LIMIT = 15.0  # seconds, for each response of systemd


@dataclass(frozen=True)
class Counted:
    """The runs that count; ``unread`` is why it cannot be told which earlier ones do, or ""."""

    runs: Runs
    unread: str = ""


def find(state: Path) -> Counted | None:
    """Return the runs of dockerd that count, None if systemd does not run it.

    ``state`` is the directory of its set-up. Without one, it is not known which CAs earlier runs
    accepted.
    """
    present = supervision.invocation()
    if present is None:
        return None
    try:
        after = _after(state)
    except PermissionError as error:
        return Counted(Runs(present), f"needs root: {os.fsdecode(error.filename)}")
    except OSError as error:
        return Counted(Runs(present), f"{error.strerror}: {error.filename}")
    except ValueError:
        return Counted(Runs(present), f"{state / pickup.DIRECTORY / pickup.NAME} is corrupt")
    except DockerTLSError as error:
        return Counted(Runs(present), error.message)
    return Counted(Runs(present, None if after == present else after))


def _after(state: Path) -> str | None:
    """Return the run after which each one counts, None if none is known."""
    files, last = pickup.files(str(state)), _last(state / pickup.DIRECTORY / attempt.NAME)
    if files is None or last is None:
        return None
    directory, daemon_json = map(Path, files)
    _refuse_unseen(directory)
    ca, *_ = served.paths(directory)
    return last.after if last.trusts_like(attempt.trust(ca, daemon_json, _LIMIT)) else None


def _last(file: Path) -> Attempt | None:
    with suppress(FileNotFoundError, ValueError):
        return Attempt.from_bytes(reading.read(file))
    return None


def _refuse_unseen(directory: Path) -> None:
    """Raise PermissionError if this user may not look into a credential directory, in any layout.

    Its files would seem to be missing.
    """
    for place in (directory, directory / Purpose.SERVER):
        with suppress(FileNotFoundError, NotADirectoryError):
            (place / PRIVATE).stat()
