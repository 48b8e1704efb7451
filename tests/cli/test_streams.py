"""Streams that are closed, full or unread: the exit status is still the command's."""

from __future__ import annotations

import errno
import io
import json
import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from typing import TYPE_CHECKING

import pytest

from dockertls_vault import __version__
from dockertls_vault.certificate.certificate import load_certificates
from dockertls_vault.cli import streams

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.fake_vault import FakeVault

PROGRAM = [sys.executable, "-m", "dockertls_vault"]


@pytest.fixture
def unread() -> int:
    """Return the write end of a pipe without a reader, as under `| true`."""
    reader, writer = os.pipe()
    os.close(reader)
    return writer


@pytest.fixture
def closed_port() -> int:
    """Return a port without a listener."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


COMMANDS = [
    (["--version"], 0),
    (["check", "--help"], 0),
    (["ca", "policy", "client"], 0),
    (["check"], 69),
    (["check", "-o", "json"], 69),
    (["check", "--timeout", "soon", "-o", "json"], 2),
    (["--no-such-option"], 2),
]


@pytest.mark.parametrize(("arguments", "status"), COMMANDS)
@pytest.mark.parametrize("both", [False, True])
def test_exit_status_is_the_commands_despite_a_broken_stream(
    arguments: Sequence[str], status: int, both: bool, unread: int, closed_port: int
) -> None:
    """Not 1, a warning of `check`; nothing about it is on the other stream."""
    environ = {**os.environ, "DOCKER_HOST": f"tcp://127.0.0.1:{closed_port}"}
    done = subprocess.run(
        [*PROGRAM, *arguments],
        stdout=unread,
        stderr=unread if both else subprocess.PIPE,
        env=environ,
        text=True,
        check=False,
    )
    os.close(unread)
    assert done.returncode == status
    assert "roken" not in (done.stderr or "")


@pytest.mark.parametrize(("arguments", "status"), COMMANDS)
@pytest.mark.parametrize("redirections", [">/dev/full", ">/dev/full 2>&1"])
def test_output_to_a_full_disk_is_not_a_success(
    arguments: Sequence[str], status: int, redirections: str, closed_port: int
) -> None:
    """An earlier failure keeps its status, even if it cannot be printed."""
    done = _in_a_shell(redirections, *arguments, port=closed_port)
    assert done.returncode == (status or 74)
    told = "error: cannot write the result to stdout: No space left" in done.stderr
    assert told is (status == 0 and redirections == ">/dev/full")


@pytest.mark.parametrize(
    ("closed", "arguments", "status"),
    [
        *((closed, *COMMANDS[4]) for size in (1, 2, 3) for closed in combinations("012", size)),
        *((closed, *command) for closed in ("1", "012") for command in COMMANDS),
    ],
)
def test_closed_streams_are_ignored(
    arguments: Sequence[str], status: int, closed: Sequence[str], closed_port: int
) -> None:
    """With ``<&- >&- 2>&-``, the caller wants no output."""
    redirections = " ".join(f"{number}>&-" for number in closed)
    done = _in_a_shell(redirections, *arguments, port=closed_port)
    assert done.returncode == status
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize("redirections", [">/dev/full", ">/dev/full 2>&1", "<&- >&- 2>&-"])
def test_credential_is_installed_even_if_output_fails(
    redirections: str, fake: FakeVault, tmp_path: Path
) -> None:
    """The files are complete, and no output ends up in them."""
    out = tmp_path / "client"
    done = _in_a_shell(
        redirections,
        *("issue", "client", "--name", "alice", "-o", "json", "--dir", str(out)),
        VAULT_ADDR=fake.address,
        VAULT_TOKEN=fake.token,
    )
    assert done.returncode == (0 if ">&-" in redirections else 74)
    if redirections == ">/dev/full":
        assert "any certificate that it issued is in use" in done.stderr
    (leaf,) = load_certificates((out / "cert.pem").read_bytes())
    assert leaf.subject.rfc4514_string() == "CN=alice"
    assert json.loads((out / ".dockertls" / "request.json").read_text())["common_name"] == "alice"
    assert (out / "key.pem").read_text().count("-----") == 4


def test_slow_reader_of_a_non_blocking_pipe_gets_everything() -> None:
    """Another process, such as Node.js, may have set O_NONBLOCK."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    while True:
        try:
            os.write(writer, b"x" * 65536)
        except BlockingIOError:
            break
    process = subprocess.Popen([*PROGRAM, "--version"], stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read()
    _, err = process.communicate()
    assert (process.returncode, err) == (0, b"")
    assert said.lstrip(b"x") == f"dockertls-vault {__version__}\n".encode()


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "ascii"])
def test_output_with_a_reader_is_written_completely(encoding: str) -> None:
    """It is in the encoding that Python chose, and no data is left in a buffer."""
    environ = {**os.environ, "PYTHONIOENCODING": encoding, "COLUMNS": "80"}
    done = subprocess.run([*PROGRAM, "--version"], capture_output=True, env=environ, check=False)
    assert (done.stdout, done.stderr) == (f"dockertls-vault {__version__}\n".encode(), b"")


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "ascii"])
def test_characters_outside_the_encoding_are_escaped(encoding: str) -> None:
    """In JSON by JSON's own escapes, so readers get the original."""
    environ = {**os.environ, "PYTHONIOENCODING": encoding, "DOCKERTLS_AUTH": "☃"}
    done = subprocess.run(
        [*PROGRAM, "auth", "-o", "json"], capture_output=True, env=environ, check=False
    )
    assert done.returncode == 78
    assert "☃" in json.loads(done.stdout.decode(encoding))["error"]["message"]
    shown = "☃" if encoding == "utf-8" else r"\u2603"
    assert f"unknown auth method: '{shown}'" in done.stderr.decode(encoding)


def test_output_without_a_reader_is_discarded(unread: int) -> None:
    """It is no failure: whoever ran `| head -1` has what they asked for."""
    with streams.Sink(unread, "w") as sink:
        assert (sink.write(b"first"), sink.write(b"second")) == (5, 6)
    assert sink.failure is None


def test_first_failure_is_kept_and_further_output_discarded() -> None:
    """The exit status is decided when everything else is done."""
    with streams.Sink("/dev/full", "w") as sink:
        assert (sink.write(b"first"), sink.write(b"second")) == (5, 6)
    assert sink.failure is not None
    assert sink.failure.errno == errno.ENOSPC


def test_nonblocking_descriptor_is_waited_for() -> None:
    """Until its reader has made room, nothing is lost."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    whole = bytes(1 << 20)
    with os.fdopen(reader, "rb") as pipe, ThreadPoolExecutor(1) as pool:
        with streams.Sink(writer, "w") as sink:
            read = pool.submit(pipe.read, len(whole))
            left = memoryview(whole)
            while left:
                left = left[sink.write(left) :]
        assert read.result() == whole


@pytest.mark.parametrize("closed", [False, True])
def test_standard_streams_are_replaced(
    closed: bool, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python's own streams may be missing (None); what an encoding lacks is escaped."""
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, None if closed else getattr(sys, f"__{name}__"))
    if not closed:
        # Under pytest-xdist the real one has been read from, and cannot be reconfigured.
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    stdout = streams.take_over()
    for stream in (sys.stdout, sys.stderr):
        streams.write(stream, "\u2603\n")
    printed = capfd.readouterr()
    assert (printed.out, printed.err) == ("\u2603\n" if closed else "\\u2603\n", "\u2603\n")
    assert (stdout.fileno(), stdout.failure) == (1, None)
    assert sys.stdin is not None


def test_closed_descriptors_are_opened_on_dev_null() -> None:
    """No file that is opened later gets the number of a standard stream."""
    program = (
        "import os; from dockertls_vault.cli import streams; streams.take_over(); "
        "assert os.open('/', os.O_RDONLY) > 2"
    )
    command = ["sh", "-c", '"$@" <&- >&-', "sh", sys.executable, "-c", program]
    subprocess.run(command, check=True)


def _in_a_shell(
    redirections: str, *arguments: str, port: int = 1, **environ: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", f'"$@" {redirections}', "sh", *PROGRAM, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "DOCKER_HOST": f"tcp://127.0.0.1:{port}", **environ},
        check=False,
    )
