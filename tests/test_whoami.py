"""What Vault knows about our token, and which commands it allows."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from dockertls_vault.ca import policy
from dockertls_vault.ca.policy import Person
from dockertls_vault.errors import PermissionDenied, TokenRejected
from dockertls_vault.whoami import COMMANDS, Permission, WhoAmI, who_am_i

from .harness.dialect.proxy import speaking
from .vault.operator import Operator, session

if TYPE_CHECKING:
    from .harness.dialect.exchange import Answer, Forward, Request
    from .harness.openbao import DevVault


@pytest.fixture
def operator(vault_server: DevVault) -> Operator:
    """Return the operator of the shared server."""
    return Operator.of(vault_server)


def ask(operator: Operator, **variables: str) -> WhoAmI:
    """Look up our own token."""
    with session(operator.address, **variables) as opened:
        return who_am_i(opened, opened.settings)


@pytest.mark.parametrize("person", Person)
def test_policy_allows_exactly_its_command(operator: Operator, person: Person) -> None:
    """The output of `ca policy` allows that command and no other."""
    rules = policy.rules(person, "dockertls", person.value)
    name = operator.policy(policy.to_hcl(rules))
    token = operator.create_token(policies=[name], no_default_policy=True, ttl="5m")
    found = ask(operator, VAULT_TOKEN=token)
    assert found.token.policies == (name,)
    assert [it.command for it in found.commands if it.allowed] == [COMMANDS[person]]


def test_missing_capability_is_a_line_for_the_policy(operator: Operator) -> None:
    """With the requested mount and role; added to the policy, it is enough."""
    token = operator.create_token(policies=["default"], ttl="5m")
    variables = {"DOCKERTLS_MOUNT": "team/pki", "DOCKERTLS_SERVER_ROLE": "hosts"}
    found = ask(operator, VAULT_TOKEN=token, **variables)
    server = found.commands[0]
    line = 'path "team/pki/sign/hosts" { capabilities = ["update"] }'
    assert server == Permission("issue server", allowed=False, missing_rules=(line,))
    name = operator.policy(line)
    token = operator.create_token(policies=["default", name], ttl="5m")
    assert ask(operator, VAULT_TOKEN=token, **variables).commands[0].allowed


@pytest.mark.parametrize("made", ["nothing", "a mount", "a root", "roles"])
def test_allowed_command_may_still_have_a_missing_mount(operator: Operator, made: str) -> None:
    """Root may sign anywhere; a token that may not read learns nothing about roles."""
    mount = f"none-{secrets.token_hex(4)}"
    if made == "a mount":
        operator.write(f"sys/mounts/{mount}", {"type": "pki"})
    elif made != "nothing":
        mount = operator.enable_pki()
    role = "server" if made == "roles" else "hosts"
    variables = {"DOCKERTLS_MOUNT": mount, "DOCKERTLS_SERVER_ROLE": role}
    rules = policy.rules(Person.SERVER, mount, role)
    signer = operator.create_token(policies=[operator.policy(policy.to_hcl(rules))], ttl="5m")
    anywhere = {
        "nothing": f"no PKI mount {mount!r} in Vault",
        "a mount": f"the PKI mount {mount!r} has no issuer",
    }.get(made)
    no_role = f"no role {role!r} in the mount {mount!r}" if made == "a root" else None
    by_root = ask(operator, VAULT_TOKEN=operator.token, **variables).commands
    by_signer = ask(operator, VAULT_TOKEN=signer, **variables).commands
    assert by_root[0] == Permission("issue server", True, (), anywhere or no_role)
    assert (by_root[2].command, by_root[2].reason) == ("ca init", None)
    assert by_signer[0] == Permission("issue server", True, (), anywhere)
    assert [it.reason for it in by_signer if not it.allowed] == [None, None]


def test_token_with_few_uses_spends_none_on_optional_reads(operator: Operator) -> None:
    """One use for each required request is enough."""
    token = operator.create_token(policies=["root"], num_uses=3)
    variables = {"DOCKERTLS_MOUNT": operator.enable_pki(), "DOCKERTLS_SERVER_ROLE": "hosts"}
    found = ask(operator, VAULT_TOKEN=token, **variables)
    assert found.token.remaining_uses == 2
    assert all(it.allowed and it.reason is None for it in found.commands)


def test_each_mount_and_role_is_read_once(operator: Operator) -> None:
    """Both commands use the same mount, and by default it is also the trust mount."""
    mount = operator.enable_pki()
    seen: list[str] = []

    def record(request: Request, forward: Forward) -> Answer:
        if request.path.startswith(f"{mount}/"):
            seen.append(request.path.removeprefix(f"{mount}/"))
        return forward(request)

    with speaking([record], operator.address) as address:
        variables = {"VAULT_TOKEN": operator.token, "DOCKERTLS_MOUNT": mount}
        with session(address, **variables) as opened:
            who_am_i(opened, opened.settings)
    assert seen == ["issuers", "roles/server", "roles/client"]


def test_missing_trust_mount_is_reported(operator: Operator) -> None:
    """The signing mount exists, but not the one that ca.pem is read from."""
    variables = {"DOCKERTLS_MOUNT": operator.enable_pki(), "DOCKERTLS_TRUST_MOUNT": "no-roots"}
    found = ask(operator, VAULT_TOKEN=operator.token, **variables)
    assert found.commands[0].reason == "no PKI mount 'no-roots' in Vault"


def test_root_token_allows_everything(operator: Operator) -> None:
    """It does not expire, and Vault has no list of its permissions."""
    found = ask(operator, VAULT_TOKEN=operator.token)
    assert found.address == operator.address
    assert found.token_source == "VAULT_TOKEN"
    assert (found.token.ttl, found.token.remaining_uses) == (None, None)
    assert all(it.allowed and not it.missing_rules for it in found.commands)


@pytest.mark.parametrize(
    ("server", "namespace", "ignored"),
    [
        ("openbao", "team", False),
        ("vault_enterprise", "team", False),
        ("vault_community", "team", True),
        ("vault_community", "team/docker", True),
        ("vault_community", "root", False),
        ("vault_community", None, False),
    ],
)
def test_ignored_namespace_is_detected(
    server: str, namespace: str | None, ignored: bool, request: pytest.FixtureRequest
) -> None:
    """A server with namespaces never answers for one that does not exist."""
    operator = Operator.of(request.getfixturevalue(server))
    operator.call("POST", "sys/namespaces/team")
    variables = {} if namespace is None else {"VAULT_NAMESPACE": namespace}
    found = ask(operator, VAULT_TOKEN=operator.token, **variables)
    assert (found.namespace, found.namespace_ignored) == (namespace, ignored)


def test_login_is_described(operator: Operator) -> None:
    """The result has the method, the TTL and the entity."""
    mount = operator.enable_auth("userpass")
    user = {"password": "s3cret", "token_ttl": "5m", "token_num_uses": 9}
    operator.write(f"auth/{mount}/users/alice", user)
    variables = {
        "DOCKERTLS_AUTH": "userpass",
        "DOCKERTLS_AUTH_MOUNT": mount,
        "DOCKERTLS_AUTH_USER": "alice",
    }
    with session(operator.address, None, lambda _: "s3cret", **variables) as opened:
        found = who_am_i(opened, opened.settings)
    because = "because DOCKERTLS_AUTH is set"
    assert found.token_source == f"logged in with userpass at auth/{mount}, {because}"
    token = found.token
    assert (token.display_name, token.type) == (f"{mount}-alice", "service")
    assert token.path == f"auth/{mount}/login/alice"
    assert token.ttl is not None
    assert timedelta() < token.ttl <= timedelta(minutes=5)
    assert token.entity_id is not None
    assert token.remaining_uses == 8


def test_token_without_the_default_policy_is_reported(operator: Operator) -> None:
    """The missing policy line is in the hint."""
    token = operator.create_token(policies=[operator.policy('path "x" {}')], no_default_policy=True)
    with pytest.raises(PermissionDenied) as caught:
        ask(operator, VAULT_TOKEN=token)
    assert "auth/token/lookup-self" in caught.value.hint


def test_unknown_token_is_rejected(operator: Operator) -> None:
    """Vault's refusal is reported as a rejected token."""
    with pytest.raises(TokenRejected):
        ask(operator, VAULT_TOKEN="of-somebody-else")


@pytest.mark.parametrize("uses", [1, 2])
def test_token_without_uses_left_is_rejected(operator: Operator, uses: int) -> None:
    """Before or by the capability request: it is not reported as an outage."""
    token = operator.create_token(policies=["default"], ttl="5m", num_uses=uses)
    with pytest.raises(TokenRejected):
        ask(operator, VAULT_TOKEN=token)
