"""``renew`` as a user sees it: a progress bar for many, a line for each."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from tests.faults.signals import Role
from tests.test_renew_all import Fleet
from tests.vault.operator import Operator

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness.openbao import DevVault

BAR = "━"


@pytest.fixture
def fleet(openbao: DevVault, tmp_path: Path) -> Fleet:
    """Return a host without credentials, which logs in with an AppRole role of its own."""
    return Fleet(Role.make(Operator.of(openbao)), tmp_path)


def _renew(fleet: Fleet, *arguments: str, terminal: bool = True, **variables: str) -> str:
    """Renew with a terminal of 80 columns at stderr, or a pipe; return what was printed there."""
    ours, theirs = pty.openpty() if terminal else os.pipe()
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "dockertls_vault", "renew", "--force", *arguments),
            *map(str, fleet.directories),
        ],
        env={
            **os.environ,
            **fleet.role.variables,
            "BAO_ADDR": fleet.operator.address,
            "TERM": "xterm",
            "COLUMNS": "80",
            **variables,
        },
        stdout=subprocess.DEVNULL,
        stderr=theirs,
    ):
        os.close(theirs)
        shown = b""
        with os.fdopen(ours, "rb", buffering=0) as end, suppress(OSError):  # EIO is the end
            while part := end.read(4096):
                shown += part
    return shown.decode().replace("\r\n", "\n")


def _lines(shown: str) -> list[str]:
    """Return what stays on the terminal, by carrying out the control sequences of the bar."""
    lines = [""]
    for piece in shown.replace("\x1b[?25l", "").replace("\x1b[?25h", "").split("\n"):
        lines.append("")
        for part in piece.split("\r"):
            for text in part.split("\x1b[1A"):
                if text != part.split("\x1b[1A", maxsplit=1)[0]:
                    lines.pop()
                lines[-1] = text.replace("\x1b[2K", "") if "\x1b[2K" in text else lines[-1] + text
    return [line for line in lines if line]


def test_many_renewals_have_a_progress_bar(fleet: Fleet) -> None:
    """It counts to the end and disappears; the lines above it stay whole."""
    fleet.issue(5)
    shown = _renew(fleet)
    assert BAR in shown
    for count in range(1, 6):
        assert f"{count}/5" in shown
    stays = _lines(shown)
    assert stays == [f"{directory}: renewed: --force" for directory in fleet.directories]


def test_directory_that_is_named_twice_is_renewed_once(fleet: Fleet) -> None:
    """Also if it is spelled differently."""
    fleet.issue(1)
    directory = fleet.directories[0]
    shown = _renew(fleet, f"{directory}/.", terminal=False)
    assert shown.splitlines() == [f"{directory}: renewed: --force"]


@pytest.mark.parametrize(
    ("count", "arguments", "terminal", "variables"),
    [
        (4, [], True, {}),
        (5, ["--quiet"], True, {}),
        (5, [], False, {}),
        (5, [], True, {"NO_COLOR": "1"}),
    ],
)
def test_few_or_quiet_or_logged_renewals_have_no_progress_bar(
    fleet: Fleet, count: int, arguments: list[str], terminal: bool, variables: dict[str, str]
) -> None:
    """Nor has a terminal without escape sequences."""
    fleet.issue(count)
    shown = _renew(fleet, *arguments, terminal=terminal, **variables)
    assert BAR not in shown
    assert "\x1b" not in shown
    lines = [] if arguments else [f"{path}: renewed: --force" for path in fleet.directories]
    assert shown.splitlines() == lines


def test_output_of_hooks_is_not_mixed_with_the_progress_bar(fleet: Fleet) -> None:
    """It is on separate lines."""
    fleet.issue(5, hooks=(("echo", "restarted"),))
    stays = _lines(_renew(fleet))
    assert stays.count("restarted") == 5
    assert stays.count("running the hook echo restarted") == 5
