"""A Vault that is away, sealed, or lets nobody in: the old certificate stays, and is renewed later.

The exit status is 75 while the certificate in use is valid, 69 once it has expired.
"""

from __future__ import annotations

import re
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from dockertls_vault.errors import RenewalFailed, RenewalOverdue
from dockertls_vault.renew import Action
from dockertls_vault.vault.pki import PKI

from . import aged, mounts
from .harness.openbao import DevVault, running_openbao
from .harness.process import free_ports, wait_until
from .hosts import Host
from .trees import tree
from .vault import operator
from .vault.operator import Operator
from .vault.waits import Waits

if TYPE_CHECKING:
    from pathlib import Path

_OPENBAO = pytest.mark.parametrize("vault_server", ["openbao"], indirect=True)
_VAULT = pytest.mark.parametrize(
    "vault_server", ["vault_community", "vault_enterprise"], indirect=True
)


@pytest.mark.parametrize(
    ("days", "kind", "status", "left"),
    [
        (6, RenewalFailed, 75, "the certificate in use is valid for another 23h59m"),
        (8, RenewalOverdue, 69, "no valid certificate is in use"),
    ],
)
def test_certificate_is_renewed_after_an_outage_of_vault(
    host: Host,
    vault_server: DevVault,
    days: int,
    kind: type[Exception],
    status: int,
    left: str,
) -> None:
    """The outage may be longer than the validity; until its end nothing changes."""
    root = mounts.known_root(vault_server, f"{host.mount}-old")
    host.mount += "-old"
    aged.install(root, host.record(), host.out, timedelta(days=days))
    before = tree(host.out)
    nobody = f"http://127.0.0.1:{free_ports()}"
    with operator.session(nobody, Waits(), VAULT_TOKEN="t", DOCKERTLS_TIMEOUT="1s") as away:
        for _ in range(2):
            error = Host(away, host.mount, host.out).renew().error
            assert type(error) is kind
            assert error.exit_status == status
            assert "refused the connection" in error.message
            assert left in error.message
    assert tree(host.out) == before
    assert host.renew().action is Action.RENEWED
    assert host.renew().action is Action.NOTHING


def test_certificate_is_renewed_once_vault_is_unsealed(tmp_path: Path) -> None:
    """While nothing is due, a sealed Vault is only a warning."""
    with running_openbao(tmp_path) as server:
        mounts.init(server)
        log = (tmp_path / "server.log").read_text()
        (key,) = re.findall(r"Unseal Key: (\S+)", log)
        variables = {"VAULT_TOKEN": server.token, "DOCKERTLS_TIMEOUT": "1s"}
        with operator.session(server.address, Waits(), **variables) as session:
            host = Host(session, "dockertls", tmp_path / "tls")
            host.issue()
            before = tree(host.out)
            Operator.of(server).call("PUT", "sys/seal")
            done = host.renew()
            assert (done.action, done.error) == (Action.NOTHING, None)
            assert "sealed" in done.warnings[0]
            error = host.renew(force=True).error
            assert type(error) is RenewalFailed
            assert "sealed" in error.message
            assert "unseal it" in error.hint
            assert tree(host.out) == before
            Operator.of(server).call("PUT", "sys/unseal", {"key": key})
            wait_until(lambda: Operator.of(server).call("GET", "sys/health")[0] == 200)
            session.allow(timedelta(seconds=30))
            assert host.renew(force=True).action is Action.RENEWED


@_VAULT
def test_issuer_that_is_too_new_is_a_temporary_failure(host: Host) -> None:
    """Vault refuses to backdate further than its issuer; the old certificate stays."""
    host.issue()
    before = tree(host.out)
    rotated = mounts.post(
        host.session,
        f"{host.mount}/root/rotate/internal",
        common_name="next",
        not_before_duration="0s",
    )
    default = {"default": rotated["data"]["issuer_id"]}
    mounts.post(host.session, f"{host.mount}/config/issuers", **default)
    error = host.renew().error
    assert type(error) is RenewalFailed
    assert "the issuer" in error.message
    assert "is valid for another 6d23h" in error.message
    assert tree(host.out) == before


@_OPENBAO
def test_missing_permission_is_shown_as_the_cause(host: Host, vault_server: DevVault) -> None:
    """Once it is granted again, the next run renews."""
    admin = Operator.of(vault_server)
    policy = admin.policy(f'path "{host.mount}/sign/*" {{ capabilities = ["update"] }}')
    token = admin.create_token(policies=[policy], no_default_policy=True)
    with operator.session(vault_server.address, VAULT_TOKEN=token) as session:
        limited = Host(session, host.mount, host.out)
        limited.issue()
        before = tree(host.out)
        admin.write(f"sys/policies/acl/{policy}", {"policy": 'path "none" { policy = "deny" }'})
        error = limited.renew(force=True).error
        assert type(error) is RenewalFailed
        assert f"{host.mount}/sign/server" in error.message
        assert "is valid for another 6d23h" in error.message
        assert tree(host.out) == before
        admin.write(
            f"sys/policies/acl/{policy}",
            {"policy": f'path "{host.mount}/sign/*" {{ capabilities = ["update"] }}'},
        )
        assert limited.renew(force=True).action is Action.RENEWED


def test_revoked_token_is_shown_as_the_cause(host: Host, vault_server: DevVault) -> None:
    """Reads that need no token continue, so a run with nothing due succeeds."""
    admin = Operator.of(vault_server)
    token = admin.create_token(policies=["root"])
    with operator.session(vault_server.address, VAULT_TOKEN=token) as session:
        limited = Host(session, host.mount, host.out)
        limited.issue()
        admin.write("auth/token/revoke", {"token": token})
        done = limited.renew()
        assert (done.action, done.error, done.warnings) == (Action.NOTHING, None, ())
        error = limited.renew(force=True).error
    assert type(error) is RenewalFailed
    assert "token" in error.message


def test_denied_login_is_shown_as_the_cause(host: Host, vault_server: DevVault) -> None:
    """The secret_id was destroyed."""
    admin = Operator.of(vault_server)
    mount = admin.enable_auth("approle")
    admin.write(f"auth/{mount}/role/host", {"token_policies": "root"})
    role_id = admin.read(f"auth/{mount}/role/host/role-id")["role_id"]
    host.issue()
    variables = {
        "DOCKERTLS_AUTH_MOUNT": mount,
        "DOCKERTLS_ROLE_ID": role_id,
        "DOCKERTLS_SECRET_ID": secrets.token_hex(16),
    }
    with operator.session(vault_server.address, **variables) as session:
        limited = Host(session, host.mount, host.out)
        assert limited.renew().action is Action.NOTHING
        error = limited.renew(force=True).error
    assert type(error) is RenewalFailed
    assert "invalid" in error.message
    assert PKI(host.session, host.mount).revocation_time(host.serial()) is None
