"""Text from outside is escaped and cannot begin a line, wherever it is shown."""

from __future__ import annotations

import json
import logging
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dockertls_vault.cli import main, render, speech
from dockertls_vault.cli.preferences import Output, Preferences
from dockertls_vault.errors import DockerTLSError
from dockertls_vault.vault.progress import Logged
from tests.harness.terminal import be_a_terminal

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger("dockertls_vault.of.this.test")

# Terminal controls, bidirectional controls, line ends, and imitations of our own lines.
ODD = [
    "\nerror: all is lost",
    "\r\nhint: run this",
    "\u2028warning: mind this",
    "\u2029error: x",
    "\x85error: x",
    "\x0b\x0c\x1c\x1d\x1eerror: x",
    "\x1b[2J",
    "\x9b2J",
    "\x07\x08\x7f",
    "\u202e\u2066\u200f\u061c",
    "\ud800",
    "[red]x[/red]",
]
FOREIGN = st.lists(st.sampled_from(ODD) | st.text(max_size=5), min_size=1, max_size=4).map("".join)


@dataclass(frozen=True)
class Result:
    """A result that contains foreign text."""

    text: str


def failure(text: str) -> None:
    """Fail with foreign text in every part of an error."""
    error = DockerTLSError(text, hint=f"do {text}")
    error.problems = (text, text)
    speech.failure(error, Preferences())


def asked(text: str) -> None:
    """Ask a question with foreign text; nobody answers."""
    speech.confirmed([text, text])


def waited_for(text: str) -> None:
    """Wait with foreign text as the reason."""
    progress = render.spinner(Preferences()) or Logged()
    with speech.speaking(Preferences()):
        progress.waiting(text)
        progress.over()


def logged(level: int, text: str) -> None:
    """Log foreign text."""
    with speech.speaking(Preferences()):
        logger.log(level, "%s", text)


PLACES: dict[str, Callable[[str], None]] = {
    "words": lambda text: render.text([text], Preferences()),
    "value": lambda text: render.text([render.Fields([("a", text), ("b", [text])])], Preferences()),
    "name": lambda text: render.text([render.Fields([(text, "a")])], Preferences()),
    "first cell": lambda text: render.text(
        [render.Table(("a", "b"), [(text, "x")], graded=True)], Preferences()
    ),
    "cell": lambda text: render.text(
        [render.Table(("a", "b"), [("ok", [text, text])])], Preferences()
    ),
    "note": lambda text: logged(logging.INFO, text),
    "warning": lambda text: logged(logging.WARNING, text),
    "hint": lambda text: speech.say("hint", text),
    "failure": failure,
    "question": asked,
    "prompt": speech.prompt,
    "waiting": waited_for,
    "usage": lambda text: _run("check", "--output", f"x{text}"),
    "option": lambda text: _run("check", f"--x{text}"),
    "command": lambda text: _run(f"x{text}"),
}


def _run(*arguments: str) -> None:
    assert main.run(arguments) == 2


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("place", PLACES)
@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(text=FOREIGN)
def test_foreign_text_is_escaped_everywhere(
    place: str,
    terminal: bool,
    text: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Only newlines are not printable, and every label at the start of a line is ours."""
    with monkeypatch.context() as patched:
        if terminal:
            be_a_terminal(patched)
            patched.setenv("NO_COLOR", "1")
            patched.setattr("dockertls_vault.stop.readline", lambda _: "no\n")
        PLACES[place](text)
    shown = "".join(capsys.readouterr())
    assert not {char for char in shown if _is_a_command(char)} - {"\n", "\t"}
    ours = {"warning": ["warning: "], "hint": ["hint: "], "failure": ["error: ", "hint: "]}
    labels = [
        label
        for line in shown.splitlines()
        for label in ("error: ", "hint: ", "warning: ")
        if line.startswith(label)
    ]
    assert labels == ours.get(place, [])


def _is_a_command(char: str) -> bool:
    return unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"}


@settings(
    max_examples=100,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(text=FOREIGN)
def test_json_preserves_foreign_text(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It is escaped, so a reader gets the original text."""
    render.show("x", Result(text), Preferences(Output.JSON), parts=[], warnings=[text])
    shown = capsys.readouterr().out
    assert all(" " <= char <= "~" or char == "\n" for char in shown)
    found = json.loads(shown)
    assert (found["data"]["text"], found["warnings"]) == (text, [text])


@pytest.mark.parametrize(
    ("environ", "colored"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)],
)
def test_no_color_and_dumb_terminals_turn_colors_off(
    environ: dict[str, str],
    colored: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """NO_COLOR counts if it is not empty."""
    be_a_terminal(monkeypatch)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    speech.say("warning", "mind this")
    render.text([render.Table(("a", "b"), [("ok", "x")], graded=True)], Preferences())
    assert ("\x1b" in "".join(capsys.readouterr())) is colored
