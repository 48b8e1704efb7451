"""Output as text, as tables and as the JSON envelope."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from dockertls_vault.certificate.request import KeyType
from dockertls_vault.cli import envelope, render, speech
from dockertls_vault.cli.preferences import Output, Preferences
from dockertls_vault.vault.progress import Logged
from tests.harness.terminal import be_a_terminal


@dataclass(frozen=True)
class Result:
    """One value of each type that results have."""

    at: datetime
    life: timedelta
    path: Path
    kind: KeyType
    names: tuple[str, ...]
    nothing: None = None
    warnings: tuple[str, ...] = ()


RESULT = Result(
    datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=1))),
    timedelta(minutes=90),
    Path("/etc/docker/tls"),
    KeyType.EC_P256,
    ("a.example", "b.example"),
)


def test_json_envelope_is_versioned_and_has_plain_types(capsys: pytest.CaptureFixture[str]) -> None:
    """Times in UTC, durations in seconds, text for paths; warnings once, not on stderr."""
    preferences = Preferences(output=Output.JSON)
    result = replace(RESULT, warnings=("mind this",))
    render.show("thing", result, preferences, parts=["unseen"], warnings=["mind this"])
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


def test_text_goes_to_stdout_and_warnings_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    """Warnings are printed even with --quiet."""
    preferences = Preferences(quiet=True)
    fields = render.Fields([("one", ["first", "second"]), ("three", "third")])
    render.show("thing", RESULT, preferences, parts=["done", fields], warnings=["mind this"])
    captured = capsys.readouterr()
    assert captured.out == "done\none\tfirst\none\tsecond\nthree\tthird\n"
    assert captured.err == "warning: mind this\n"


ROWS = [
    ("ok", "one", "[red]fine[/red]"),
    ("critical", "two", ["bad", "on the wire:", "it", "why: so\tit is"]),
]
TABLE = render.Table(("result", "check", "details"), ROWS, graded=True)


@pytest.mark.parametrize("styled", [True, False])
def test_table_shows_every_cell(
    styled: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Results are also spelled out, and markup in a cell is not interpreted.

    With NO_COLOR there is no escape sequence at all, neither bold nor dim.
    """
    be_a_terminal(monkeypatch)
    if not styled:
        monkeypatch.setenv("NO_COLOR", "1")
    render.show("thing", RESULT, Preferences(), parts=[TABLE])
    out = capsys.readouterr().out
    assert ("\x1b" in out) is styled
    lines = [line.split() for line in _without_styles(out).splitlines()]
    assert lines == [
        ["result", "check", "details"],
        ["ok", "one", "[red]fine[/red]"],
        ["critical", "two", "bad"],
        ["on", "the", "wire:"],
        ["it"],
        ["why:", "so\\tit", "is"],
    ]


def _without_styles(text: str) -> str:
    """Return the text without colors and bold type."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def test_table_in_a_pipe_is_tab_separated(capsys: pytest.CaptureFixture[str]) -> None:
    """One line per row for cut and awk, without padding, wrapping or colors."""
    render.show("thing", RESULT, Preferences(), parts=[TABLE])
    assert capsys.readouterr().out == (
        "result\tcheck\tdetails\nok\tone\t[red]fine[/red]\n"
        "critical\ttwo\tbad; on the wire: it; why: so\\tit is\n"
    )


def test_fields_are_aligned_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Continuation lines of a value are indented to its first."""
    be_a_terminal(monkeypatch)
    fields = render.Fields([("one", ["first", "second"]), ("three", "third")])
    render.show("thing", RESULT, Preferences(), parts=[fields])
    assert capsys.readouterr().out == "one    first\n       second\nthree  third\n"


@pytest.mark.parametrize("styled", [True, False])
def test_long_wait_is_a_spinner_or_a_line(
    styled: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With NO_COLOR it is a line, as in a log."""
    be_a_terminal(monkeypatch)
    if not styled:
        monkeypatch.setenv("NO_COLOR", "1")
    progress = render.spinner(Preferences()) or Logged()
    with speech.speaking(Preferences()):
        progress.waiting("waiting for it")
        progress.over()
    err = capsys.readouterr().err
    assert "waiting for it" in err
    assert ("\x1b" in err) is styled


def test_times_are_in_utc() -> None:
    """JSON readers need not know the machine's time zone."""
    assert envelope.to_json(datetime(2026, 1, 1, tzinfo=UTC)) == "2026-01-01T00:00:00Z"


@pytest.mark.parametrize("output", list(Output))
def test_closed_stdout_is_not_a_failure(output: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under ``>&-`` Python has no stdout; the work was done, so the status is 0."""
    monkeypatch.setattr("sys.stdout", None)
    render.show("thing", RESULT, Preferences(output=output), parts=["done"])
    assert sys.stdout is None


def test_lone_surrogate_is_escaped(capfd: pytest.CaptureFixture[str]) -> None:
    """A server may send one and UTF-8 has none; JSON readers get what was sent."""
    render.show("x", {}, Preferences(Output.JSON), parts=[], warnings=["\ud800 é"])
    assert json.loads(capfd.readouterr().out)["warnings"] == ["\ud800 é"]


def test_json_escapes_terminal_controls(capsys: pytest.CaptureFixture[str]) -> None:
    """C1, DEL, bidi and lone surrogates; the value stays the same."""
    odd = "\x7f\x9b2J\u202e\u2066\u2028\ud800ü"
    preferences = Preferences(output=Output.JSON)
    render.show("x", {"odd": odd}, preferences, parts=[])
    text = capsys.readouterr().out
    assert all(" " <= char <= "~" or char == "\n" for char in text)
    assert json.loads(text)["data"]["odd"] == odd


def test_foreign_text_next_to_a_spinner_is_escaped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rich removes terminal controls, but not bidirectional ones."""
    be_a_terminal(monkeypatch)
    spinner = render.spinner(Preferences())
    assert spinner
    spinner.waiting("for \u202e")
    spinner.waiting("for \u2066")
    spinner.over()
    err = capsys.readouterr().err
    assert not {"\u202e", "\u2066"} & set(err)
    assert r"\u202e" in err or r"\u2066" in err
