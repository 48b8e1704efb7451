"""What systemd's journal has of a unit since it was last started."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

# The newest lines that are read: more would take longer than somebody waits.
LARGEST = 50_000
_LIMIT = 60.0  # seconds
# SD_MESSAGE_UNIT_STARTED and SD_MESSAGE_JOURNAL_DROPPED of sd-messages(3).
_STARTED = "39f53479d3a045ac8e11786248231fbf"
_DROPPED = "a596d6fe7bfa4994828e72309e95d61e"
# dockerd sends what containers print in its own name (--log-driver journald), with this field.
_OF_CONTAINER = "CONTAINER_ID"


@dataclass(frozen=True)
class Log:
    """Messages with their times, complete ``since`` a time: the start, or the oldest one kept.

    ``suppressed`` is how many journald dropped because of its rate limit.
    """

    since: datetime
    messages: tuple[tuple[datetime, str], ...]
    suppressed: int


def read(invocation: str) -> Log | None:
    """Return what the journal has of an invocation of a unit, None if it shows us nothing.

    That is so for users outside the group systemd-journal, and where there is no journal.
    """
    # fmt: off
    command = [
        "journalctl", "--quiet", "--no-pager", "--output=json", f"--lines={LARGEST}",
        f"--output-fields=MESSAGE,MESSAGE_ID,N_DROPPED,{_OF_CONTAINER}",
        f"_SYSTEMD_INVOCATION_ID={invocation}",
        "+", f"INVOCATION_ID={invocation}", "_PID=1",
        "+", f"OBJECT_SYSTEMD_INVOCATION_ID={invocation}", "_UID=0",
    ]
    # fmt: on
    try:
        run = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_LIMIT, check=False
        )
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return None
    return parse(run.stdout.splitlines())


def parse(lines: Iterable[bytes]) -> Log | None:
    """Return the log in lines of JSON; None if there is none. What is no entry is skipped."""
    since, messages, suppressed = None, [], 0
    for line in lines:
        entry = _entry(line)
        if entry is None:
            continue
        at, message, kind, dropped = entry
        if since is None or kind == _STARTED:
            since = at
        if kind == _DROPPED:
            suppressed += dropped
        else:
            messages.append((at, message))
    return None if since is None else Log(since, tuple(messages), suppressed)


def _entry(line: bytes) -> tuple[datetime, str, object, int] | None:
    try:
        kept: Any = json.loads(line)
        at = datetime.fromtimestamp(int(kept["__REALTIME_TIMESTAMP"]) / 1e6, UTC)
        if _OF_CONTAINER in kept:
            return at, "", None, 0
        # A message that is not UTF-8 is a list of bytes, a large one is null.
        message = kept.get("MESSAGE")
        text = message if isinstance(message, str) else ""
        return at, text, kept.get("MESSAGE_ID"), int(kept.get("N_DROPPED", 0))
    except (
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        OverflowError,
        OSError,
        RecursionError,
    ):
        return None
