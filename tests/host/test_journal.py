"""What the journal has of a unit since its start, as journalctl prints it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from dockertls_vault.host import journal

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

START = datetime(2026, 11, 27, 13, 32, 27, tzinfo=UTC)
STARTED = {"MESSAGE": "Started docker.service.", "MESSAGE_ID": "39f53479d3a045ac8e11786248231fbf"}
DROPPED = {
    "MESSAGE": "Suppressed 525 messages from docker.service",
    "MESSAGE_ID": "a596d6fe7bfa4994828e72309e95d61e",
    "N_DROPPED": "525",
}


def entry(seconds: int, **fields: object) -> bytes:
    """Return a line with its time, some seconds after the start."""
    at = int(START.timestamp() + seconds) * 1_000_000
    return json.dumps({"__REALTIME_TIMESTAMP": str(at), **fields}).encode()


def test_log_is_complete_since_the_start() -> None:
    """What the journal has of the time before that is none of the service's."""
    log = journal.parse([entry(-1, MESSAGE="Starting"), entry(0, **STARTED), entry(1, MESSAGE="a")])
    assert log is not None
    assert (log.since, log.suppressed) == (START, 0)
    assert log.messages[-1] == (START.replace(second=28), "a")


def test_log_is_complete_since_the_oldest_line_that_is_left() -> None:
    """The start may have been removed from the journal."""
    log = journal.parse([entry(5, MESSAGE="a"), entry(6, MESSAGE="b")])
    assert log is not None
    assert log.since == START.replace(second=32)


def test_lines_that_journald_suppressed_are_counted() -> None:
    """They are no messages."""
    log = journal.parse([entry(0, **STARTED), entry(1, **DROPPED), entry(2, **DROPPED)])
    assert log is not None
    assert (log.suppressed, len(log.messages)) == (1050, 1)


def test_container_does_not_speak_for_the_service() -> None:
    """With the log driver journald, its lines have the invocation of docker.service, too."""
    forged = [entry(1, CONTAINER_ID="a", **each) for each in (STARTED, DROPPED)]
    log = journal.parse([entry(0, **STARTED), *forged, entry(2, MESSAGE="a", CONTAINER_ID="a")])
    assert log is not None
    assert (log.since, log.suppressed) == (START, 0)
    assert [message for _, message in log.messages if message] == [STARTED["MESSAGE"]]


def test_what_is_no_message_is_skipped() -> None:
    """A message that is not UTF-8 is a list of bytes."""
    broken = [b"", b"{", b"[]", b"{}", b'{"__REALTIME_TIMESTAMP": "x"}', b"\xff"]
    assert journal.parse(broken) is None
    log = journal.parse([*broken, entry(1, MESSAGE=[104, 105]), entry(2, MESSAGE=None)])
    assert log is not None
    assert [message for _, message in log.messages] == ["", ""]


def test_missing_journal_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a host without systemd."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert journal.read("0" * 32) is None
