"""Flags of `daemon configure` that would have no effect."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dockertls_vault.cli.main import run
from dockertls_vault.host import systemd

if TYPE_CHECKING:
    from pathlib import Path

FOR_SYSTEMD = (["--take-over"], ["--certs", "/a"], ["--timeout", "20s"])


@pytest.mark.parametrize("flags", [*FOR_SYSTEMD, ["--dir", "/a"], ["--listen", "2377"]])
def test_removal_is_of_what_was_set_up(
    flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """It needs to know nothing, and checks nothing."""
    assert run(["daemon", "configure", "--remove", *flags]) == 2
    assert f"{flags[0]} cannot be combined with --remove" in capsys.readouterr().err


@pytest.mark.parametrize("flags", FOR_SYSTEMD)
def test_without_systemd_nothing_is_checked(
    flags: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Nor are there flags to take over."""
    monkeypatch.setattr(systemd, "_BOOTED", tmp_path / "missing")
    assert run(["daemon", "configure", *flags]) == 2
    assert f"{flags[0]} is for a dockerd that systemd runs" in capsys.readouterr().err
