"""What is logged, in words on stderr; and what failed."""

from __future__ import annotations

import logging

import pytest

from dockertls_vault.cli import main, speech
from dockertls_vault.cli.preferences import Preferences
from dockertls_vault.errors import UnmanagedFiles
from tests.harness.terminal import be_a_terminal

logger = logging.getLogger("dockertls_vault.of.this.test")


@pytest.mark.parametrize(
    ("preferences", "said"),
    [
        (Preferences(), "info\nwarning: warning\n"),
        (Preferences(verbose=True), "debug\ninfo\nwarning: warning\n"),
        (Preferences(quiet=True), "warning: warning\n"),
        (Preferences(quiet=True, verbose=True), "warning: warning\n"),
    ],
    ids=["plain", "verbose", "quiet", "both"],
)
def test_what_is_said_of_what_is_logged(
    preferences: Preferences, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Info is a note, debug what --verbose adds, and a warning is never silenced."""
    with speech.speaking(preferences):
        for level in (logging.DEBUG, logging.INFO, logging.WARNING):
            logger.log(level, "%s", logging.getLevelName(level).lower())
    assert capsys.readouterr().err == said


def test_the_logging_of_a_process_is_left_as_it_was(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whoever runs a command in a process of theirs has their own handlers, and levels."""
    ours, root = logging.getLogger("dockertls_vault"), logging.getLogger()
    before = (ours.level, ours.propagate, list(ours.handlers), root.level, list(root.handlers))
    assert main.run(["check", "localhost:1", "--certs", ""]) == 2
    after = (ours.level, ours.propagate, list(ours.handlers), root.level, list(root.handlers))
    assert after == before
    capsys.readouterr()
    logger.info("nobody listens any more")
    assert capsys.readouterr().err == ""


def test_what_a_library_logs_is_not_said(capsys: pytest.CaptureFixture[str]) -> None:
    """A URL or a header of its own could have a token in it."""
    with speech.speaking(Preferences(verbose=True)):
        for name in ("urllib3.connectionpool", "hvac", "dockertls_vaults"):
            logging.getLogger(name).error("X-Vault-Token: s.secret")
    assert capsys.readouterr().err == ""


def test_errors_warnings_and_hints_have_colours_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The label alone; NO_COLOR turns them off, and so does a pipe."""
    be_a_terminal(monkeypatch)
    error = UnmanagedFiles("went wrong")
    speech.failure(error, Preferences())
    speech.say("warning", "mind this")
    coloured = capsys.readouterr().err
    assert "\x1b[31m\x1b[1merror\x1b[0m: went wrong\n" in coloured
    assert "\x1b[36m\x1b[1mhint\x1b[0m: use --replace" in coloured
    assert "\x1b[33m\x1b[1mwarning\x1b[0m: mind this\n" in coloured
    monkeypatch.setenv("NO_COLOR", "1")
    speech.failure(error, Preferences())
    assert capsys.readouterr().err.startswith("error: went wrong\nhint: use --replace")
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setattr("sys.stderr.isatty", lambda: False)
    speech.say("warning", "mind this")
    assert capsys.readouterr().err == "warning: mind this\n"


def test_what_others_say_begins_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A newline in a warning of Vault's is shown as one; it forges no line of ours."""
    with speech.speaking(Preferences()):
        logger.warning("odd\nerror: all is lost\nhint: run this")
    said = capsys.readouterr().err.splitlines()
    assert said == ["warning: odd\\nerror: all is lost\\nhint: run this"]
