"""Substitutions made by the harness, listed at the end of the run."""

from __future__ import annotations

from typing import Any

import pytest

_NOTES = pytest.StashKey[list[str]]()


def note(config: pytest.Config, line: str) -> None:
    """Print ``line`` in the summary of the run, once even if several processes note it."""
    notes = config.stash.setdefault(_NOTES, [])
    if line not in notes:
        notes.append(line)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Pass the notes of a worker process to the one that prints them."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["notes"] = session.config.stash.get(_NOTES, [])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Collect the notes of a worker that has ended; a crashed one leaves none."""
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
