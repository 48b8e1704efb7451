"""Log records and errors as text on stderr."""

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
def test_log_levels_map_to_notes_and_warnings(
    preferences: Preferences, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """INFO is a note, DEBUG needs --verbose, and a warning is never silenced."""
    with speech.speaking(preferences):
        for level in (logging.DEBUG, logging.INFO, logging.WARNING):
            logger.log(level, "%s", logging.getLevelName(level).lower())
    assert capsys.readouterr().err == said


def test_logging_configuration_is_restored(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A process that calls a command has its own handlers and levels."""
    ours, root = logging.getLogger("dockertls_vault"), logging.getLogger()
    before = (ours.level, ours.propagate, list(ours.handlers), root.level, list(root.handlers))
    assert main.run(["check", "localhost:1", "--certs", ""]) == 2
    after = (ours.level, ours.propagate, list(ours.handlers), root.level, list(root.handlers))
    assert after == before
    capsys.readouterr()
    logger.info("nobody listens any more")
    assert capsys.readouterr().err == ""


def test_log_records_of_libraries_are_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """They may contain a URL or header with a token."""
    with speech.speaking(Preferences(verbose=True)):
        for name in ("urllib3.connectionpool", "hvac", "dockertls_vaults"):
            logging.getLogger(name).error("X-Vault-Token: s.secret")
    assert capsys.readouterr().err == ""


def test_labels_are_colored_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only the label; NO_COLOR or a pipe turns it off."""
    be_a_terminal(monkeypatch)
    error = UnmanagedFiles("went wrong")
    speech.failure(error, Preferences())
    speech.say("warning", "mind this")
    colored = capsys.readouterr().err
    assert "\x1b[31m\x1b[1merror\x1b[0m: went wrong\n" in colored
    assert "\x1b[36m\x1b[1mhint\x1b[0m: use --replace" in colored
    assert "\x1b[33m\x1b[1mwarning\x1b[0m: mind this\n" in colored
    monkeypatch.setenv("NO_COLOR", "1")
    speech.failure(error, Preferences())
    assert capsys.readouterr().err.startswith("error: went wrong\nhint: use --replace")
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setattr("sys.stderr.isatty", lambda: False)
    speech.say("warning", "mind this")
    assert capsys.readouterr().err == "warning: mind this\n"


def test_newline_in_a_warning_is_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    """A warning from Vault cannot imitate a line of ours."""
    with speech.speaking(Preferences()):
        logger.warning("odd\nerror: all is lost\nhint: run this")
    said = capsys.readouterr().err.splitlines()
    assert said == ["warning: odd\\nerror: all is lost\\nhint: run this"]
