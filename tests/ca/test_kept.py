"""`ca init` on a mount that an administrator has configured: what it changes and what it keeps."""

from __future__ import annotations

import random
import secrets
from typing import TYPE_CHECKING, Any

import pytest

from dockertls_vault.ca import bootstrap
from dockertls_vault.ca.desired import DesiredState
from dockertls_vault.ca.steps import WriteRole
from dockertls_vault.vault.mount import CertificateAuthority
from tests import mounts
from tests.vault.operator import Operator

if TYPE_CHECKING:
    from tests.harness.openbao import DevVault

DESIRED = DesiredState((mounts.DOMAIN,))
# Settings that an administrator may have added to ours or changed.
ROLE: dict[str, Any] = {
    "allowed_ip_sans_cidr": ["10.0.0.0/8"],
    "organization": ["Example"],
    "ou": ["Docker"],
    "country": ["AQ"],
    "locality": ["McMurdo"],
    "province": ["Ross"],
    "street_address": ["1"],
    "postal_code": ["96599"],
    "use_pss": True,
    "serial_number_source": "json",
    "no_store_metadata": True,
    "not_before_bound": "forbid",
    "allow_globs_in_identity_templates": True,
    "allowed_domains": ["corp.internal"],
    "allow_glob_domains": True,
    "allow_wildcard_certificates": True,
    "allow_ip_sans": False,
    "allow_localhost": False,
    "allowed_uri_sans": ["spiffe://a/*"],
    "allowed_serial_numbers": ["1"],
    "client_flag": True,
    "server_flag": True,
    "code_signing_flag": True,
    "ext_key_usage": ["TimeStamping"],
    "key_usage": ["DigitalSignature", "KeyAgreement"],
    "key_type": "ec",
    "key_bits": 384,
    "signature_bits": 384,
    "no_store": False,
    "max_ttl": "800h",
    "ttl": "2h",
    "not_before_duration": "1m",
    "policy_identifiers": ["1.2.3"],
    "require_cn": True,
}
MOUNT: dict[str, dict[str, Any]] = {
    "config/urls": {"issuing_certificates": ["http://ca.example/ca"]},
    "config/crl": {"expiry": "100h", "disable": True},
    "config/issuers": {"default": "root-1", "default_follows_latest_issuer": True},
}
TUNED: dict[str, Any] = {
    "default_lease_ttl": "3h",
    "max_lease_ttl": "200h",
    "description": "theirs",
    "listing_visibility": "unauth",
}
ISSUER: dict[str, Any] = {
    "leaf_not_after_behavior": "truncate",
    "crl_distribution_points": ["http://ca.example/crl"],
    "usage": "read-only,issuing-certificates",
}


def some(draw: random.Random, of: dict[str, Any]) -> dict[str, Any]:
    """Return some of the fields."""
    return {name: value for name, value in of.items() if draw.random() < 0.4}


def everything(operator: Operator, mount: str) -> dict[tuple[str, str], Any]:
    """Return every field of everything in a mount, by its path."""
    paths = {path: f"{mount}/{path}" for path in (*MOUNT, "issuer/root-1")}
    paths |= {f"the role {role}": f"{mount}/roles/{role}" for role in DESIRED.roles}
    paths |= {"tune": f"sys/mounts/{mount}/tune"}
    return {
        (short, name): value
        for short, path in paths.items()
        for name, value in operator.read(path).items()
    }


@pytest.mark.parametrize("seed", range(6))
def test_only_what_the_plan_shows_is_changed(vault_server: DevVault, seed: int) -> None:
    """Whatever others have set, the state before and after differs by the plan only."""
    draw = random.Random(seed)  # noqa: S311 - no secret
    operator = Operator.of(vault_server)
    mount = f"pki-{secrets.token_hex(4)}"
    mounts.init(vault_server, mount)
    for role in DESIRED.roles:
        mounts.change_role(vault_server, mount, role, **some(draw, ROLE))
    mounts.change_issuer(vault_server, mount, **some(draw, ISSUER))
    operator.write(
        f"sys/mounts/{mount}/tune", {**some(draw, TUNED), "audit_non_hmac_request_keys": ["a"]}
    )
    for path, fields in MOUNT.items():
        if draw.random() < 0.6:
            operator.write(f"{mount}/{path}", fields)
    before = everything(operator, mount)
    with mounts.session(vault_server) as opened:
        ca = CertificateAuthority(opened, mount)
        plan = bootstrap.plan(ca, DESIRED)
        bootstrap.apply(ca, plan, confirmed=True)
    after = everything(operator, mount)
    assert before.keys() == after.keys()
    changed = {
        name: (before[where, name], after[where, name])
        for where, name in before
        if before[where, name] != after[where, name] and not where.startswith("the role")
    }
    shown = {
        change.parameter: (change.before, change.after)
        for step in plan.steps
        for change in step.changes
        if not isinstance(step, WriteRole)
    }
    assert changed == shown
    for role in DESIRED.roles:
        where = f"the role {role}"
        differing = {
            name: (before[at, name], after[at, name])
            for at, name in before
            if at == where and before[at, name] != after[at, name]
        }
        steps = [step for step in plan.steps if isinstance(step, WriteRole) and step.name == role]
        planned = {
            change.parameter: (change.before, change.after)
            for step in steps
            for change in step.changes
        }
        assert differing == planned


def test_restriction_by_others_is_kept(openbao: DevVault) -> None:
    """A network for IP addresses stays while another parameter of the role is corrected."""
    mount = f"pki-{secrets.token_hex(4)}"
    mounts.init(openbao, mount)
    mounts.change_role(
        openbao, mount, "server", allowed_ip_sans_cidr=["10.0.0.0/8"], allow_localhost=False, ttl=60
    )
    mounts.init(openbao, mount)
    role = Operator.of(openbao).read(f"{mount}/roles/server")
    assert (role["allowed_ip_sans_cidr"], role["ttl"]) == (["10.0.0.0/8"], 7 * 86400)
