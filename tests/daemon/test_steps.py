"""The steps that only a set-up of dockerd has."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from dockertls_vault.daemon import docker_service
from dockertls_vault.daemon.records import Records
from dockertls_vault.daemon.steps import Forget, Restart, SwitchLiveRestore
from dockertls_vault.docker.engine import Engine
from dockertls_vault.errors import ConflictingState, LiveRestoreOff
from dockertls_vault.host import systemd

ENGINE = Engine(Path("/missing"), timedelta(seconds=1))


def test_only_empty_directories_are_removed(tmp_path: Path) -> None:
    """Of those that the set-up made, others may use one by now."""
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    for each in (mine, theirs):
        each.mkdir()
    (theirs / "other.conf").touch()
    Forget(Records(tmp_path / "state"), (mine, theirs)).apply()
    assert [each.exists() for each in (mine, theirs)] == [False, True]
    assert list(theirs.iterdir()) == [theirs / "other.conf"]


@pytest.fixture(name="wrapped")
def started_by_a_script(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have docker.service run another program than dockerd; a SIGHUP fails the test."""
    monkeypatch.setattr(docker_service, "can_reload", lambda: False)
    monkeypatch.setattr(systemd, "hang_up", None)


@pytest.mark.usefixtures("wrapped")
def test_nothing_is_asked_if_no_container_runs(caplog: pytest.LogCaptureFixture) -> None:
    """A restart stops none, so that live-restore is not needed."""
    SwitchLiveRestore(ENGINE, on=True).apply()
    assert caplog.messages == []
    with pytest.raises(LiveRestoreOff) as raised:
        SwitchLiveRestore(ENGINE, on=True, running=("web",)).apply()
    assert raised.value.problems == ("web",)


@pytest.mark.usefixtures("wrapped")
def test_live_restore_that_stays_on_is_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    """A removal goes on, and says what follows."""
    SwitchLiveRestore(ENGINE, on=False, running=("web",)).apply()
    assert ["its next restart stops containers" in each for each in caplog.messages] == [True]


@pytest.mark.parametrize(
    ("error", "message", "hint"),
    [
        (
            ConflictingState("it did not end within 600 seconds", hint="see list-jobs"),
            "it did not end within 600 seconds",
            "see list-jobs",
        ),
        (
            ConflictingState("Job failed.\nSee the log for details."),
            "Job failed",
            "see its log: journalctl -u docker.service",
        ),
    ],
)
def test_restart_that_fails_says_why(
    monkeypatch: pytest.MonkeyPatch, error: ConflictingState, message: str, hint: str
) -> None:
    """One that takes too long is not taken for a dockerd that does not start."""

    def fails(_unit: str) -> None:
        raise error

    monkeypatch.setattr(systemd, "restart", fails)
    with pytest.raises(ConflictingState) as raised:
        Restart(ENGINE).apply()
    assert raised.value.message == f"the restart of docker.service failed: {message}"
    assert raised.value.hint == hint
