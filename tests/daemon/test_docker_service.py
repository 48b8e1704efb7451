"""docker.service on this host: where its engine is asked, and what is open."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from socket import create_server

import pytest

from dockertls_vault.daemon import docker_service
from dockertls_vault.daemon.desired import Listen
from dockertls_vault.daemon.docker_service import Service, engine_socket
from dockertls_vault.errors import ConflictingState
from dockertls_vault.host.processes import Process


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
    monkeypatch.setattr(docker_service, "streams", lambda: handed)
    file = tmp_path / "daemon.json"
    file.write_text(json.dumps(values))
    command = ("/usr/sbin/dockerd", f"--config-file={file}", *flags.split())
    if socket is None:
        with pytest.raises(ConflictingState, match="no Unix socket, only tcp://"):
            engine_socket(Service(command, "active"))
        assert engine_socket(Service(command, "inactive")) == Path("/var/run/docker.sock")
    else:
        assert engine_socket(Service(command, "active")) == Path(socket)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"LISTEN_FDNAMES": "docker.socket:docker-tls.socket"}, True),
        ({"LISTEN_FDNAMES": "docker.socket"}, False),
        ({}, False),
        (None, False),
    ],
)
def test_dockerd_that_was_started_with_our_socket_holds_it(
    environ: dict[str, str] | None, expected: bool
) -> None:
    """Unless that is not known: only root may read what a process was started with."""
    process = Process(1, 0, ("dockerd",), datetime.now(UTC), environ, in_other_namespaces=False)
    assert docker_service.holds_our_socket(process) is expected


def test_address_at_which_nothing_listens_is_not_open() -> None:
    """Whatever systemd says of its socket."""
    with create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        opened, closed = Listen("127.0.0.1", port), Listen("127.0.0.2", port)
        assert docker_service.is_open([opened])
        assert not docker_service.is_open([opened, closed])
    assert docker_service.is_open([])
