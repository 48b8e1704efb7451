"""What the journal has of a unit and its runs, as journalctl prints it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from dockertls_vault.host import journal
from dockertls_vault.host.journal import Log, Runs

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


def entry(seconds: int, **fields: object) -> str:
    """Return a line of dockerd with its time, some seconds after the start."""
    at = int(START.timestamp() + seconds) * 1_000_000
    dockerd = {"SYSLOG_IDENTIFIER": "dockerd", "_TRANSPORT": "stdout", "_BOOT_ID": "1"}
    dockerd["_SYSTEMD_INVOCATION_ID"] = "now"
    return json.dumps({"__REALTIME_TIMESTAMP": str(at), **dockerd, **fields})


def at(seconds: int) -> datetime:
    """Return the time, some seconds after the start."""
    return START + timedelta(seconds=seconds)


def parse(*lines: str, after: str | None = None) -> Log | None:
    """Return the log of dockerd."""
    return journal.parse(lines, "dockerd", Runs("now", after))


def started(seconds: int, run: str = "now", **fields: object) -> str:
    """Return systemd's line about the start of a run."""
    systemd = {**STARTED, "_PID": "1", "_SYSTEMD_INVOCATION_ID": "init", "INVOCATION_ID": run}
    return entry(seconds, **{**systemd, **fields})


def line(seconds: int, run: str, **fields: object) -> str:
    """Return a line of dockerd in a run, which is its name."""
    return entry(seconds, MESSAGE=run, _SYSTEMD_INVOCATION_ID=run, **fields)


# Three runs, in each of which dockerd has logged a line.
RUNS = [
    each
    for number, run in enumerate(["old", "first", "now"])
    for each in (started(10 * number, run), line(10 * number + 1, run))
]


def test_log_is_complete_since_the_start() -> None:
    """What the journal has of the time before that is none of the service's."""
    starting = entry(-1, MESSAGE="Starting", SYSLOG_IDENTIFIER="systemd")
    log = parse(starting, started(0), entry(1, MESSAGE="a"))
    assert log == Log(START, ((START.replace(second=28), "a"),), 0, has_start=True)


def test_log_is_complete_since_the_oldest_line_that_is_left() -> None:
    """The start may have been removed from the journal."""
    log = parse(entry(5, MESSAGE="a"), entry(6, MESSAGE="b"))
    assert log is not None
    assert (log.since, log.has_start) == (START.replace(second=32), False)


def test_lines_that_journald_suppressed_are_counted() -> None:
    """They are no messages."""
    dropped = entry(2, **DROPPED, OBJECT_SYSTEMD_INVOCATION_ID="now")
    log = parse(started(0), entry(1, MESSAGE="a"), dropped, dropped)
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
    assert parse(started(0), other, forged) is None


def test_what_is_no_message_is_skipped() -> None:
    """A message that is not UTF-8 is a list of bytes."""
    broken = ["", "{", "[]", "{}", '{"__REALTIME_TIMESTAMP": "x"}', "\ufffd"]
    assert parse(*broken) is None
    log = parse(*broken, entry(1, MESSAGE=[104, 105]), entry(2, MESSAGE=None))
    assert log is not None
    assert [message for _, message in log.messages] == ["", ""]


def test_missing_journal_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a host without systemd."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert journal.read("docker.service", "dockerd", Runs("0" * 32)) is None


def test_line_ends_where_journalctl_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container may print other separators, and what is not UTF-8."""
    printed = entry(1, MESSAGE="a@").encode().replace(b"@", "\u2028b\x85".encode() + b"\xff")
    (tmp_path / "printed").write_bytes(printed)
    journalctl = tmp_path / "journalctl"
    journalctl.write_text(f"#!/bin/sh\nexec /bin/cat {tmp_path}/printed\n")
    journalctl.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    log = journal.read("docker.service", "dockerd", Runs("now"))
    assert log is not None
    assert [message for _, message in log.messages] == ["a\u2028b\x85\ufffd"]


def test_run_counts_if_it_was_started_after_another_one() -> None:
    """Without one to begin with, only the present run does."""
    late = line(15, "old")  # the journal may get a line after that of the next start
    log = parse(*RUNS, late, after="old")
    assert log is not None
    messages = [message for _, message in log.messages]
    assert (messages, log.since, log.has_start) == (["first", "now"], at(10), True)
    log = parse(*RUNS)
    assert log is not None
    messages = [message for _, message in log.messages]
    assert (messages, log.since, log.has_start) == (["now"], at(20), True)


def test_run_before_the_one_to_begin_with_does_not_count() -> None:
    """It may have accepted more CAs."""
    log = parse(line(-5, "older"), *RUNS[1:], line(2, "older"), after="old")
    assert log is not None
    assert [message for _, message in log.messages] == ["first", "now"]


def test_journal_may_not_reach_back_to_the_run_to_begin_with() -> None:
    """Each run that is left was started after it, and the log is complete since the oldest line."""
    log = parse(*RUNS[3:], after="old")
    assert log is not None
    messages = [message for _, message in log.messages]
    assert (messages, log.since, log.has_start) == (["first", "now"], at(11), False)


def test_end_of_the_run_before_shows_that_nothing_is_missing() -> None:
    """Its start may be long ago."""
    stopped = started(9, "old", MESSAGE_ID="9d1aaa27d60140bd96365438aad20286")
    log = parse(stopped, *RUNS[2:], after="old")
    assert log is not None
    assert (log.since, log.has_start) == (at(10), True)


def test_present_run_must_have_logged_something() -> None:
    """It may log elsewhere now."""
    assert parse(*RUNS[:-1], after="old") is None


def test_lines_suppressed_in_any_run_are_counted() -> None:
    """Also if journald does not say in which."""
    of_first = entry(12, **DROPPED, OBJECT_SYSTEMD_INVOCATION_ID="first")
    of_old = entry(13, **DROPPED, OBJECT_SYSTEMD_INVOCATION_ID="old")
    unclear = entry(14, **DROPPED, _SYSTEMD_INVOCATION_ID="journald")
    log = parse(unclear, *RUNS[:4], of_first, of_old, unclear, *RUNS[4:], after="old")
    assert log is not None
    assert log.suppressed == 2 * 525


@pytest.mark.parametrize(
    ("lines", "is_set_back"),
    [
        ([], False),
        ([line(21, "now"), line(-38, "now")], False),
        ([line(21, "now"), line(-40, "now")], True),
        ([line(22, "now", _BOOT_ID="2")], False),
        ([line(22, "now", _BOOT_ID="2"), line(23, "now")], True),
    ],
)
def test_clock_that_was_set_back_is_noticed(lines: list[str], *, is_set_back: bool) -> None:
    """By less than a minute at boot is usual; an earlier boot cannot follow a later one."""
    log = parse(*RUNS, *lines, after="old")
    assert log is not None
    assert log.is_set_back is is_set_back


@pytest.mark.parametrize(
    ("count", "seconds", "is_flooded"),
    [(journal.BURST, 30, True), (journal.BURST, 31, False), (journal.BURST - 1, 30, False)],
)
def test_burst_in_which_journald_may_drop_lines_is_noticed(
    count: int, seconds: int, *, is_flooded: bool
) -> None:
    """It says so only with the next line, and never if it is restarted before."""
    lines = [line(60 + seconds * number // (count - 1), "now") for number in range(count)]
    log = parse(*RUNS[:-1], *lines, line(120, "now"), after="first")
    assert log is not None
    assert (log.is_flooded, log.suppressed) == (is_flooded, 0)


def test_container_does_not_show_how_far_the_journal_reaches_back() -> None:
    """Its labels may become fields, such as the invocation ID of systemd's lines."""
    forged = line(12, "first", CONTAINER_ID="a", INVOCATION_ID="old", _PID="1")
    of_object = line(12, "first", CONTAINER_ID="a", OBJECT_SYSTEMD_INVOCATION_ID="old")
    log = parse(forged, of_object, *RUNS[3:], after="old")
    assert log is not None
    assert log.has_start is False
