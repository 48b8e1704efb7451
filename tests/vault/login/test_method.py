"""Every login method on a real OpenBao; stand-ins only replace external identity providers."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING

import pytest

from dockertls_vault.errors import (
    InvalidSetting,
    LoginDenied,
    NoToken,
    NotVault,
    UnknownNamespace,
    VaultUnreachable,
    WrappingTokenInvalid,
)
from dockertls_vault.settings.method import Method
from dockertls_vault.settings.resolve import resolve
from dockertls_vault.vault.login.method import choose
from dockertls_vault.vault.token_info import Token, lookup
from tests.certificates import Authority
from tests.vault.identities import Signer, github, ldap, token_review
from tests.vault.misbehaving import misbehaving, says_json
from tests.vault.operator import Operator, session, settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.harness.openbao import DevVault


@pytest.fixture
def operator(vault_server: DevVault) -> Operator:
    """Return the operator of the shared server."""
    return Operator.of(vault_server)


def log_in(
    operator: Operator, ask: Callable[[str], str] | None = None, /, **variables: str
) -> Token:
    """Log in and return Vault's token lookup; expect the token to be revoked afterwards."""
    with session(operator.address, None, ask, **variables) as opened:
        found = lookup(opened)
        token = opened.identity.token()
        assert operator.is_alive(token)
    assert not operator.is_alive(token)
    return found


class TestAppRole:
    """Logins with role_id and secret_id, from every source."""

    @pytest.fixture
    def mount(self, operator: Operator) -> str:
        """Enable an AppRole mount with a role ``ci`` whose secret_ids are valid for one login."""
        mount = operator.enable_auth("approle")
        role = {"token_policies": "default", "token_ttl": "10m", "secret_id_num_uses": 1}
        operator.write(f"auth/{mount}/role/ci", role)
        return mount

    def variables(self, operator: Operator, mount: str) -> dict[str, str]:
        """Return the variables of all these tests."""
        role_id = operator.read(f"auth/{mount}/role/ci/role-id")["role_id"]
        return {"DOCKERTLS_AUTH_MOUNT": mount, "DOCKERTLS_ROLE_ID": role_id}

    def secret_id(self, operator: Operator, mount: str) -> str:
        """Generate a secret_id."""
        return str(operator.write(f"auth/{mount}/role/ci/secret-id")["data"]["secret_id"])

    def wrapped(self, operator: Operator, path: str) -> str:
        """Return a wrapping token for the answer of ``path``."""
        return str(operator.write(path, X_Vault_Wrap_TTL="60")["wrap_info"]["token"])

    def test_credentials_from_variables(self, operator: Operator, mount: str) -> None:
        """The method need not be named: a role_id implies it."""
        found = log_in(
            operator,
            **self.variables(operator, mount),
            DOCKERTLS_SECRET_ID=self.secret_id(operator, mount),
        )
        assert (found.path, found.policies) == (f"auth/{mount}/login", ("default",))

    @pytest.mark.parametrize("is_set", [False, True])
    def test_missing_secret_id_is_reported(
        self, operator: Operator, mount: str, is_set: bool
    ) -> None:
        """The hint names the variables; a wrong secret_id is another error."""
        secret = {"DOCKERTLS_SECRET_ID": "wrong"} if is_set else {}
        with pytest.raises(LoginDenied) as caught:
            log_in(operator, **self.variables(operator, mount), **secret)
        hint = caught.value.hint
        assert hint.startswith("check the role_id" if is_set else "no secret_id is set")
        for form in ("SECRET_ID", "SECRET_ID_FILE", "WRAPPED_SECRET_ID", "WRAPPED_SECRET_ID_FILE"):
            assert (f"DOCKERTLS_{form}" in hint.replace(",", "").split()) is not is_set

    def test_role_without_bind_secret_id_needs_no_secret_id(
        self, operator: Operator, mount: str
    ) -> None:
        """With bind_secret_id=false the role_id is enough, so Vault is asked anyway."""
        role = {"bind_secret_id": False, "token_bound_cidrs": "127.0.0.0/8"}
        operator.write(f"auth/{mount}/role/ci", role)
        assert log_in(operator, **self.variables(operator, mount)).path == f"auth/{mount}/login"

    def test_credentials_from_files(self, operator: Operator, mount: str, tmp_path: Path) -> None:
        """As written by configuration management, with a final newline."""
        variables = self.variables(operator, mount)
        (tmp_path / "role").write_text(f"{variables.pop('DOCKERTLS_ROLE_ID')}\n")
        (tmp_path / "secret").write_text(f"{self.secret_id(operator, mount)}\n")
        found = log_in(
            operator,
            **variables,
            DOCKERTLS_ROLE_ID_FILE=str(tmp_path / "role"),
            DOCKERTLS_SECRET_ID_FILE=str(tmp_path / "secret"),
        )
        assert found.path == f"auth/{mount}/login"

    def test_wrapped_secret_id_is_unwrapped_once(self, operator: Operator, mount: str) -> None:
        """A second attempt is reported as possible theft."""
        wrapped = self.wrapped(operator, f"auth/{mount}/role/ci/secret-id")
        variables = self.variables(operator, mount)
        variables |= {"DOCKERTLS_WRAPPED_SECRET_ID": wrapped, "DOCKERTLS_AUTH_ROLE": "ci"}
        assert log_in(operator, **variables).path == f"auth/{mount}/login"
        with pytest.raises(WrappingTokenInvalid, match="already unwrapped") as caught:
            log_in(operator, **variables)
        assert "stolen" in caught.value.hint
        assert wrapped not in str(caught.value)

    @pytest.mark.parametrize("role", ["ci", None])
    def test_secret_wrapped_at_another_path_is_not_unwrapped(
        self, operator: Operator, mount: str, role: str | None
    ) -> None:
        """It stays wrapped, so that it can be investigated."""
        wrapped = self.wrapped(operator, "sys/wrapping/wrap")
        variables = self.variables(operator, mount) | {"DOCKERTLS_WRAPPED_SECRET_ID": wrapped}
        if role is not None:
            variables["DOCKERTLS_AUTH_ROLE"] = role
        with pytest.raises(LoginDenied, match=r"sys/wrapping/wrap.*not unwrapped"):
            log_in(operator, **variables)
        assert operator.is_alive(wrapped)

    def test_secret_id_wrapped_for_another_role_is_refused(
        self, operator: Operator, mount: str
    ) -> None:
        """This applies if the settings name a role."""
        operator.write(f"auth/{mount}/role/other", {"token_policies": "default"})
        wrapped = self.wrapped(operator, f"auth/{mount}/role/other/secret-id")
        variables = self.variables(operator, mount)
        variables |= {"DOCKERTLS_WRAPPED_SECRET_ID": wrapped, "DOCKERTLS_AUTH_ROLE": "ci"}
        with pytest.raises(LoginDenied, match=r"role/other/secret-id"):
            log_in(operator, **variables)
        assert operator.is_alive(wrapped)

    @pytest.mark.parametrize(
        ("made_in", "set_here", "words"),
        [
            (True, False, "was created in a namespace, but none is set"),
            (False, True, "was created in the root namespace, but VAULT_NAMESPACE is 'ns-"),
            (True, True, None),
        ],
    )
    def test_secret_id_wrapped_in_another_namespace_is_refused(
        self, openbao: DevVault, made_in: bool, set_here: bool, words: str | None
    ) -> None:
        """Unwrapping would lose it, so it stays wrapped."""
        operator = Operator.of(openbao)
        namespace = f"ns-{secrets.token_hex(4)}"
        operator.write(f"sys/namespaces/{namespace}")
        there = {"X_Vault_Namespace": namespace} if made_in else {}
        mount = f"approle-{secrets.token_hex(4)}"
        operator.write(f"sys/auth/{mount}", {"type": "approle"}, **there)
        operator.write(f"auth/{mount}/role/ci", {"token_policies": "default"}, **there)
        path = f"auth/{mount}/role/ci"
        _, role_id = operator.call("GET", f"{path}/role-id", **there)
        wrapped = operator.write(f"{path}/secret-id", X_Vault_Wrap_TTL="60", **there)
        variables = {
            "DOCKERTLS_AUTH_MOUNT": mount,
            "DOCKERTLS_ROLE_ID": role_id["data"]["role_id"],
            "DOCKERTLS_WRAPPED_SECRET_ID": wrapped["wrap_info"]["token"],
        }
        if set_here:
            variables["VAULT_NAMESPACE"] = namespace
        with session(openbao.address, **variables) as opened:
            if words is None:
                assert lookup(opened).path == f"auth/{mount}/login"
                return
            with pytest.raises(LoginDenied, match=words) as caught:
                lookup(opened)
        assert "it was not unwrapped" in caught.value.message
        token = {"token": wrapped["wrap_info"]["token"]}
        assert operator.call("POST", "sys/wrapping/lookup", token, **there)[0] == 200

    def test_root_namespace_may_be_named(self, operator: Operator, mount: str) -> None:
        """It is the same as no namespace."""
        wrapped = self.wrapped(operator, f"auth/{mount}/role/ci/secret-id")
        variables = self.variables(operator, mount) | {"DOCKERTLS_WRAPPED_SECRET_ID": wrapped}
        found = log_in(operator, **variables, VAULT_NAMESPACE="root")
        assert found.path == f"auth/{mount}/login"

    def test_wrapping_token_without_a_namespace_is_accepted(self) -> None:
        """HashiCorp Vault's tokens need not show their namespace."""
        data = {"creation_path": "auth/approle/role/ci/secret-id", "secret_id": "s"}
        variables = {
            "DOCKERTLS_ROLE_ID": "r",
            "DOCKERTLS_WRAPPED_SECRET_ID": f"hvs.{'A' * 24}",
            "VAULT_NAMESPACE": "team",
        }
        with misbehaving(says_json({"data": data})) as node:
            with session(node.address, **variables) as opened, pytest.raises(NotVault):
                lookup(opened)
            assert "/v1/auth/approle/login" in node.paths

    def test_wrong_secret_id_is_refused_without_showing_it(
        self, operator: Operator, mount: str
    ) -> None:
        """Vault's own message is shown."""
        with pytest.raises(LoginDenied) as caught:
            log_in(operator, **self.variables(operator, mount), DOCKERTLS_SECRET_ID="wrong-one")
        assert "invalid role or secret ID" in caught.value.message
        assert "wrong-one" not in caught.value.message + caught.value.hint

    def test_missing_role_id_names_the_variable(self, operator: Operator) -> None:
        """The hint is to set DOCKERTLS_ROLE_ID."""
        with pytest.raises(NoToken) as caught:
            log_in(operator, DOCKERTLS_AUTH="approle", DOCKERTLS_SECRET_ID="x")
        assert "DOCKERTLS_ROLE_ID" in caught.value.hint


class TestJWT:
    """Logins with a JWT from any issuer, signed with the test's key and verified by Vault."""

    signer = Signer()

    @pytest.fixture
    def mount(self, operator: Operator) -> str:
        """Enable JWT with a role ``ci`` for one repository."""
        mount = operator.enable_auth("jwt")
        key = {"jwt_validation_pubkeys": [self.signer.public_key]}
        operator.write(f"auth/{mount}/config", key)
        role: dict[str, object] = {"role_type": "jwt", "user_claim": "repository"}
        role |= {"token_policies": "default"}
        role |= {"bound_audiences": ["vault.example"], "bound_claims": {"repository": "o/r"}}
        operator.write(f"auth/{mount}/role/ci", {**role, "token_ttl": "5m"})
        return mount

    def variables(self, mount: str) -> dict[str, str]:
        """Return what is set for all of these."""
        return {"DOCKERTLS_AUTH_MOUNT": mount, "DOCKERTLS_AUTH_ROLE": "ci"}

    def jwt(self, audience: str | None = "vault.example", repository: str = "o/r") -> str:
        """Sign the JWT of a job."""
        now = int(time.time())
        claims = {"repository": repository, "aud": audience, "iat": now, "exp": now + 300}
        return self.signer.sign({**claims, "sub": "job", "iss": "https://ci.example"})

    def test_jwt_from_our_variable(self, operator: Operator, mount: str) -> None:
        """DOCKERTLS_JWT holds the JWT itself."""
        found = log_in(operator, **self.variables(mount), DOCKERTLS_JWT=self.jwt())
        assert found.display_name == f"{mount}-o/r"

    def test_jwt_from_a_named_variable(self, operator: Operator, mount: str) -> None:
        """GitLab's ``id_tokens`` may have any name."""
        variables = self.variables(mount) | {"DOCKERTLS_JWT_VARIABLE": "MY_ID_TOKEN"}
        assert log_in(operator, **variables, MY_ID_TOKEN=self.jwt()).path == f"auth/{mount}/login"
        with pytest.raises(NoToken, match="MY_ID_TOKEN is not set"):
            log_in(operator, **variables)

    def test_jwt_from_a_file(self, operator: Operator, mount: str, tmp_path: Path) -> None:
        """SPIFFE and others write the JWT to a file."""
        (tmp_path / "jwt").write_text(self.jwt())
        found = log_in(operator, **self.variables(mount), DOCKERTLS_JWT_FILE=str(tmp_path / "jwt"))
        assert found.path == f"auth/{mount}/login"

    def test_gitlabs_documented_variable_is_recognized(
        self, operator: Operator, mount: str
    ) -> None:
        """VAULT_ID_TOKEN, as in GitLab's documentation."""
        found = log_in(operator, **self.variables(mount), VAULT_ID_TOKEN=self.jwt())
        assert found.path == f"auth/{mount}/login"

    def test_github_jwt_is_fetched_for_the_audience(self, operator: Operator, mount: str) -> None:
        """The request has the job's bearer token."""
        with github("bearer-of-the-job", self.jwt) as url:
            found = log_in(
                operator,
                **self.variables(mount),
                DOCKERTLS_JWT_AUDIENCE="vault.example",
                ACTIONS_ID_TOKEN_REQUEST_URL=url,
                ACTIONS_ID_TOKEN_REQUEST_TOKEN="bearer-of-the-job",
            )
        assert found.display_name == f"{mount}-o/r"

    def test_refusal_by_github_names_the_missing_permission(
        self, operator: Operator, mount: str
    ) -> None:
        """The hint has the permission that the job lacks."""
        with github("another", self.jwt) as url, pytest.raises(LoginDenied) as caught:
            log_in(
                operator,
                **self.variables(mount),
                ACTIONS_ID_TOKEN_REQUEST_URL=url,
                ACTIONS_ID_TOKEN_REQUEST_TOKEN="wrong",
            )
        assert "id-token: write" in caught.value.hint

    def test_unreachable_github_is_not_blamed_on_vault(
        self, operator: Operator, mount: str
    ) -> None:
        """The error says that GitHub issued no JWT."""
        with pytest.raises(VaultUnreachable, match=r"GitHub issued no JWT.*refused the connection"):
            log_in(
                operator,
                **self.variables(mount),
                ACTIONS_ID_TOKEN_REQUEST_URL="http://127.0.0.1:1/",
                ACTIONS_ID_TOKEN_REQUEST_TOKEN="x",
            )

    def test_jwt_refused_by_vault_is_not_shown(self, operator: Operator, mount: str) -> None:
        """Vault's own message is shown."""
        jwt = self.jwt(repository="o/other")
        with pytest.raises(LoginDenied) as caught:
            log_in(operator, **self.variables(mount), DOCKERTLS_JWT=jwt)
        assert "repository" in caught.value.message
        assert jwt not in caught.value.message
        assert "bound_claims" in caught.value.hint


def test_projected_token_is_read_at_each_login(operator: Operator, tmp_path: Path) -> None:
    """Kubernetes replaces it every hour."""
    mount = operator.enable_auth("kubernetes")
    claims = {"namespace": "builds", "serviceaccount": {"name": "runner", "uid": "1"}}
    jwt = Signer().sign(
        {
            "iss": "kubernetes/serviceaccount",
            "sub": "system:serviceaccount:builds:runner",
            "kubernetes.io": claims,
            "aud": ["vault"],
            "iat": int(time.time()) - 60,
            "nbf": int(time.time()) - 60,
            "exp": int(time.time()) + 300,
        }
    )
    file = tmp_path / "token"
    file.write_text("stale")
    with token_review(jwt, "builds", "runner") as api:
        config = {"kubernetes_host": api, "disable_local_ca_jwt": True}
        config["kubernetes_ca_cert"] = Authority.create().pem.decode()  # wanted, and not used
        operator.write(f"auth/{mount}/config", config)
        role = {"bound_service_account_names": "runner", "token_policies": "default"}
        role |= {"bound_service_account_namespaces": "builds", "token_ttl": "5m"}
        operator.write(f"auth/{mount}/role/ci", role)
        variables = {
            "KUBERNETES_SERVICE_HOST": "10.0.0.1",
            "DOCKERTLS_AUTH_MOUNT": mount,
            "DOCKERTLS_AUTH_ROLE": "ci",
            "DOCKERTLS_KUBERNETES_TOKEN_FILE": str(file),
        }
        with session(operator.address, **variables) as opened:
            with pytest.raises(LoginDenied, match=mount):
                lookup(opened)
            file.write_text(jwt)
            assert lookup(opened).path == f"auth/{mount}/login"


class TestPasswords:
    """Logins with a password, which is only prompted for."""

    def test_userpass_prompts_for_the_password_of_the_user(self, operator: Operator) -> None:
        """The prompt names the user."""
        mount = operator.enable_auth("userpass")
        operator.write(f"auth/{mount}/users/alice", {"password": "s3cret", "token_ttl": "5m"})
        prompts = []

        def ask(prompt: str) -> str:
            prompts.append(prompt)
            return "s3cret"

        variables = {"DOCKERTLS_AUTH_MOUNT": mount, "DOCKERTLS_AUTH_USER": "alice"}
        found = log_in(operator, ask, DOCKERTLS_AUTH="userpass", **variables)
        assert found.path == f"auth/{mount}/login/alice"
        assert prompts == ["password of alice (userpass)"]
        with pytest.raises(LoginDenied, match="invalid username or password"):
            log_in(operator, lambda _: "wrong", DOCKERTLS_AUTH="userpass", **variables)

    def test_ldap_login(self, older_openbao: DevVault) -> None:
        """A directory knows the user; run on OpenBao 2.6, since 2.7 has no LDAP."""
        operator = Operator.of(older_openbao)
        mount = operator.enable_auth("ldap")
        variables = {"DOCKERTLS_AUTH_MOUNT": mount, "DOCKERTLS_AUTH_USER": "bob"}
        with ldap("cn=bob,dc=example", "s3cret") as url:
            operator.write(f"auth/{mount}/config", {"url": url, "userdn": "dc=example"})
            found = log_in(operator, lambda _: "s3cret", DOCKERTLS_AUTH="ldap", **variables)
            assert found.path == f"auth/{mount}/login/bob"
            with pytest.raises(LoginDenied, match="ldap"):
                log_in(operator, lambda _: "wrong", DOCKERTLS_AUTH="ldap", **variables)

    @pytest.mark.parametrize("method", ["userpass", "ldap"])
    def test_password_login_without_a_terminal_fails_at_once(
        self, operator: Operator, method: str
    ) -> None:
        """Nobody could answer the prompt."""
        with pytest.raises(NoToken, match="not a terminal"):
            log_in(operator, DOCKERTLS_AUTH=method, DOCKERTLS_AUTH_USER="alice")

    def test_missing_user_names_the_variable(self, operator: Operator) -> None:
        """The hint is to set DOCKERTLS_AUTH_USER."""
        with pytest.raises(InvalidSetting) as caught:
            log_in(operator, lambda _: "x", DOCKERTLS_AUTH="ldap")
        assert "DOCKERTLS_AUTH_USER" in caught.value.hint


def test_login_at_a_missing_mount_explains_permission_denied(operator: Operator) -> None:
    """Vault only says "permission denied"; the hint lists the possible causes."""
    with pytest.raises(LoginDenied, match="permission denied") as caught:
        log_in(operator, DOCKERTLS_JWT="a.b.c", DOCKERTLS_AUTH_MOUNT="nowhere")
    assert "auth/nowhere" in caught.value.hint


@pytest.mark.parametrize(
    ("variables", "method", "why"),
    [
        ({}, Method.TOKEN, "nothing else is set"),
        ({"VAULT_TOKEN": "t", "DOCKERTLS_ROLE_ID": "r"}, Method.TOKEN, "VAULT_TOKEN is set"),
        (
            {"VAULT_TOKEN": "t", "DOCKERTLS_AUTH": "cert"},
            Method.CERT,
            "DOCKERTLS_AUTH is set",
        ),
        ({"DOCKERTLS_TOKEN_FILE": "/t"}, Method.TOKEN, "DOCKERTLS_TOKEN_FILE is set"),
        ({"DOCKERTLS_ROLE_ID": "r"}, Method.APPROLE, "DOCKERTLS_ROLE_ID is set"),
        (
            {"ACTIONS_ID_TOKEN_REQUEST_URL": "https://u"},
            Method.JWT,
            "ACTIONS_ID_TOKEN_REQUEST_URL is set",
        ),
        ({"VAULT_ID_TOKEN": "j"}, Method.JWT, "VAULT_ID_TOKEN is set"),
        ({"KUBERNETES_SERVICE_HOST": "h"}, Method.TOKEN, "nothing else is set"),
        (
            {"KUBERNETES_SERVICE_HOST": "h", "DOCKERTLS_AUTH_ROLE": "r"},
            Method.KUBERNETES,
            "this is a pod, and DOCKERTLS_AUTH_ROLE is set",
        ),
    ],
)
def test_method_is_inferred_from_the_environment(
    variables: dict[str, str], method: Method, why: str
) -> None:
    """``-v`` shows which variable implied it."""
    found = choose(settings("http://127.0.0.1:1", **variables))
    assert (found.method, found.why) == (method, why)


@pytest.mark.parametrize(
    ("variables", "method"),
    [({}, Method.CERT), ({"VAULT_TOKEN": "t"}, Method.TOKEN)],
    ids=["file", "file and token"],
)
def test_token_in_the_environment_wins_over_a_method_in_a_file(
    variables: dict[str, str], method: Method, tmp_path: Path
) -> None:
    """It is nearer to the user."""
    file = tmp_path / "config.toml"
    file.write_text('[auth]\nmethod = "cert"\n')
    assert choose(resolve({}, variables, [file])).method is method


def test_unknown_namespace_is_a_configuration_error(openbao: DevVault) -> None:
    """Exit status 78: the role_id and secret_id are valid."""
    variables = {"DOCKERTLS_ROLE_ID": "right", "DOCKERTLS_SECRET_ID": "right"}
    with (
        session(openbao.address, VAULT_NAMESPACE="nowhere", **variables) as opened,
        pytest.raises(UnknownNamespace) as caught,
    ):
        lookup(opened)
    assert "role_id" not in caught.value.hint
