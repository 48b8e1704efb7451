"""The health file of `renew --watch`: whether renewals succeed, or since when they fail."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from dockertls_vault.errors import CannotWrite
from dockertls_vault.files import atomic

from . import envelope

if TYPE_CHECKING:
    from pathlib import Path

    from dockertls_vault.watch import Round

_MODE = 0o644
_VERSION = 1


def write(path: Path, done: Round) -> None:
    """Write the state after a round (0644) atomically; raises CannotWrite."""
    state = {
        "version": _VERSION,
        "ok": done.failing_since is None,
        "failing_since": envelope.to_json(done.failing_since),
        "at": envelope.to_json(done.at),
        "next_due": envelope.to_json(done.next_due),
        "credentials": done.count,
    }
    try:
        atomic.publish(path, (json.dumps(state) + "\n").encode(), _MODE)
    except OSError as error:
        raise CannotWrite(
            f"cannot write the health file {path}: {error.strerror}",
            hint="choose a directory that exists and that this user can write to, such as /run",
        ) from None
