"""The engine of this host, asked over its socket."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import tempfile
import threading
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dockertls_vault import stop
from dockertls_vault.docker import engine as module
from dockertls_vault.docker.engine import Engine
from dockertls_vault.errors import DockerUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.harness.engine import Engine as RunningEngine

CHUNKED = b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}"
SHORT = timedelta(milliseconds=200)
LONG = timedelta(seconds=60)


def test_engine_describes_itself(engine: RunningEngine) -> None:
    """A real one has a version, what `docker info` shows, and the containers that run."""
    asked = Engine(socket_of(engine), LONG)
    assert asked.version()["Version"] == engine.version
    assert {"LiveRestoreEnabled", "Swarm", "DockerRootDir"} <= set(asked.info())
    listed = running(engine)
    found = {each["Id"] for each in asked.containers()}
    # Other tests start and stop containers at the same time.
    assert listed & running(engine) <= found | (listed ^ running(engine))


def test_container_that_is_gone_has_no_details(engine: RunningEngine) -> None:
    """It may have ended since they were listed."""
    assert Engine(socket_of(engine), LONG).container("0" * 64) is None


def running(engine: RunningEngine) -> set[str]:
    """Return the ids of the containers that run."""
    return set(engine.docker("ps", "--quiet", "--no-trunc").split())


def socket_of(engine: RunningEngine) -> Path:
    """Return the path of the socket that the engine listens at."""
    host = engine.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if not host.startswith("unix://"):
        pytest.skip("the engine here has no Unix socket")
    return Path(host.removeprefix("unix://"))


@pytest.fixture
def directory() -> Iterator[Path]:
    """Return a directory for sockets, whose paths have 107 bytes at most: pytest's are longer."""
    name = Path(tempfile.mkdtemp(prefix="dockertls-"))
    yield name
    shutil.rmtree(name)


@contextlib.contextmanager
def answering(path: Path, answer: bytes, *, keep_open: bool = False) -> Iterator[Engine]:
    """Answer one request with these bytes."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        over = threading.Event()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                connection.recv(4096)
                connection.sendall(answer)
                if keep_open:
                    over.wait(60)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield Engine(path, SHORT if keep_open else LONG)
        over.set()
        thread.join()


def http(body: bytes, status: int = 200) -> bytes:
    """Return an answer of HTTP."""
    head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + body


@pytest.mark.parametrize(
    "answer",
    [
        http(b'{"message": "no"}', 500),
        http(b"[]"),
        http(b"null"),
        http(b"{} ")[:-2],
        http(b"{"),
        http(b"\xff"),
        http(b"[" * 100_000),
        http(b'{"a": "' + b"a" * 1000 + b'"}'),
    ],
    ids=["status", "list", "null", "cut off", "json", "utf-8", "depth", "size"],
)
def test_other_answers_are_an_error(
    directory: Path, answer: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not Docker, or an answer without end."""
    monkeypatch.setattr(module, "_LONGEST", 500)
    path = directory / "docker.sock"
    with (
        answering(path, answer) as asked,
        pytest.raises(DockerUnavailable, match=f"^{path} does not answer GET /info as Docker does"),
    ):
        asked.info()


@pytest.mark.parametrize("answer", [http(b"{}"), http(b"[1]")])
def test_containers_are_a_list_of_objects(directory: Path, answer: bytes) -> None:
    """Anything else is an error."""
    with (
        answering(directory / "docker.sock", answer) as asked,
        pytest.raises(DockerUnavailable, match="does not answer GET /containers/json"),
    ):
        asked.containers()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "Remote end closed connection without response"),
        (b"nonsense\r\n\r\n", "nonsense"),
        (CHUNKED, "IncompleteRead"),
    ],
)
def test_connection_that_ends_is_an_error(directory: Path, answer: bytes, reason: str) -> None:
    """With the reason."""
    with (
        answering(directory / "docker.sock", answer) as asked,
        pytest.raises(DockerUnavailable, match=rf"^no answer from Docker at .*\({reason}"),
    ):
        asked.info()


@pytest.mark.parametrize("answer", [b"", CHUNKED])
def test_wait_is_limited(directory: Path, answer: bytes) -> None:
    """For the start of an answer, and for its end."""
    with (
        answering(directory / "docker.sock", answer, keep_open=True) as asked,
        pytest.raises(DockerUnavailable, match=r"\(timed out\)"),
    ):
        asked.info()


def test_answer_is_limited_as_a_whole(directory: Path) -> None:
    """Not only each wait: one that arrives byte by byte would never end."""
    path = directory / "docker.sock"
    over = threading.Event()

    def drip(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            while not over.wait(0.01):
                connection.sendall(b"H")

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(target=drip, args=[listener], daemon=True)
        thread.start()
        try:
            with pytest.raises(DockerUnavailable, match=r"\(timed out\)"):
                Engine(path, SHORT).info()
        finally:
            over.set()
            thread.join()


def test_request_to_stop_ends_the_wait(directory: Path) -> None:
    """At once."""
    with answering(directory / "docker.sock", b"", keep_open=True) as _, stop.heeded() as request:
        threading.Timer(0.1, request.request).start()
        with pytest.raises(stop.Stopped):
            Engine(directory / "docker.sock", LONG).info()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("absent", "No such file or directory"),
        ("refusing", "Connection refused"),
        ("x" * 120, "AF_UNIX path too long"),
    ],
)
def test_no_engine(directory: Path, name: str, reason: str) -> None:
    """The message has the path and the reason, the hint what to check."""
    with socket.socket(socket.AF_UNIX) as closed:
        closed.bind(str(directory / "refusing"))
    with pytest.raises(DockerUnavailable) as caught:
        Engine(directory / name, LONG).version()
    assert caught.value.message == f"no answer from Docker at {directory / name} ({reason})"
    assert "systemctl status docker" in caught.value.hint


def test_socket_of_others(directory: Path) -> None:
    """Without permission, the hint is to use another user."""
    user = os.geteuid()
    directory.chmod(0)
    os.seteuid(user or 65534)
    try:
        with pytest.raises(DockerUnavailable, match=r"\(Permission denied\)$") as caught:
            Engine(directory / "docker.sock", LONG).version()
    finally:
        os.seteuid(user)
        directory.chmod(0o700)
    assert caught.value.hint == "run this as root, or as a member of the socket's group"
