"""The files of a set-up as they are found."""

from __future__ import annotations

import json
from pathlib import Path
from socket import create_server

import pytest

from dockertls_vault.daemon import found
from dockertls_vault.daemon.desired import Listen
from dockertls_vault.daemon.found import Service, contents, engine_socket
from dockertls_vault.errors import ConfigurationError, ConflictingState


def test_file_that_cannot_be_read_has_a_hint(tmp_path: Path) -> None:
    """A directory, or a link to nothing; a missing file is none."""
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "gone")
    for path, hint in ((tmp_path, "make it a file"), (link, "remove the link")):
        with pytest.raises(ConfigurationError) as caught:
            contents([path])
        assert hint in caught.value.hint
    assert contents([tmp_path / "gone"]) == {tmp_path / "gone": None}


@pytest.mark.parametrize(
    ("flags", "values", "handed", "socket"),
    [
        ("", {}, (), "/var/run/docker.sock"),
        ("-H fd://", {}, ("/run/own.sock", "[::]:2376"), "/run/own.sock"),
        ("-H fd://", {}, (), "/var/run/docker.sock"),
        ("-H tcp://:1 -H unix:///run/x.sock", {}, (), "/run/x.sock"),
        ("", {"hosts": ["tcp://:1", "unix:///run/x.sock"]}, (), "/run/x.sock"),
        ("", {"hosts": ["fd://"]}, ("/run/own.sock",), "/run/own.sock"),
        ("-H tcp://:1", {}, ("/run/own.sock",), None),
        ("", {"hosts": ["tcp://:1"]}, (), None),
        ("--tls", {}, (), None),
        ("", {"tlsverify": False}, (), None),
    ],
)
def test_engine_is_asked_at_the_unix_socket_of_dockerd(
    flags: str,
    values: dict[str, object],
    handed: tuple[str, ...],
    socket: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its flags and daemon.json name it, or systemd hands it over; one on TCP only is refused."""
    monkeypatch.setattr(found, "streams", lambda: handed)
    file = tmp_path / "daemon.json"
    file.write_text(json.dumps(values))
    command = ("/usr/sbin/dockerd", f"--config-file={file}", *flags.split())
    if socket is None:
        with pytest.raises(ConflictingState, match="no Unix socket, only tcp://"):
            engine_socket(Service(command, "active"))
        assert engine_socket(Service(command, "inactive")) == Path("/var/run/docker.sock")
    else:
        assert engine_socket(Service(command, "active")) == Path(socket)


def test_address_at_which_nothing_listens_is_not_open() -> None:
    """Whatever systemd says of its socket."""
    with create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        opened, closed = Listen("127.0.0.1", port), Listen("127.0.0.2", port)
        assert found.is_open([opened])
        assert not found.is_open([opened, closed])
    assert found.is_open([])
