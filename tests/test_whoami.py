"""What Vault says of us, and which commands it would let us do."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from dockertls_vault.ca import policy
from dockertls_vault.ca.policy import Person
from dockertls_vault.errors import PermissionDenied, TokenRejected
from dockertls_vault.whoami import COMMANDS, Permission, WhoAmI, who_am_i

from .vault.operator import Operator, session

if TYPE_CHECKING:
    from tests.harness.openbao import DevVault


@pytest.fixture
def operator(vault_server: DevVault) -> Operator:
    """Return the operator of the shared server."""
    return Operator.of(vault_server)


def ask(operator: Operator, **variables: str) -> WhoAmI:
    """Ask who we are."""
    with session(operator.address, **variables) as opened:
        return who_am_i(opened, opened.settings)


@pytest.mark.parametrize("person", Person)
def test_the_policy_of_a_person_is_enough_for_their_command(
    operator: Operator, person: Person
) -> None:
    """With what `ca policy` prints and nothing else, that command is allowed, and no other one."""
    rules = policy.rules(person, "dockertls", person.value)
    name = operator.policy(policy.to_hcl(rules))
    token = operator.create_token(policies=[name], no_default_policy=True, ttl="5m")
    found = ask(operator, VAULT_TOKEN=token)
    assert found.token.policies == (name,)
    assert [it.command for it in found.commands if it.allowed] == [COMMANDS[person]]


def test_what_is_missing_is_a_line_for_the_policy(operator: Operator) -> None:
    """With the mount and the role that were asked for, and added to the policy it is enough."""
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
def test_what_is_allowed_may_fail_all_the_same(operator: Operator, made: str) -> None:
    """Root may sign everywhere, also where nothing is; who may not look is not told of roles."""
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


def test_a_token_whose_uses_are_counted_is_not_used_for_a_look(operator: Operator) -> None:
    """With one use for each question that must be asked it is enough, as before."""
    token = operator.create_token(policies=["root"], num_uses=3)
    variables = {"DOCKERTLS_MOUNT": operator.enable_pki(), "DOCKERTLS_SERVER_ROLE": "hosts"}
    found = ask(operator, VAULT_TOKEN=token, **variables)
    assert found.token.remaining_uses == 2
    assert all(it.allowed and it.reason is None for it in found.commands)


def test_the_mount_of_the_roots_is_needed_too(operator: Operator) -> None:
    """What signs is there, and what ca.pem is made of is not."""
    variables = {"DOCKERTLS_MOUNT": operator.enable_pki(), "DOCKERTLS_TRUST_MOUNT": "no-roots"}
    found = ask(operator, VAULT_TOKEN=operator.token, **variables)
    assert found.commands[0].reason == "no PKI mount 'no-roots' in Vault"


def test_root_may_do_everything(operator: Operator) -> None:
    """It never expires, and Vault has no list of what it may do."""
    found = ask(operator, VAULT_TOKEN=operator.token)
    assert found.address == operator.address
    assert found.token_source == "the token of VAULT_TOKEN"
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
def test_a_namespace_that_the_server_ignores(
    server: str, namespace: str | None, ignored: bool, request: pytest.FixtureRequest
) -> None:
    """Who has none says nothing; who has some never answers for one that there is not."""
    operator = Operator.of(request.getfixturevalue(server))
    operator.call("POST", "sys/namespaces/team")
    variables = {} if namespace is None else {"VAULT_NAMESPACE": namespace}
    found = ask(operator, VAULT_TOKEN=operator.token, **variables)
    assert (found.namespace, found.namespace_ignored) == (namespace, ignored)


def test_a_login(operator: Operator) -> None:
    """How it came to be, for how long it lives, and whose it is."""
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
    because = "because DOCKERTLS_AUTH says so"
    assert found.token_source == f"logged in with userpass at auth/{mount}, {because}"
    token = found.token
    assert (token.display_name, token.type) == (f"{mount}-alice", "service")
    assert token.path == f"auth/{mount}/login/alice"
    assert token.ttl is not None
    assert timedelta() < token.ttl <= timedelta(minutes=5)
    assert token.entity is not None
    assert token.remaining_uses == 8


def test_a_token_that_may_not_even_ask(operator: Operator) -> None:
    """It has no default policy; the line that it lacks is in the hint."""
    token = operator.create_token(policies=[operator.policy('path "x" {}')], no_default_policy=True)
    with pytest.raises(PermissionDenied) as caught:
        ask(operator, VAULT_TOKEN=token)
    assert "auth/token/lookup-self" in caught.value.hint


def test_a_token_that_is_no_token(operator: Operator) -> None:
    """Vault does not know it."""
    with pytest.raises(TokenRejected):
        ask(operator, VAULT_TOKEN="of-somebody-else")


@pytest.mark.parametrize("uses", [1, 2])
def test_a_token_that_is_used_up(operator: Operator, uses: int) -> None:
    """Before it is asked what it may do, or by that question: no server failed, 77."""
    token = operator.create_token(policies=["default"], ttl="5m", num_uses=uses)
    with pytest.raises(TokenRejected) as caught:
        ask(operator, VAULT_TOKEN=token)
    assert caught.value.exit_status == 77
