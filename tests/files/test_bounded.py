"""A file that a user names is read to its end, or given up."""

from __future__ import annotations

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


def test_a_file(tmp_path: Path) -> None:
    """It is read whole, up to the largest."""
    file = tmp_path / "file"
    for content in (b"", b"hvs.x\n", bytes(bounded.LARGEST)):
        file.write_bytes(content)
        assert bounded.read(file) == content


def test_a_pipe_of_a_shell() -> None:
    """What a program writes bit by bit into ``<(…)`` is waited for."""
    reads = "import pathlib, sys; from dockertls_vault.files import bounded; "
    reads += "print(bounded.read(pathlib.Path(sys.argv[1])))"
    command = f"'{sys.executable}' -c '{reads}' <(printf hvs.; sleep 0.3; printf x)"
    done = subprocess.run(["bash", "-c", command], capture_output=True, check=True)
    assert done.stdout == b"b'hvs.x'\n"


@pytest.mark.parametrize("endless", ["/dev/zero", "large"])
def test_what_has_no_end(endless: str, tmp_path: Path) -> None:
    """It is not read into memory for as long as there is some."""
    (tmp_path / "large").touch()
    os.truncate(tmp_path / "large", 1 << 40)
    with pytest.raises(ValueError, match="more than 4 MiB"):
        bounded.read(tmp_path / endless)  # a path from the root stays one


def test_a_fifo_that_nobody_writes_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is given up."""
    monkeypatch.setattr(bounded, "PATIENCE", 0.1)
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(TimeoutError):
        bounded.read(tmp_path / "fifo")


def test_a_fifo_is_not_waited_for_after_a_signal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end that is asked for comes at once."""
    monkeypatch.setattr(bounded, "PATIENCE", 600.0)
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
def test_the_program_ends_at_a_signal(variable: str, tmp_path: Path) -> None:
    """Whichever file it is, a signal ends a run that waits for it, with the signal's status."""
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
    with process, fifo.open("wb"):  # opens once it is read
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM, said
