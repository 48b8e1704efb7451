"""dockerd's judgement of a configuration, if it cannot give one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from dockertls_vault.daemon import trial
from dockertls_vault.daemon.docker_service import Service
from dockertls_vault.errors import ConfigurationError
from dockertls_vault.host import systemd

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("script", "mode", "reason"),
    [
        (None, 0, "does not run: No such file or directory"),
        ("#!/bin/sh\n", 0o600, "does not run: Permission denied"),
        ("#!/bin/sh\nexec sleep 60\n", 0o700, "--validate` did not end within 0 seconds"),
    ],
)
def test_program_that_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None, mode: int, reason: str
) -> None:
    """That is an error with its reason, and not a traceback."""
    monkeypatch.setattr(trial, "_LIMIT", 0.1)
    program = tmp_path / "dockerd"
    if script is not None:
        program.write_text(script)
        program.chmod(mode)
    with pytest.raises(ConfigurationError) as caught:
        trial.judge(Service((str(program),), "active"), b"{}")
    assert str(program) in caught.value.message
    assert reason in caught.value.message
    assert caught.value.hint == "nothing was changed"


def test_trials_at_the_same_time_do_not_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has a unit and a directory of its own, and ends no other one."""
    started: dict[str, tuple[Any, str]] = {}
    ended: list[str] = []

    def run(unit: str, properties: Any, command: Any) -> None:
        started[unit] = (properties["RuntimeDirectory"], " ".join(command))
        if len(started) == 1:
            judge()  # another run, meanwhile
            assert ended == [each for each in started if each != unit]

    def judge() -> None:
        trial.judge(Service(("/usr/sbin/dockerd",), "active"), b"{}")

    monkeypatch.setattr(trial, "_validated", lambda *_: False)
    monkeypatch.setattr(systemd, "run", run)
    monkeypatch.setattr(systemd, "stop", ended.append)
    judge()
    assert sorted(ended) == sorted(started)
    assert len({place for place, _ in started.values()}) == len(started) == 2
    for place, command in started.values():
        assert f"--exec-root /run/{place}/exec" in command
