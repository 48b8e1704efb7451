"""What the harness did in place of what was wanted, said at the end of the run."""

from __future__ import annotations

from typing import Any

import pytest

_NOTES = pytest.StashKey[list[str]]()


def note(config: pytest.Config, line: str) -> None:
    """Say ``line`` in the summary of the run, once however many processes say it."""
    notes = config.stash.setdefault(_NOTES, [])
    if line not in notes:
        notes.append(line)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand the notes of one of several processes to the one that prints."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["notes"] = session.config.stash.get(_NOTES, [])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take the notes of a process that has ended; one that crashed has left none."""
    for line in getattr(node, "workeroutput", {}).get("notes", []):
        note(node.config, line)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the notes."""
    lines = config.stash.get(_NOTES, [])
    if lines:
        terminalreporter.section("servers")
        for line in lines:
            terminalreporter.line(line)
