"""What changed in Vault since a certificate was issued: its roots, its roles, its mount."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from dockertls_vault.certificate.certificate import load_certificates
from dockertls_vault.certificate.names import Names
from dockertls_vault.credential.causes import Reason
from dockertls_vault.credential.settle import Running
from dockertls_vault.errors import RenewalFailed
from dockertls_vault.renew import Action
from dockertls_vault.renew_all import renew_all
from dockertls_vault.renewal.reasons import Policy
from dockertls_vault.vault.pki import PKI

from . import mounts
from .harness.dialect.servers import on_openbao
from .hosts import HOST, SERVER, Host
from .mounts import post
from .trees import tree

if TYPE_CHECKING:
    from pathlib import Path

    from .harness.openbao import DevVault


def test_certificate_revoked_by_its_serial_is_renewed(host: Host) -> None:
    """This needs a role that stores certificates."""
    _change_role(host, no_store=False)
    host.issue()
    post(host.session, f"{host.mount}/revoke", serial_number=host.serial())
    assert host.reasons() == {Reason.REVOKED}
    assert host.renew().action is Action.NOTHING


def test_removed_root_renews_the_certificates_below_it(host: Host) -> None:
    """This is so even if another root was the default issuer, and only the bundle changes."""
    host.issue()
    (old,) = PKI(host.session, host.mount).references()
    _rotate(host)
    _change_role(host, issuer_ref=old)
    assert host.reasons() == {Reason.ISSUER_CHANGED}
    assert host.renew().action is Action.NOTHING
    host.session.adapter.request("delete", f"/v1/{host.mount}/issuer/{old}")
    _change_role(host, issuer_ref="default")
    assert host.reasons() == {Reason.ISSUER_CHANGED}
    leaf, *_ = load_certificates(host.files()[1])
    assert leaf.issuer.rfc4514_string() == "CN=next"
    assert [root.subject for root in load_certificates(host.files()[0])] == [leaf.issuer]
    assert host.renew().action is Action.NOTHING


def test_removed_root_is_no_longer_trusted(host: Host, caplog: pytest.LogCaptureFixture) -> None:
    """Certificate and key stay; a warning explains the consequence."""
    pending = _rotate(host, default=False)
    host.issue()
    _, cert, key = host.files()
    assert len(load_certificates(host.files()[0])) == 2
    host.session.adapter.request("delete", f"/v1/{host.mount}/issuer/{pending}")
    done = host.renew()
    assert done.action is Action.TRUST_UPDATED
    assert len(load_certificates(host.files()[0])) == 1
    assert host.files()[1:] == (cert, key)
    assert "no longer contains CN=next" in caplog.text


@on_openbao
@pytest.mark.parametrize("alone", [False, True], ids=["its root is imported", "--trust-mount"])
def test_certificate_below_an_intermediate_is_renewed_like_any_other(
    host: Host, vault_server: DevVault, alone: bool
) -> None:
    """Its root may be in either mount; another root there is only trusted."""
    host.mount += "-below"
    if alone:
        mounts.intermediate_alone(vault_server, host.mount)
        mounts.init(vault_server, host.mount)
    else:
        mounts.intermediate(vault_server, host.mount)
    host.issue(replace(SERVER, trust_mount=f"{host.mount}-root" if alone else None))
    assert host.renew().action is Action.NOTHING
    assert host.renew(force=True).error is None
    assert host.renew().action is Action.NOTHING


@on_openbao
def test_removed_mount_or_role_is_named(host: Host, vault_server: DevVault) -> None:
    """It is a warning while nothing is due, and then a failure with the cause."""
    host.issue()
    before = tree(host.out)
    with mounts.session(vault_server) as admin:
        admin.adapter.request("delete", f"/v1/{host.mount}/roles/server")
    assert host.renew().warnings == ()
    done = host.renew(force=True)
    assert f"no role 'server' in the mount {host.mount!r}" in _error(done.error)
    with mounts.session(vault_server) as admin:
        admin.adapter.request("delete", f"/v1/sys/mounts/{host.mount}")
    done = host.renew()
    assert (done.action, done.error) == (Action.NOTHING, None)
    assert f"no PKI mount {host.mount!r}" in done.warnings[0]
    assert f"no PKI mount {host.mount!r}" in _error(host.renew(force=True).error)
    assert tree(host.out) == before


@on_openbao
def test_removed_mount_does_not_stop_other_renewals(
    host: Host, vault_server: DevVault, tmp_path: Path
) -> None:
    """Vault denies access to a missing mount, so the token is not to blame."""
    host.issue()
    other = Host(host.session, f"{host.mount}-gone", tmp_path / "other")
    mounts.init(vault_server, other.mount)
    other.issue()
    with mounts.session(vault_server) as admin:
        admin.adapter.request("delete", f"/v1/sys/mounts/{other.mount}")
    policy = Policy(lambda: HOST)
    running = Running({}, timedelta(minutes=1))
    (host.out / "ca.pem").unlink()
    both = (other.out, host.out)
    first, second = renew_all(both, policy, running, host.session, host.registry, host.clock)
    assert first.action is Action.NOTHING
    assert (second.action, second.error) == (Action.RENEWED, None)


def test_detected_name_that_is_now_refused_is_dropped_with_a_warning(host: Host) -> None:
    """Later renewals do not warn, since the certificate did not have the name."""
    host.issue(replace(SERVER, detected_names=HOST))
    _change_role(host, allowed_domains=["another.internal"])
    done = host.renew(force=True)
    assert done.error is None
    (warning,) = done.warnings
    assert "lacks a.example.internal, which the role server or its issuer no longer" in warning
    assert host.renew().action is Action.NOTHING
    assert host.renew(force=True).warnings == ()


@on_openbao
def test_lost_name_of_the_machine_is_a_warning(host: Host) -> None:
    """DNS may be at fault."""
    host.issue(replace(SERVER, detected_names=HOST))
    host.names = Names(("localhost",), ("10.0.0.1",))
    assert host.renew().action is Action.NOTHING
    assert host.renew(force=True).warnings == (
        "the new certificate lacks a.example.internal, which this machine no longer has",
    )


def test_given_name_that_is_now_refused_is_a_failure(host: Host) -> None:
    """The old certificate stays, and the cause is named."""
    host.issue()
    before = tree(host.out)
    _change_role(host, allowed_domains=["another.internal"])
    done = host.renew(force=True)
    assert "a.example.internal" in _error(done.error)
    assert tree(host.out) == before


@on_openbao
def test_lease_is_a_warning(host: Host) -> None:
    """Vault revokes the certificate with the token that requested it."""
    host.issue()
    _change_role(host, generate_lease=True, no_store=False)
    (warning,) = host.renew(force=True).warnings
    assert "generate_lease=true" in warning


@on_openbao
def test_lost_key_that_should_be_reused_is_a_warning(host: Host) -> None:
    """A new key is generated."""
    host.issue(replace(SERVER, reuse_key=True))
    (host.out / "server-key.pem").resolve().unlink()
    done = host.renew()
    assert done.action is Action.RENEWED
    assert done.warnings == ("the private key could not be reused, so a new one was generated",)


def _error(error: Exception | None) -> str:
    assert type(error) is RenewalFailed
    assert "is valid for another 6d23h" in str(error)
    return str(error)


def _rotate(host: Host, *, default: bool = True) -> str:
    """Add a root, and make it the default issuer; return its id."""
    path = f"{host.mount}/root/rotate/internal"
    new = post(host.session, path, common_name="next", not_before_duration="5m")["data"]
    if default:
        post(host.session, f"{host.mount}/config/issuers", default=new["issuer_id"])
    return str(new["issuer_id"])


def _change_role(host: Host, **fields: Any) -> None:
    role = PKI(host.session, host.mount).role("server") or {}
    post(host.session, f"{host.mount}/roles/server", **{**role, **fields})
