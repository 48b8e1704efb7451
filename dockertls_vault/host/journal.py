"""What systemd's journal has of a unit: of its present run, or of several."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby, islice, pairwise
from subprocess import TimeoutExpired
from typing import TYPE_CHECKING, Any, NamedTuple

from . import program

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

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
# The invocation ID of the unit that a line is from; for lines about it, by systemd and by journald.
_OWN_RUN, _RUN, _RUN_OF_OBJECT = (
    "_SYSTEMD_INVOCATION_ID",
    "INVOCATION_ID",
    "OBJECT_SYSTEMD_INVOCATION_ID",
)
_FIELDS = (
    "MESSAGE,MESSAGE_ID,N_DROPPED,SYSLOG_IDENTIFIER,_TRANSPORT,_PID,_BOOT_ID,"
    f"{_OF_CONTAINER},{_OWN_RUN},{_RUN},{_RUN_OF_OBJECT}"
)
_NO_RUN = str(None)
# A smaller step of the clock misleads nobody: one is usual at boot, once NTP is there.
_STEP = timedelta(minutes=1)
# journald's rate limit by default (journald.conf(5)): it drops what else a unit logs meanwhile, and
# says so only with the next line that it keeps. On a large disk, it keeps some times as many.
BURST, _INTERVAL = 10_000, timedelta(seconds=30)


@dataclass(frozen=True)
class Log:
    """A program's own messages with their times, complete ``since`` a time.

    That is the start of the first run that counts, or, unless it ``has_start``, the oldest line
    that is kept. ``suppressed`` is how many journald dropped because of its rate limit;
    ``is_set_back`` is whether the clock was set back meanwhile, so that the times mislead, and
    ``is_flooded`` whether that limit was reached: journald may have dropped lines without a word.
    """

    since: datetime
    messages: tuple[tuple[datetime, str], ...]
    suppressed: int
    has_start: bool
    is_set_back: bool = False
    is_flooded: bool = False


@dataclass(frozen=True)
class Runs:
    """Which runs of a unit count, by systemd's invocation IDs.

    The ``present`` one, and with ``after`` each other one that was started after that run.
    """

    present: str
    after: str | None = None


def read(unit: str, identifier: str, runs: Runs) -> Log | None:
    """Return what a program has logged in these runs of its unit, None if it shows us nothing.

    That is so for users outside the group systemd-journal, where there is no journal, and if the
    unit logs elsewhere, or under another name.
    """
    # fmt: off
    command = [
        "journalctl", "--quiet", "--no-pager", "--output=json", f"--lines={LARGEST}",
        f"--output-fields={_FIELDS}",
        f"_SYSTEMD_UNIT={unit}", f"SYSLOG_IDENTIFIER={identifier}",
        "_TRANSPORT=stdout", "_TRANSPORT=journal",
        "+", f"UNIT={unit}", "_PID=1",
        "+", f"OBJECT_SYSTEMD_UNIT={unit}", "_UID=0",
    ]
    # fmt: on
    try:
        printed = program.run(command, _LIMIT).stdout
    except (OSError, TimeoutExpired):
        return None
    # In a line, what a container printed may have other line separators of Unicode.
    return parse(printed.split("\n"), identifier, runs)


def parse(lines: Iterable[str], identifier: str, runs: Runs) -> Log | None:
    """Return the log in lines of JSON, None if the program wrote none in its present run.

    What is no entry is skipped. The order of the lines counts, and not their times.
    """
    every = [entry for line in lines if (entry := _entry(line)) is not None]
    entries, has_start = _chosen(every, runs)
    own = [entry for entry in entries if entry.writer == identifier]
    if not any(entry.run == runs.present for entry in own):
        return None
    starts = (entry.at for entry in entries if has_start and entry.kind == _STARTED)
    return Log(
        next(starts, entries[0].at),
        tuple((entry.at, entry.message) for entry in own),
        sum(entry.dropped for entry in entries if entry.kind == _DROPPED),
        has_start,
        _is_set_back(entries),
        _is_flooded(entries),
    )


def _chosen(entries: Sequence[_Entry], runs: Runs) -> tuple[list[_Entry], bool]:
    """Return what counts of these entries, and whether they reach back to the start of it.

    They do if there is one of the run before: its end is logged, too, just before the next start.
    """
    if runs.after is None:
        chosen = [entry for entry in entries if entry.run == runs.present]
        return chosen, any(entry.kind == _STARTED for entry in chosen)
    of = [entry.run for entry in entries]
    begin = of.index(runs.after) if runs.after in of else 0
    earlier = {runs.after, *of[:begin]} - {_NO_RUN}
    chosen = [entry for entry in entries[begin:] if entry.run not in earlier]
    return chosen, runs.after in of and runs.present not in earlier


def _is_set_back(entries: Sequence[_Entry]) -> bool:
    """Tell whether the clock was set back: by much, or so that an earlier boot seems to follow."""
    boots = [boot for boot, _ in groupby(entry.boot for entry in entries)]
    return len(boots) > len(set(boots)) or any(
        later.at < entry.at - _STEP for entry, later in pairwise(entries)
    )


def _is_flooded(entries: Sequence[_Entry]) -> bool:
    """Tell whether there are so many lines in any interval."""
    pairs = zip(entries, islice(entries, BURST - 1, None), strict=False)
    return any(last.at - first.at <= _INTERVAL for first, last in pairs)


class _Entry(NamedTuple):
    at: datetime
    run: str
    boot: str
    writer: object = None
    message: str = ""
    kind: object = None
    dropped: int = 0


def _entry(line: str) -> _Entry | None:
    try:
        kept: Any = json.loads(line)
        at = datetime.fromtimestamp(int(kept["__REALTIME_TIMESTAMP"]) / 1e6, UTC)
        kind, boot = kept.get("MESSAGE_ID"), str(kept.get("_BOOT_ID"))
        if _OF_CONTAINER in kept or kept.get("_TRANSPORT") == _SYSLOG:
            return _Entry(at, str(kept.get(_OWN_RUN)), boot)
        about = _RUN if kept.get("_PID") == "1" else _OWN_RUN
        run = str(kept.get(_RUN_OF_OBJECT if kind == _DROPPED else about))
        # A message that is not UTF-8 is a list of bytes, a large one is null.
        message = kept.get("MESSAGE")
        text = message if isinstance(message, str) else ""
        writer, dropped = kept.get("SYSLOG_IDENTIFIER"), int(kept.get("N_DROPPED", 0))
        return _Entry(at, run, boot, writer, text, kind, dropped)
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
