"""CAs on a real server: the one of `ca init`, and others that an administrator may have."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from dockertls_vault.ca import bootstrap
from dockertls_vault.ca.desired import DesiredState
from dockertls_vault.certificate.keys import private_key_pem
from dockertls_vault.settings import resolve
from dockertls_vault.vault import roles
from dockertls_vault.vault.mount import CertificateAuthority
from dockertls_vault.vault.session import Session, open_session
from tests.certificates import Authority
from tests.vault.waits import NoWaits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .harness.openbao import DevVault

DOMAIN = "example.internal"
# As in the roles: Vault signs nothing that is older than its issuer.
_BACKDATED = roles.CLIENT["not_before_duration"]


@pytest.fixture(scope="session")
def prepared(openbao: DevVault) -> DevVault:
    """Return a server with the CA of `ca init --domain example.internal`, shared by all tests."""
    init(openbao)
    return openbao


@pytest.fixture(scope="session")
def prepared_server(vault_server: DevVault) -> DevVault:
    """Return each of the three servers in turn, with the same CA."""
    init(vault_server)
    return vault_server


@pytest.fixture(name="session")
def session_of_the_operator(vault_server: DevVault) -> Iterator[Session]:
    """Open a session with the operator's token, on each of the three servers."""
    with session(vault_server) as opened:
        yield opened


def init(server: DevVault, mount: str = "dockertls") -> None:
    """Do what `ca init` does; if there is a CA, only the roles are written."""
    desired = DesiredState((DOMAIN,))
    with session(server) as opened:
        ca = CertificateAuthority(opened, mount)
        bootstrap.apply(ca, bootstrap.plan(ca, desired))


def rsa_root(server: DevVault, mount: str) -> None:
    """Create a mount with an RSA root, and the roles."""
    with session(server) as opened:
        _enable(opened, mount)
        _generate_root(opened, mount, key_type="rsa", key_bits=2048)
    init(server, mount)


def ed25519_root(server: DevVault, mount: str) -> None:
    """Create a mount with an Ed25519 root, and the roles."""
    with session(server) as opened:
        _enable(opened, mount)
        _generate_root(opened, mount, key_type="ed25519")
    init(server, mount)


def p224_root(server: DevVault, mount: str) -> None:
    """Create a mount with a root on a rarely supported curve, and the roles."""
    with session(server) as opened:
        _enable(opened, mount)
        _generate_root(opened, mount, key_type="ec", key_bits=224)
    init(server, mount)


def known_root(server: DevVault, mount: str) -> Authority:
    """Create a mount whose root a test can sign with, too, as it did a month ago; and the roles."""
    month = timedelta(days=30)
    root = Authority.create(
        f"{mount} root", not_before=datetime.now(UTC) - month, lifetime=12 * month
    )
    bundle = {"pem_bundle": (root.pem + private_key_pem(root.key)).decode()}
    with session(server) as opened:
        _enable(opened, mount)
        _post(opened, f"{mount}/issuers/import/bundle", bundle)
    init(server, mount)
    return root


def constrained_root(server: DevVault, mount: str, **constraints: str) -> None:
    """Create a mount whose root is constrained more than its roles."""
    with session(server) as opened:
        _enable(opened, mount)
        _generate_root(opened, mount, key_type="ec", key_bits=256, **constraints)
    init(server, mount)


def intermediate(server: DevVault, mount: str) -> None:
    """Create an intermediate in ``mount`` under a root in another mount, with the roles."""
    import_certificate(server, mount, intermediate_alone(server, mount))
    init(server, mount)


def intermediate_alone(server: DevVault, mount: str) -> str:
    """Create an intermediate in ``mount``; return its root, which only another mount has."""
    with session(server) as opened:
        root = f"{mount}-root"
        _enable(opened, root)
        _enable(opened, mount)
        pem = _generate_root(opened, root, key_type="ec", key_bits=256)
        made = _post(
            opened,
            f"{mount}/issuers/generate/intermediate/internal",
            {"common_name": f"{mount} intermediate", "key_type": "ec", "key_bits": 256},
        )
        signed = _post(
            opened,
            f"{root}/root/sign-intermediate",
            {
                "csr": made["csr"],
                "common_name": f"{mount} intermediate",
                "ttl": "8760h",
                "not_before_duration": _BACKDATED,
            },
        )
        bundle = {"pem_bundle": signed["certificate"]}
        imported = _post(opened, f"{mount}/issuers/import/cert", bundle)
        (issuer,) = imported["mapping"]
        _post(opened, f"{mount}/config/issuers", {"default": issuer})
    return pem


def change_issuer(server: DevVault, mount: str, **fields: Any) -> None:
    """Change fields of the default issuer of a mount."""
    _patch(server, f"{mount}/issuer/default", fields)


def change_role(server: DevVault, mount: str, role: str, **fields: Any) -> None:
    """Change fields of a role."""
    _patch(server, f"{mount}/roles/{role}", fields)


def empty(server: DevVault, mount: str) -> None:
    """Enable the engine only."""
    with session(server) as opened:
        _enable(opened, mount)


def import_certificate(server: DevVault, mount: str, pem: str) -> None:
    """Import a certificate into a mount that need not have its key."""
    with session(server) as opened:
        _post(opened, f"{mount}/issuers/import/cert", {"pem_bundle": pem})


def post(session: Session, path: str, **body: Any) -> Any:
    """Write to Vault as an administrator would by other means."""
    return session.client.adapter.post(f"/v1/{path}", json=body)


class Server(Protocol):
    """Anything with an address and a token: a real server or the fake."""

    @property
    def address(self) -> str: ...

    @property
    def token(self) -> str: ...


def lead_to(server: Server, patch: pytest.MonkeyPatch) -> None:
    """Set the variables that point the program to a server."""
    patch.setenv("BAO_ADDR", server.address)
    patch.setenv("BAO_TOKEN", server.token)


def session(server: DevVault) -> Session:
    """Open a session with the root token."""
    environ = {"BAO_ADDR": server.address, "BAO_TOKEN": server.token}
    return open_session(resolve.resolve({}, environ, ()), progress=NoWaits())


def _enable(opened: Session, mount: str) -> None:
    body = {"type": "pki", "config": {"max_lease_ttl": "87600h"}}
    opened.client.adapter.post(f"/v1/sys/mounts/{mount}", json=body)


def _generate_root(opened: Session, mount: str, **key: Any) -> str:
    body = {
        "common_name": f"{mount} root",
        "ttl": "87600h",
        "exclude_cn_from_sans": True,
        "not_before_duration": _BACKDATED,
        **key,
    }
    return str(_post(opened, f"{mount}/issuers/generate/root/internal", body)["certificate"])


def _patch(server: DevVault, path: str, fields: dict[str, Any]) -> None:
    headers = {"Content-Type": "application/merge-patch+json"}
    with session(server) as opened:
        opened.client.adapter.request("patch", f"/v1/{path}", json=fields, headers=headers)


def _post(opened: Session, path: str, body: dict[str, Any]) -> dict[str, Any]:
    data: dict[str, Any] = opened.client.adapter.post(f"/v1/{path}", json=body)["data"]
    return data
