"""Whether hooks are pending, and when they may run.

``.dockertls/hooks.json`` says for which generation the hooks last ran to the end; they are pending
while another one is in use.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from dockertls_vault.duration import read_time
from dockertls_vault.files import reading

if TYPE_CHECKING:
    from datetime import datetime, tzinfo

    from dockertls_vault.window import Window

NAME = "hooks.json"
MODE = 0o444
VERSION = 1


class LastRun(NamedTuple):
    """The generation for which the hooks last ran to the end, None if they never did.

    ``serving_until`` is when the certificate of that generation expires, in UTC: what the hooks
    restart serves it until they run again.
    """

    completed: str | None = None
    serving_until: datetime | None = None

    def waits_until(
        self, window: Window | None, now: datetime, zone: tzinfo | None = None
    ) -> datetime | None:
        """Return when the window of pending hooks opens, None if they may run now.

        They need not wait if no certificate is in service yet, or if the one in service would
        expire before the window opens. ``zone`` is the time zone of the window, None for this
        machine's.
        """
        end = self.serving_until
        if window is None or end is None:
            return None
        opening = window.opening(now, zone)
        return None if opening.contains(now) or end <= opening.start else opening.start


def read(private: int) -> LastRun:
    """Return the last run that is recorded in the open directory ``private``; raises OSError.

    A corrupt file counts as none, so that the hooks run once more.
    """
    try:
        return from_json(load(private))
    except (FileNotFoundError, ValueError, TypeError, KeyError, RecursionError):
        return LastRun()


def load(private: int) -> Any:
    """Return the content of the file; raises FileNotFoundError, or ValueError and such."""
    kept = json.loads(reading.read(NAME, private, follow=False))
    if kept["version"] != VERSION:
        raise ValueError(kept["version"])
    return kept


def from_json(kept: Any) -> LastRun:
    """Return the last run; raises ValueError, TypeError or KeyError for anything else."""
    completed, until = kept["completed"], kept["serving_until"]
    if completed is not None and not isinstance(completed, str):
        raise TypeError(completed)
    return LastRun(completed, None if until is None else read_time(until))
