"""What the journal has of a unit since its start, as journalctl prints it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from dockertls_vault.host import journal
from dockertls_vault.host.journal import Log

if TYPE_CHECKING:
    from pathlib import Path

START = datetime(2026, 11, 27, 13, 32, 27, tzinfo=UTC)
STARTED = {
    "MESSAGE": "Started docker.service.",
    "MESSAGE_ID": "39f53479d3a045ac8e11786248231fbf",
    "SYSLOG_IDENTIFIER": "systemd",
}
DROPPED = {
    "MESSAGE": "Suppressed 525 messages from docker.service",
    "MESSAGE_ID": "a596d6fe7bfa4994828e72309e95d61e",
    "N_DROPPED": "525",
    "SYSLOG_IDENTIFIER": "systemd-journald",
    "_TRANSPORT": "driver",
}


def entry(seconds: int, **fields: object) -> bytes:
    """Return a line of dockerd with its time, some seconds after the start."""
    at = int(START.timestamp() + seconds) * 1_000_000
    dockerd = {"SYSLOG_IDENTIFIER": "dockerd", "_TRANSPORT": "stdout"}
    return json.dumps({"__REALTIME_TIMESTAMP": str(at), **dockerd, **fields}).encode()


def parse(*lines: bytes) -> Log | None:
    """Return the log of dockerd."""
    return journal.parse(lines, "dockerd")


def test_log_is_complete_since_the_start() -> None:
    """What the journal has of the time before that is none of the service's."""
    starting = entry(-1, MESSAGE="Starting", SYSLOG_IDENTIFIER="systemd")
    log = parse(starting, entry(0, **STARTED), entry(1, MESSAGE="a"))
    assert log == Log(START, ((START.replace(second=28), "a"),), 0, has_start=True)


def test_log_is_complete_since_the_oldest_line_that_is_left() -> None:
    """The start may have been removed from the journal."""
    log = parse(entry(5, MESSAGE="a"), entry(6, MESSAGE="b"))
    assert log is not None
    assert (log.since, log.has_start) == (START.replace(second=32), False)


def test_lines_that_journald_suppressed_are_counted() -> None:
    """They are no messages."""
    dropped = entry(2, **DROPPED)
    log = parse(entry(0, **STARTED), entry(1, MESSAGE="a"), dropped, dropped)
    assert log is not None
    assert (log.suppressed, len(log.messages)) == (1050, 1)


@pytest.mark.parametrize(
    "driver",
    [
        {"CONTAINER_ID": "a", "_TRANSPORT": "journal"},
        {"_TRANSPORT": "syslog"},
        {"CONTAINER_ID": "a", "_TRANSPORT": "journal", "SYSLOG_IDENTIFIER": "0f1e2d3c4b5a"},
    ],
)
def test_container_does_not_speak_for_the_service(driver: dict[str, object]) -> None:
    """Lines of log drivers have the invocation of docker.service, and `--log-opt tag` its name."""
    forged = [entry(1, **{**each, **driver}) for each in (STARTED, DROPPED, {"MESSAGE": "b"})]
    own = entry(0, MESSAGE="a", _TRANSPORT="journal")
    assert parse(own, *forged) == Log(START, ((START, "a"),), 0, has_start=False)


def test_container_does_not_count_as_a_log() -> None:
    """The program may log to a file, or under another name: then nothing is known of it."""
    other = entry(1, MESSAGE="a", SYSLOG_IDENTIFIER="docker")
    forged = entry(2, MESSAGE="b", _TRANSPORT="syslog")
    assert parse(entry(0, **STARTED), other, forged) is None


def test_what_is_no_message_is_skipped() -> None:
    """A message that is not UTF-8 is a list of bytes."""
    broken = [b"", b"{", b"[]", b"{}", b'{"__REALTIME_TIMESTAMP": "x"}', b"\xff"]
    assert parse(*broken) is None
    log = parse(*broken, entry(1, MESSAGE=[104, 105]), entry(2, MESSAGE=None))
    assert log is not None
    assert [message for _, message in log.messages] == ["", ""]


def test_missing_journal_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a host without systemd."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert journal.read("0" * 32, "dockerd") is None
