"""Whether dockerd was started with what docker.service says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from dockertls_vault.daemon.passed_on import Started, refuse_changed
from dockertls_vault.errors import ConflictingState

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime.now(UTC)
EARLIER, LATER = NOW - timedelta(hours=1), NOW + timedelta(hours=1)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("-H fd://", None),
        ("--host=fd:// --debug", None),
        ("-H fd:// -H tcp://:2375", "hosts: fd:// tcp://:2375 in place of fd://"),
        ("", "hosts: none in place of fd://"),
        ("-H fd:// --tls", "tls: True in place of none"),
        ("-H fd:// --tlscacert /a", "tlscacert: /a in place of none"),
        ("-H fd:// --config-file /p", "it reads /p in place of /etc/docker/daemon.json"),
    ],
)
def test_script_that_changes_the_arguments_is_refused(
    given: str, problem: str | None, tmp_path: Path
) -> None:
    """Unless they are to change with the next start: a file was edited since."""
    if problem is None:
        refuse_changed(Started(given.split(), LATER, ()), ["-H", "fd://"])
        return
    file = tmp_path / "docker.service"
    file.touch()
    with pytest.raises(ConflictingState, match="with other arguments") as refused:
        refuse_changed(Started(given.split(), LATER, [file, tmp_path / "gone"]), ["-H", "fd://"])
    assert refused.value.problems == (problem,)
    refuse_changed(Started(given.split(), EARLIER, [file]), ["-H", "fd://"])


@pytest.mark.parametrize(
    ("written", "copied", "since", "is_safe"),
    [
        ('{"debug": true}', '{"debug":true}', EARLIER, True),
        ('{"debug": true}', '{"debug":true}', LATER, False),
        (None, "{}", EARLIER, True),
        (None, "{}", LATER, False),
        ('{"debug": true}', "{}", EARLIER, False),
        ("{", "{", EARLIER, False),
    ],
)
def test_copy_of_daemon_json_has_its_settings(
    written: str | None, copied: str, since: datetime, is_safe: bool, tmp_path: Path
) -> None:
    """If it was made at the start: one that only happens to be equal will not have TLS."""
    file, copy = tmp_path / "daemon.json", tmp_path / "copy.json"
    if written is not None:
        file.write_text(written)
    copy.write_text(copied)
    started = Started(["--config-file", str(copy)], since, ())
    arguments = ["--config-file", str(file)]
    if is_safe:
        refuse_changed(started, arguments)
    else:
        with pytest.raises(ConflictingState) as refused:
            refuse_changed(started, arguments)
        assert refused.value.problems == (f"it reads {copy} in place of {file}",)


def test_link_is_the_same_file(tmp_path: Path) -> None:
    """Also if it leads to a file that does not exist yet."""
    link = tmp_path / "link.json"
    link.symlink_to(tmp_path / "daemon.json")
    started = Started(["--config-file", str(link)], LATER, ())
    refuse_changed(started, ["--config-file", str(tmp_path / "daemon.json")])
