"""Files that users name are read completely, with a limit on size and waiting time."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from dockertls_vault import stop
from dockertls_vault.files import bounded

if TYPE_CHECKING:
    from pathlib import Path


def test_file_is_read_completely_up_to_the_limit(tmp_path: Path) -> None:
    """This is tried with an empty file, a token, and the largest size accepted."""
    file = tmp_path / "file"
    for content in (b"", b"hvs.x\n", bytes(bounded.LARGEST)):
        file.write_bytes(content)
        assert bounded.read(file) == content


def test_process_substitution_is_read_to_its_end() -> None:
    """A program may write to ``<(…)`` in pieces, with pauses."""
    reads = "import pathlib, sys; from dockertls_vault.files import bounded; "
    reads += "print(bounded.read(pathlib.Path(sys.argv[1])))"
    command = f"'{sys.executable}' -c '{reads}' <(printf hvs.; sleep 0.3; printf x)"
    done = subprocess.run(["bash", "-c", command], capture_output=True, check=True)
    assert done.stdout == b"b'hvs.x'\n"


@pytest.mark.parametrize("endless", ["/dev/zero", "large"])
def test_reading_an_endless_file_is_refused(endless: str, tmp_path: Path) -> None:
    """It is not read into memory without a limit."""
    (tmp_path / "large").touch()
    os.truncate(tmp_path / "large", 1 << 40)
    with pytest.raises(ValueError, match="more than 4 MiB"):
        bounded.read(tmp_path / endless)  # an absolute path stays as it is


def test_fifo_without_a_writer_times_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program does not hang."""
    monkeypatch.setattr(bounded, "PIPE_TIMEOUT", 0.1)
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(TimeoutError):
        bounded.read(tmp_path / "fifo")


def test_fifo_with_a_slow_writer_times_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is on the whole read, not on the wait for each byte."""
    monkeypatch.setattr(bounded, "PIPE_TIMEOUT", 1.0)
    os.mkfifo(tmp_path / "fifo")
    over = threading.Event()

    def write() -> None:
        with contextlib.suppress(BrokenPipeError), (tmp_path / "fifo").open("wb", 0) as fifo:
            while not over.wait(0.05):
                fifo.write(b"x")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        with pytest.raises(TimeoutError):
            bounded.read(tmp_path / "fifo")
    finally:
        over.set()
        writer.join()


def test_signal_ends_the_wait_for_a_fifo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program stops at once, without waiting for the timeout."""
    monkeypatch.setattr(bounded, "PIPE_TIMEOUT", 600.0)
    os.mkfifo(tmp_path / "fifo")
    with stop.heeded() as asked:
        timer = threading.Timer(0.1, asked.request)
        timer.start()
        with pytest.raises(stop.Stopped):
            bounded.read(tmp_path / "fifo")
        timer.join()


@pytest.mark.parametrize(
    "variable",
    [
        "VAULT_CACERT",
        "VAULT_CLIENT_CERT",
        "VAULT_CLIENT_KEY",
        "DOCKERTLS_TOKEN_FILE",
        "XDG_CONFIG_HOME",
    ],
)
def test_signal_ends_a_program_that_waits_for_a_file(variable: str, tmp_path: Path) -> None:
    """Whichever setting names the file; the exit status is the signal's."""
    fifo = tmp_path / "dockertls-vault" / "config.toml"
    fifo.parent.mkdir()
    os.mkfifo(fifo)
    named = str(tmp_path if variable == "XDG_CONFIG_HOME" else fifo)
    environ = {"VAULT_ADDR": "https://127.0.0.1:1", "VAULT_TOKEN": "t", variable: named}
    if variable.startswith("VAULT_CLIENT"):
        environ = {"VAULT_CLIENT_CERT": __file__, "VAULT_CLIENT_KEY": __file__, **environ}
    if variable == "DOCKERTLS_TOKEN_FILE":
        del environ["VAULT_TOKEN"]
    process = subprocess.Popen(
        [sys.executable, "-m", "dockertls_vault", "auth"],
        env={**os.environ, **environ},
        stderr=subprocess.PIPE,
    )
    with process, fifo.open("wb"):  # blocks until the program opens it for reading
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM, said
