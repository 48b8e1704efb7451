"""What the harness did in place of what was wanted, said at the end of the run."""

from __future__ import annotations

import pytest

_NOTES = pytest.StashKey[list[str]]()


def note(config: pytest.Config, line: str) -> None:
    """Say ``line`` in the summary of the run."""
    config.stash.setdefault(_NOTES, []).append(line)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the notes."""
    lines = config.stash.get(_NOTES, [])
    if lines:
        terminalreporter.section("servers")
        for line in lines:
            terminalreporter.line(line)
