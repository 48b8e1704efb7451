"""The state of a PKI mount as its operator sees it, on real servers."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from cryptography import x509

from dockertls_vault.errors import InvalidInput, NotVault, PermissionDenied, VaultError
from dockertls_vault.settings import parsers, resolve
from dockertls_vault.vault.mount import CertificateAuthority, State
from dockertls_vault.vault.session import open_session
from tests import mounts
from tests.harness.dialect.proxy import speaking
from tests.harness.dialect.servers import on_openbao
from tests.harness.openbao import DevVault
from tests.mounts import post
from tests.vault import operator
from tests.vault.misbehaving import misbehaving, says_json

if TYPE_CHECKING:
    from dockertls_vault.vault.session import Session
    from tests.harness.dialect.exchange import Answer, Forward, Request

DAY = timedelta(days=1)


@pytest.fixture
def ca(session: Session) -> CertificateAuthority:
    """Create an empty mount."""
    empty = CertificateAuthority(session, f"pki-{secrets.token_hex(4)}")
    empty.enable(400 * DAY)
    return empty


def test_path_without_a_mount_has_no_state(session: Session) -> None:
    """The roles are reported as missing, too."""
    found = CertificateAuthority(session, "nowhere").state(("server",))
    assert found == State(roles={"server": None})


def test_empty_mount_has_only_its_maximum_lease_ttl(ca: CertificateAuthority) -> None:
    """There is no issuer, no default and no role."""
    assert ca.state(("server",)) == State(
        mount_type="pki", mounted_at=ca.mount, max_lease_ttl=400 * DAY, roles={"server": None}
    )


def test_untuned_mount_has_the_servers_maximum_lease_ttl(session: Session) -> None:
    """Vault reports 0 in one place and the effective value in another."""
    mount = f"pki-{secrets.token_hex(4)}"
    post(session, f"sys/mounts/{mount}", type="pki")
    assert CertificateAuthority(session, mount).state(()).max_lease_ttl == 32 * DAY


@on_openbao
def test_mount_of_another_type_is_reported(session: Session) -> None:
    """Nothing inside it is read."""
    found = CertificateAuthority(session, "secret").state(("server",))
    assert found == State(mount_type="kv", mounted_at="secret")


@on_openbao
def test_path_below_a_mount_is_not_taken_for_the_mount(
    ca: CertificateAuthority, session: Session
) -> None:
    """Vault answers for it as for the mount above."""
    below = CertificateAuthority(session, f"{ca.mount}/below")
    assert below.state(()) == State(mount_type="pki", mounted_at=ca.mount)


@on_openbao
def test_mount_path_may_have_several_segments(session: Session) -> None:
    """It works like any other mount."""
    deep = CertificateAuthority(session, f"teams/{secrets.token_hex(4)}/pki")
    assert deep.state(()) == State()
    deep.enable(DAY)
    assert deep.state(()) == State(mount_type="pki", mounted_at=deep.mount, max_lease_ttl=DAY)


def test_issuer_without_a_key_is_not_a_signing_issuer(
    ca: CertificateAuthority, session: Session
) -> None:
    """One imported without its key can verify but not sign."""
    ca.generate_root("ours", "root-1", 300 * DAY)
    foreign = CertificateAuthority(session, f"pki-{secrets.token_hex(4)}")
    foreign.enable(400 * DAY)
    foreign.generate_root("theirs", "root-1", 300 * DAY)
    (theirs,) = foreign.state(()).issuers
    pem = session.client.adapter.get(f"/v1/{foreign.mount}/issuer/{theirs.id}")["data"]
    post(session, f"{ca.mount}/issuers/import/cert", pem_bundle=pem["certificate"])
    found = ca.state(())
    assert {(issuer.name, issuer.has_key) for issuer in found.issuers} == {
        ("root-1", True),
        ("", False),
    }
    assert found.default_issuer is not None
    assert found.default_issuer.name == found.default_issuer.label == "root-1"
    assert found.signing == (found.default_issuer,)


@on_openbao
def test_keys_without_an_issuer_are_reported(ca: CertificateAuthority, session: Session) -> None:
    """Left by a deleted issuer, or by a CSR that is not signed yet."""
    assert ca.unused_keys(ca.state(()).issuers) == ()
    ca.generate_root("ours", "root-1", 300 * DAY)
    ca.generate_root("ours", "root-2", 300 * DAY)
    assert ca.unused_keys(ca.state(()).issuers) == ()
    key = session.client.adapter.get(f"/v1/{ca.mount}/issuer/root-1")["data"]["key_id"]
    session.client.adapter.delete(f"/v1/{ca.mount}/issuer/root-1")
    assert ca.unused_keys(ca.state(()).issuers) == (key,)
    csr = {"common_name": "pending", "key_name": "pending"}
    post(session, f"{ca.mount}/issuers/generate/intermediate/internal", **csr)
    assert set(ca.unused_keys(ca.state(()).issuers)) == {key, "pending"}


@on_openbao
def test_private_key_never_leaves_vault(ca: CertificateAuthority, session: Session) -> None:
    """It is of type internal, so it cannot be exported later either."""
    ca.generate_root("ours", "root-1", 300 * DAY)
    listed = session.client.adapter.list(f"/v1/{ca.mount}/keys")["data"]["key_info"]
    (key,) = listed
    told = session.client.adapter.get(f"/v1/{ca.mount}/key/{key}")["data"]
    assert "private_key" not in told
    assert told["key_type"] == "ec"


def test_root_has_no_san(ca: CertificateAuthority, session: Session) -> None:
    """Vault would add one if the common name looks like a host name."""
    ca.generate_root("root.example.internal", "root-1", 300 * DAY)
    pem = session.client.adapter.get(f"/v1/{ca.mount}/issuer/root-1")["data"]["certificate"]
    root = x509.load_pem_x509_certificate(pem.encode())
    with pytest.raises(x509.ExtensionNotFound):
        root.extensions.get_extension_for_class(x509.SubjectAlternativeName)


def test_default_issuer_does_not_follow_a_later_root(
    ca: CertificateAuthority, session: Session
) -> None:
    """It is set by name, and default_follows_latest_issuer is turned off."""
    ca.generate_root("ours", "root-1", 300 * DAY)
    post(
        session, f"{ca.mount}/config/issuers", default="root-1", default_follows_latest_issuer=True
    )
    assert ca.state(()).follows_latest
    ca.set_default("root-1")
    before = ca.state(())
    assert not before.follows_latest
    ca.generate_root("next", "root-2", 300 * DAY)
    assert len(ca.state(()).issuers) == 2
    assert ca.state(()).default == before.default


@on_openbao
def test_issuer_name_in_use_is_refused(ca: CertificateAuthority) -> None:
    """Vault refuses it, so two concurrent runs cannot create two roots."""
    ca.generate_root("ours", "root-1", 300 * DAY)
    with pytest.raises(VaultError, match="already in use") as refused:
        ca.generate_root("ours", "root-1", 300 * DAY)
    assert refused.value.status == 400


def test_vaults_warnings_are_returned_by_each_write(ca: CertificateAuthority) -> None:
    """A TTL longer than the mount allows is capped with only a warning."""
    assert any("no default issuing" in warning for warning in ca.write_role("r", {}))
    assert any("TTL" in warning for warning in ca.generate_root("ours", "root-1", 500 * DAY))
    assert ca.tune(600 * DAY) == ()
    assert ca.state(()).max_lease_ttl == 600 * DAY


def test_warnings_about_intended_settings_are_not_passed_on(
    ca: CertificateAuthority, session: Session
) -> None:
    """The path length is intended, and a new mount needs no AIA, which Docker does not read."""
    body = {"common_name": "x", "key_type": "ec", "max_path_length": 0}
    made = session.client.adapter.post(f"/v1/{ca.mount}/issuers/generate/root/internal", json=body)
    said = " ".join(made["warnings"])
    assert "Max path length" in said
    assert "authority information access" in said
    assert ca.generate_root("ours", "root-1", 300 * DAY) == ()


def test_unknown_role_parameter_is_noticed_by_reading_the_role(
    ca: CertificateAuthority,
) -> None:
    """Vault's own warning would repeat it, and is dropped."""
    ca.generate_root("ours", "root-1", 300 * DAY)
    assert ca.write_role("r", {"made_up": 1}) == ()
    assert "made_up" not in (ca.role("r") or {})


def test_role_is_read_back_as_written(ca: CertificateAuthority) -> None:
    """TTLs are in seconds, and lists are lists."""
    assert ca.role("r") is None
    ca.write_role("r", {"ttl": 90, "allowed_domains": ["example.internal"]})
    role = ca.role("r")
    assert role is not None
    assert (role["ttl"], role["allowed_domains"]) == (90, ["example.internal"])


@on_openbao
@pytest.mark.parametrize("name", ["a", "_", "7", "a.b", "a-b", "A_b", "a..b-c"])
def test_role_name_that_vault_accepts_is_accepted(ca: CertificateAuthority, name: str) -> None:
    """Our rule is not stricter than Vault's."""
    ca.write_role(parsers.role(name), {})
    assert ca.role(name) is not None


@on_openbao
@pytest.mark.parametrize("name", ["a:b", "é", "-x", "x-", ".x", "x.", "a b", "a@b", "a/b", "²"])
def test_role_name_that_vault_rejects_is_refused_first(ca: CertificateAuthority, name: str) -> None:
    """Vault's answer to it would look like an outage."""
    with pytest.raises(InvalidInput, match="invalid role name"):
        parsers.role(name)
    with pytest.raises(VaultError):
        ca.write_role(quote(name, safe="/"), {})


def test_token_without_read_permission_is_denied(vault_server: DevVault, session: Session) -> None:
    """A mount that may not be read is not taken for a missing one."""
    made = session.client.auth.token.create(policies=["default"], ttl="10m")
    environ = {"BAO_ADDR": vault_server.address, "BAO_TOKEN": made["auth"]["client_token"]}
    with (
        open_session(resolve.resolve({}, environ, ())) as limited,
        pytest.raises(PermissionDenied, match="sys/mounts/dockertls"),
    ):
        CertificateAuthority(limited, "dockertls").state(())


def test_answer_without_data_is_not_taken_for_an_empty_state() -> None:
    """It is an error."""
    with (
        misbehaving(says_json({"request_id": "1"})) as node,
        operator.session(node.address, BAO_TOKEN="t") as opened,
        pytest.raises(NotVault, match="no data"),
    ):
        CertificateAuthority(opened, "dockertls").state(())


HUGE = 10**30  # more seconds than any date can hold


@pytest.mark.parametrize(
    ("path", "changed"),
    [
        ("roles/server", {"allowed_domains": [1, 2]}),
        ("roles/server", {"allowed_domains": {"a": 1}}),
        ("roles/server", {"max_ttl": HUGE}),
        ("roles/server", {"ttl": "7d"}),
        ("roles/server", {"not_after_bound": ["x"]}),
        ("roles/server", {"client_flag": "true"}),
        ("issuers", {"key_info": [1]}),
        ("issuers", {"key_info": None}),
        ("issuers", {"key_info": {"a": None}}),
        ("issuers", {"key_info": {"a": {"issuer_name": ["x"], "key_id": "k"}}}),
        ("tune", {"max_lease_ttl": "x"}),
        ("tune", {"max_lease_ttl": HUGE}),
        ("sys/mounts/dockertls", {"type": None}),
        ("sys/mounts/dockertls", {"type": ["pki"]}),
        ("config/issuers", {"default": ["x"]}),
        ("issuer/default", {"ca_chain": 5}),
        ("issuer/default", {"ca_chain": [5]}),
    ],
)
def test_field_of_the_wrong_type_is_an_error(
    path: str, changed: dict[str, Any], prepared: DevVault
) -> None:
    """Nothing is planned from it, and there is no traceback."""

    def tamper(request: Request, forward: Forward) -> Answer:
        answer = forward(request)
        return answer.with_data(**changed) if request.path.endswith(path) else answer

    with speaking((tamper,), prepared.address) as address:
        server = DevVault(address, prepared.token)
        with mounts.session(server) as opened:
            ca = CertificateAuthority(opened, "dockertls")
            read: Any = ca.signer if "ca_chain" in changed else ca.state
            argument: Any = "default" if "ca_chain" in changed else ("server",)
            with pytest.raises(NotVault):
                read(argument)
