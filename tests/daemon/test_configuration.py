"""The configuration of a dockerd, as far as it can be read."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from dockertls_vault.daemon import configuration
from dockertls_vault.files import reading

if TYPE_CHECKING:
    from pathlib import Path

    from dockertls_vault.daemon.configuration import Configuration


def read(file: Path, *arguments: str) -> Configuration:
    """Read a configuration with ``file`` as daemon.json."""
    return configuration.read(["--config-file", str(file), *arguments], None)


def results(found: Configuration) -> dict[str, str]:
    """Return the results of both checks."""
    return {each.check: each.result.value for each in configuration.judge(found)}


FINE = {"configuration": "ok", "clash": "ok"}
BROKEN = {"configuration": "error", "clash": "skipped"}
ROOTLESS = {"ROOTLESSKIT_STATE_DIR": "/run/user/1000/rootlesskit", "HOME": "/home/alice"}


@pytest.mark.parametrize(
    ("content", "arguments", "expected"),
    [
        ("{}", [], FINE),
        (None, [], FINE),
        ('{"hosts": ["fd://"]}', ["-H", "fd://"], {**FINE, "clash": "error"}),
        ("{", [], BROKEN),
        ('{"debug": true, "debug": true}', [], BROKEN),
        ("{}", ["--tls=maybe"], BROKEN),
    ],
)
def test_configuration_with_which_dockerd_does_not_start_is_an_error(
    tmp_path: Path, content: str | None, arguments: list[str], expected: dict[str, str]
) -> None:
    """A missing file is none; the words are those of the parser."""
    file = tmp_path / "daemon.json"
    if content is not None:
        file.write_text(content)
    assert results(read(file, *arguments)) == expected


def test_configuration_that_is_no_file_is_an_error(tmp_path: Path) -> None:
    """Reading a FIFO would block."""
    os.mkfifo(tmp_path / "fifo")
    assert results(read(tmp_path / "fifo")) == BROKEN
    assert results(read(tmp_path)) == BROKEN
    assert results(read(tmp_path / "fifo" / "x")) == FINE


def test_settings_are_those_of_flags_and_file(tmp_path: Path) -> None:
    """And of the environment."""
    file = tmp_path / "daemon.json"
    file.write_text('{"tlsverify": true, "live-restore": true}')
    found = read(file, "-H", "fd://")
    assert (found.settings.hosts, found.settings.live_restore) == (("fd://",), True)
    assert found.settings.tlscacert is None
    assert found.written == file.stat().st_mtime
    assert configuration.read([], {"DOCKER_TLS_VERIFY": "1"}).settings.tls


def test_unreadable_configuration_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For an ordinary user, that is no fault."""

    def refuse(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(reading, "read_with_status", refuse)
    found = read(tmp_path / "daemon.json")
    assert found.unknown == f"needs root: {tmp_path / 'daemon.json'}"
    assert results(found) == {"configuration": "skipped", "clash": "skipped"}


@pytest.mark.parametrize(
    ("arguments", "environ", "file"),
    [
        ([], {}, "/etc/docker/daemon.json"),
        ([], {"HOME": "/home/alice"}, "/etc/docker/daemon.json"),
        ([], ROOTLESS, "/home/alice/.config/docker/daemon.json"),
        ([], {**ROOTLESS, "XDG_CONFIG_HOME": "/srv"}, "/srv/docker/daemon.json"),
        (["--config-file=/etc/other"], ROOTLESS, "/etc/other"),
    ],
)
def test_rootless_dockerd_reads_the_file_of_its_user(
    arguments: list[str], environ: dict[str, str], file: str
) -> None:
    """RootlessKit tells dockerd where it is by a variable."""
    assert str(configuration.read(arguments, environ).file) == file
