"""What systemd's journal has of a unit since it was last started."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

# The newest lines that are read: more would take longer than somebody waits. Those of containers
# count only if they have the program's name as their tag.
LARGEST = 50_000
_LIMIT = 60.0  # seconds
# SD_MESSAGE_UNIT_STARTED and SD_MESSAGE_JOURNAL_DROPPED of sd-messages(3).
_STARTED = "39f53479d3a045ac8e11786248231fbf"
_DROPPED = "a596d6fe7bfa4994828e72309e95d61e"
# dockerd sends what containers print in its own name: with this field (--log-driver journald), or
# as syslog (--log-driver syslog), which its own lines never are.
_OF_CONTAINER, _SYSLOG = "CONTAINER_ID", "syslog"


@dataclass(frozen=True)
class Log:
    """A program's own messages with their times, complete ``since`` a time.

    That is the start of its unit, or, unless it ``has_start``, the oldest line that is kept.
    ``suppressed`` is how many journald dropped because of its rate limit.
    """

    since: datetime
    messages: tuple[tuple[datetime, str], ...]
    suppressed: int
    has_start: bool


def read(invocation: str, program: str) -> Log | None:
    """Return what a program has logged in an invocation of its unit, None if it shows us nothing.

    That is so for users outside the group systemd-journal, where there is no journal, and if the
    unit logs elsewhere, or under another name.
    """
    # fmt: off
    command = [
        "journalctl", "--quiet", "--no-pager", "--output=json", f"--lines={LARGEST}",
        f"--output-fields=MESSAGE,MESSAGE_ID,N_DROPPED,_TRANSPORT,SYSLOG_IDENTIFIER,{_OF_CONTAINER}",
        f"_SYSTEMD_INVOCATION_ID={invocation}", f"SYSLOG_IDENTIFIER={program}",
        "_TRANSPORT=stdout", "_TRANSPORT=journal",
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
    return parse(run.stdout.splitlines(), program)


def parse(lines: Iterable[bytes], program: str) -> Log | None:
    """Return the log in lines of JSON, None if the program wrote none.

    What is no entry is skipped.
    """
    since, has_start, messages, suppressed = None, False, [], 0
    for line in lines:
        entry = _entry(line)
        if entry is None:
            continue
        if since is None or entry.kind == _STARTED:
            since = entry.at
        has_start = has_start or entry.kind == _STARTED
        suppressed += entry.dropped if entry.kind == _DROPPED else 0
        if entry.writer == program:
            messages.append((entry.at, entry.message))
    if since is None or not messages:
        return None
    return Log(since, tuple(messages), suppressed, has_start)


class _Entry(NamedTuple):
    at: datetime
    writer: object
    message: str = ""
    kind: object = None
    dropped: int = 0


def _entry(line: bytes) -> _Entry | None:
    try:
        kept: Any = json.loads(line)
        at = datetime.fromtimestamp(int(kept["__REALTIME_TIMESTAMP"]) / 1e6, UTC)
        if _OF_CONTAINER in kept or kept.get("_TRANSPORT") == _SYSLOG:
            return _Entry(at, None)
        # A message that is not UTF-8 is a list of bytes, a large one is null.
        message = kept.get("MESSAGE")
        text = message if isinstance(message, str) else ""
        writer, kind = kept.get("SYSLOG_IDENTIFIER"), kept.get("MESSAGE_ID")
        return _Entry(at, writer, text, kind, int(kept.get("N_DROPPED", 0)))
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
