"""Each policy allows its commands and nothing else: tested with real tokens."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from dockertls_vault.ca import bootstrap
from dockertls_vault.ca.desired import DesiredState
from dockertls_vault.ca.policy import Person, Rule, rules, to_hcl
from dockertls_vault.certificate.keys import generate_key, make_csr
from dockertls_vault.certificate.names import Names
from dockertls_vault.certificate.request import KeyType
from dockertls_vault.errors import DockerTLSError, PermissionDenied
from dockertls_vault.settings import resolve
from dockertls_vault.vault.mount import CertificateAuthority
from dockertls_vault.vault.pki import PKI
from dockertls_vault.vault.session import open_session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from dockertls_vault.vault.session import Session
    from tests.harness.openbao import DevVault

DESIRED = DesiredState(("example.internal",))
NAMES = {
    Person.SERVER: Names(("a.example.internal",), ("192.0.2.1",)),
    Person.CLIENT: Names(),
}


@pytest.fixture
def connect(vault_server: DevVault) -> Callable[[str], AbstractContextManager[Session]]:
    """Return a function that opens a session with a token."""

    def opened(token: str) -> AbstractContextManager[Session]:
        environ = {"BAO_ADDR": vault_server.address, "BAO_TOKEN": token}
        return open_session(resolve.resolve({}, environ, ()))

    return opened


@pytest.fixture
def root(vault_server: DevVault, connect: Callable[[str], Any]) -> Iterator[Session]:
    """Return a session with the root token."""
    with connect(vault_server.token) as session:
        yield session


@pytest.fixture
def ca(root: Session) -> CertificateAuthority:
    """Return a CA of the test's own, set up by `ca init`."""
    made = CertificateAuthority(root, f"pki-{secrets.token_hex(4)}")
    bootstrap.apply(made, bootstrap.plan(made, DESIRED))
    return made


@pytest.fixture
def holder(root: Session, connect: Callable[[str], Any]) -> Iterator[Callable[[str], Session]]:
    """Return a function that opens a session with a token of one policy, without default."""
    opened = []

    def hold(policy: str) -> Session:
        name = f"test-{secrets.token_hex(4)}"
        root.client.sys.create_or_update_policy(name, policy)
        made = root.client.auth.token.create(policies=[name], no_default_policy=True, ttl="10m")
        session: Session = connect(made["auth"]["client_token"]).__enter__()
        opened.append(session)
        return session

    yield hold
    for session in opened:
        session.__exit__(None, None, None)


def sign(session: Session, mount: str, person: Person, role: str | None = None) -> str:
    """Send Vault the requests of `issue`, and return the certificate."""
    names = NAMES[person]
    name = names.dns[0] if names.dns else "alice"
    pki = PKI(session, mount)
    signed = pki.sign(
        role or person,
        make_csr(generate_key(KeyType.EC_P256), name, names),
        common_name=name,
        dns_names=names.dns,
        ip_addresses=names.addresses,
        ttl=timedelta(hours=1),
    )
    assert pki.issuers()
    return signed.certificate


def asked(session: Session, method: str, path: str, body: dict[str, Any]) -> DockerTLSError:
    """Send a request that must be refused, and return Vault's error."""
    with pytest.raises(DockerTLSError) as refused:
        session.client.adapter.request(method, f"/v1/{path}", json=body)
    return refused.value


def test_policy_is_hcl_with_a_comment_on_each_path() -> None:
    """It can be passed to `bao policy write`."""
    assert (
        to_hcl(rules(Person.SERVER, "pki/docker", "daemon"))
        == """\
# issue server: any name below its domains, any IP address; not_after would bypass its max TTL
path "pki/docker/sign/daemon" {
  capabilities = ["update"]
  denied_parameters = {
    "not_after" = []
  }
}

# look up this token
path "auth/token/lookup-self" {
  capabilities = ["read"]
}

# revoke this token after use
path "auth/token/revoke-self" {
  capabilities = ["update"]
}

# check what this token may do
path "sys/capabilities-self" {
  capabilities = ["update"]
}
"""
    )


@pytest.mark.parametrize("person", [Person.SERVER, Person.CLIENT])
def test_issuer_policy_allows_issuing_and_revoking_its_token(
    ca: CertificateAuthority, holder: Callable[[str], Session], person: Person
) -> None:
    """It covers every request of `issue`, including the revocation after a login."""
    session = holder(to_hcl(rules(person, ca.mount, person)))
    assert "BEGIN CERTIFICATE" in sign(session, ca.mount, person)
    adapter = session.client.adapter
    paths = {"paths": [f"{ca.mount}/sign/{person}"]}
    assert adapter.post("/v1/sys/capabilities-self", json=paths)["data"]["capabilities"] == [
        "update"
    ]
    assert adapter.get("/v1/auth/token/lookup-self")["data"]["path"] == "auth/token/create"
    adapter.post("/v1/auth/token/revoke-self")
    asked(session, "GET", "auth/token/lookup-self", {})


@pytest.mark.parametrize("person", [Person.SERVER, Person.CLIENT])
def test_issuer_policy_allows_nothing_else(
    ca: CertificateAuthority, holder: Callable[[str], Session], person: Person
) -> None:
    """Not another role, sign-verbatim, keys made by Vault, or a TTL over max_ttl."""
    session = holder(to_hcl(rules(person, ca.mount, person)))
    other = Person.CLIENT if person is Person.SERVER else Person.SERVER
    with pytest.raises(PermissionDenied):
        sign(session, ca.mount, other)
    key = generate_key(KeyType.EC_P256)
    csr = make_csr(key, "alice", NAMES[person])
    unbounded = {"csr": csr, "not_after": "9999-12-31T23:59:59Z"}
    tried: list[tuple[str, str, dict[str, Any]]] = [
        ("POST", f"{ca.mount}/sign/{person}", unbounded),
        ("POST", f"{ca.mount}/sign/{person}", {"csr": csr, "not_after": ""}),
        ("POST", f"{ca.mount}/sign-verbatim", {"csr": csr}),
        ("POST", f"{ca.mount}/sign-verbatim/{person}", {"csr": csr}),
        ("POST", f"{ca.mount}/issue/{person}", {"common_name": "alice"}),
        ("POST", f"{ca.mount}/issuer/root-1/sign/{person}", {"csr": csr}),
        ("POST", f"{ca.mount}/root/sign-intermediate", {"csr": csr}),
        ("POST", f"{ca.mount}/revoke", {"serial_number": "00:01"}),
        ("GET", f"{ca.mount}/roles/{person}", {}),
        ("POST", f"{ca.mount}/roles/{person}", {"allow_any_name": True}),
        ("LIST", f"{ca.mount}/roles", {}),
        ("GET", f"sys/mounts/{ca.mount}", {}),
        ("POST", "auth/token/create", {}),
        ("LIST", "sys/policies/acl", {}),
        ("GET", "secret/data/anything", {}),
    ]
    for method, path, body in tried:
        assert isinstance(asked(session, method, path, body), PermissionDenied), (method, path)


@pytest.mark.parametrize("person", [Person.SERVER, Person.CLIENT])
def test_issuer_policy_gives_one_usage_whatever_is_requested(
    ca: CertificateAuthority, holder: Callable[[str], Session], person: Person
) -> None:
    """No CSR or parameter makes it both usages, a CA, or longer than the role allows."""
    session = holder(to_hcl(rules(person, ca.mount, person)))
    name = "a.example.internal"
    both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    usage = both[person is Person.CLIENT]
    csr = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .add_extension(x509.ExtendedKeyUsage(both), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    )
    body = {
        "csr": csr.public_bytes(serialization.Encoding.PEM).decode(),
        "common_name": name,
        "server_flag": True,
        "client_flag": True,
        "ext_key_usage": ["ServerAuth", "ClientAuth"],
        "key_usage": ["CertSign"],
        "ttl": "8760h",
    }
    signed = session.client.adapter.post(f"/v1/{ca.mount}/sign/{person}", json=body)
    leaf = x509.load_pem_x509_certificate(signed["data"]["certificate"].encode())
    found = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(found) == [usage]
    assert leaf.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign is False
    with pytest.raises(x509.ExtensionNotFound):
        leaf.extensions.get_extension_for_class(x509.BasicConstraints)
    longest = timedelta(seconds=DESIRED.roles[person]["max_ttl"], minutes=6)
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc < longest


def test_admin_policy_allows_ca_init(root: Session, holder: Callable[[str], Session]) -> None:
    """It covers a first and a second run, correcting a role, and tuning the mount."""
    mount = f"pki-{secrets.token_hex(4)}"
    admin = holder(to_hcl(rules(Person.ADMIN, mount, "server")))
    ca = CertificateAuthority(admin, mount)

    def init() -> list[str]:
        plan = bootstrap.plan(ca, DESIRED)
        outcome, plan = bootstrap.apply(ca, plan, confirmed=True)
        assert bootstrap.with_trust(outcome, plan, ca, PKI(admin, mount), datetime.now(UTC)).ready
        return [step.summary for step in outcome.steps]

    assert len(init()) == 5
    assert init() == []
    root.client.adapter.post(f"/v1/{mount}/roles/server", json={"key_type": "rsa"})
    root.client.adapter.post(f"/v1/sys/mounts/{mount}/tune", json={"max_lease_ttl": "1h"})
    default = {"default": "root-1", "default_follows_latest_issuer": True}
    root.client.adapter.post(f"/v1/{mount}/config/issuers", json=default)
    assert init() == [
        f"raise the max lease TTL of {mount}",
        "keep the default issuer when new ones are added",
        "update the role server",
    ]
    assert init() == []


def test_admin_policy_allows_nothing_else(
    ca: CertificateAuthority, holder: Callable[[str], Session]
) -> None:
    """It signs no certificate, exports no key, deletes nothing and changes no other mount."""
    session = holder(to_hcl(rules(Person.ADMIN, ca.mount, "server")))
    csr = make_csr(generate_key(KeyType.EC_P256), "alice", NAMES[Person.CLIENT])
    tried: list[tuple[str, str, dict[str, Any]]] = [
        ("POST", f"{ca.mount}/sign/client", {"csr": csr, "common_name": "alice"}),
        ("POST", f"{ca.mount}/issue/client", {"common_name": "alice"}),
        ("POST", f"{ca.mount}/sign-verbatim", {"csr": csr}),
        ("POST", f"{ca.mount}/issuers/generate/root/exported", {"common_name": "x"}),
        ("POST", f"{ca.mount}/root/generate/exported", {"common_name": "x"}),
        ("POST", f"{ca.mount}/root/sign-intermediate", {"csr": csr}),
        ("POST", f"{ca.mount}/issuer/root-1", {"issuer_name": "mine"}),
        ("DELETE", f"{ca.mount}/issuer/root-1", {}),
        ("DELETE", f"{ca.mount}/root", {}),
        ("DELETE", f"{ca.mount}/roles/server", {}),
        ("DELETE", f"sys/mounts/{ca.mount}", {}),
        ("POST", "sys/mounts/another", {"type": "pki"}),
        ("GET", "sys/mounts", {}),
        ("POST", "sys/policies/acl/mine", {"policy": ""}),
        ("POST", "auth/token/create", {}),
    ]
    for method, path, body in tried:
        assert isinstance(asked(session, method, path, body), PermissionDenied), (method, path)


def test_path_is_quoted_in_hcl() -> None:
    """A quote or newline in it cannot end the string and begin a rule."""
    odd = Rule('a" {}\npath "*', ("update",), "odd")
    assert to_hcl((odd,)).splitlines()[1] == 'path "a\\" {}\\npath \\"*" {'
