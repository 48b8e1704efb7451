"""What is printed: words, tables and the JSON envelope."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from dockertls_vault.cli import render
from dockertls_vault.cli.options import Output, Preferences
from dockertls_vault.request import KeyType


@dataclass(frozen=True)
class Result:
    """One value of each kind that results have."""

    at: datetime
    life: timedelta
    path: Path
    kind: KeyType
    names: tuple[str, ...]
    nothing: None = None


RESULT = Result(
    datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=1))),
    timedelta(minutes=90),
    Path("/etc/docker/tls"),
    KeyType.EC_P256,
    ("a.example", "b.example"),
)


def test_the_envelope_is_versioned_and_plain(capsys: pytest.CaptureFixture[str]) -> None:
    """Times in UTC, durations in seconds, paths and choices as text; nothing on stderr."""
    preferences = Preferences(output=Output.JSON)
    render.show("thing", RESULT, preferences, words=["unseen"], warnings=["mind this"])
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {
        "version": 1,
        "kind": "thing",
        "ok": True,
        "data": {
            "at": "2026-01-02T02:04:05Z",
            "life": 5400,
            "path": "/etc/docker/tls",
            "kind": "ec-p256",
            "names": ["a.example", "b.example"],
            "nothing": None,
        },
        "warnings": ["mind this"],
    }
    assert captured.err == ""


def test_words_go_to_stdout_and_warnings_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    """A warning is said even with --quiet; a note is not."""
    preferences = Preferences(quiet=True)
    fields = render.Fields([("one", "first\nsecond"), ("three", "third")])
    render.note("a note", preferences)
    render.show("thing", RESULT, preferences, words=["done", fields], warnings=["mind this"])
    captured = capsys.readouterr()
    assert captured.out == "done\none    first\n       second\nthree  third\n"
    assert captured.err == "warning: mind this\n"
    render.note("a note", Preferences())
    assert capsys.readouterr().err == "a note\n"


def test_a_table_shows_every_cell(capsys: pytest.CaptureFixture[str]) -> None:
    """Graded rows are told by words too, and no markup in a cell is taken for ours."""
    rows = [("ok", "one", "[red]fine[/red]"), ("critical", "two", "bad")]
    render.show(
        "thing",
        RESULT,
        Preferences(),
        words=[render.Table(("result", "tried", "found"), rows, graded=True)],
    )
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        ["result", "tried", "found"],
        ["ok", "one", "[red]fine[/red]"],
        ["critical", "two", "bad"],
    ]


def test_times_are_never_local() -> None:
    """A program that reads the JSON need not know the zone of the machine."""
    assert render.to_json(datetime(2026, 1, 1, tzinfo=UTC)) == "2026-01-01T00:00:00Z"


@pytest.mark.parametrize("output", list(Output))
def test_a_closed_stdout_is_no_failure(output: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under ``>&-`` Python has no stdout; what was done stays done, and ends with 0."""
    monkeypatch.setattr("sys.stdout", None)
    render.show("thing", RESULT, Preferences(output=output), words=["done"])
    assert sys.stdout is None
