"""Every way to log in, on a real OpenBao; stand-ins only vouch where somebody else would."""

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
from dockertls_vault.settings.parsers import Method
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
    """Log in, and return what Vault takes us for; the token must be gone afterwards."""
    with session(operator.address, None, ask, **variables) as opened:
        found = lookup(opened)
        token = opened.identity.token()
        assert operator.is_alive(token)
    assert not operator.is_alive(token)
    return found


class TestAppRole:
    """role_id and secret_id, however they come."""

    @pytest.fixture
    def mount(self, operator: Operator) -> str:
        """Enable AppRole with a role ``ci`` whose secret_ids are good for one login."""
        mount = operator.enable_auth("approle")
        role = {"token_policies": "default", "token_ttl": "10m", "secret_id_num_uses": 1}
        operator.write(f"auth/{mount}/role/ci", role)
        return mount

    def variables(self, operator: Operator, mount: str) -> dict[str, str]:
        """Return what is set for all of these."""
        role_id = operator.read(f"auth/{mount}/role/ci/role-id")["role_id"]
        return {"DOCKERTLS_AUTH_MOUNT": mount, "DOCKERTLS_ROLE_ID": role_id}

    def secret_id(self, operator: Operator, mount: str) -> str:
        """Make a secret_id."""
        return str(operator.write(f"auth/{mount}/role/ci/secret-id")["data"]["secret_id"])

    def wrapped(self, operator: Operator, path: str) -> str:
        """Return what ``path`` gives, wrapped."""
        return str(operator.write(path, X_Vault_Wrap_TTL="60")["wrap_info"]["token"])

    def test_from_variables(self, operator: Operator, mount: str) -> None:
        """Nothing names the method: a role_id is enough to know it."""
        found = log_in(
            operator,
            **self.variables(operator, mount),
            DOCKERTLS_SECRET_ID=self.secret_id(operator, mount),
        )
        assert (found.path, found.policies) == (f"auth/{mount}/login", ("default",))

    @pytest.mark.parametrize("is_set", [False, True])
    def test_a_secret_id_that_is_missing_is_asked_for(
        self, operator: Operator, mount: str, is_set: bool
    ) -> None:
        """With the variables it may come in; one that is wrong is another matter."""
        secret = {"DOCKERTLS_SECRET_ID": "wrong"} if is_set else {}
        with pytest.raises(LoginDenied) as caught:
            log_in(operator, **self.variables(operator, mount), **secret)
        hint = caught.value.hint
        assert hint.startswith("check the role_id" if is_set else "no secret_id is set")
        for form in ("SECRET_ID", "SECRET_ID_FILE", "WRAPPED_SECRET_ID", "WRAPPED_SECRET_ID_FILE"):
            assert (f"DOCKERTLS_{form}" in hint.replace(",", "").split()) is not is_set

    def test_a_role_that_asks_for_no_secret_id_needs_none(
        self, operator: Operator, mount: str
    ) -> None:
        """Its role_id is enough (bind_secret_id=false), so Vault is asked all the same."""
        role = {"bind_secret_id": False, "token_bound_cidrs": "127.0.0.0/8"}
        operator.write(f"auth/{mount}/role/ci", role)
        assert log_in(operator, **self.variables(operator, mount)).path == f"auth/{mount}/login"

    def test_from_files(self, operator: Operator, mount: str, tmp_path: Path) -> None:
        """As a configuration management tool leaves them, with a newline at the end."""
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

    def test_wrapped(self, operator: Operator, mount: str) -> None:
        """A wrapped secret_id of the right role is unwrapped; the second time it is theft."""
        wrapped = self.wrapped(operator, f"auth/{mount}/role/ci/secret-id")
        variables = self.variables(operator, mount)
        variables |= {"DOCKERTLS_WRAPPED_SECRET_ID": wrapped, "DOCKERTLS_AUTH_ROLE": "ci"}
        assert log_in(operator, **variables).path == f"auth/{mount}/login"
        with pytest.raises(WrappingTokenInvalid, match="unwrapped before") as caught:
            log_in(operator, **variables)
        assert "stolen" in caught.value.hint
        assert wrapped not in str(caught.value)

    @pytest.mark.parametrize("role", ["ci", None])
    def test_wrapped_by_somebody_else(
        self, operator: Operator, mount: str, role: str | None
    ) -> None:
        """What was wrapped elsewhere stays wrapped, for whoever looks into it."""
        wrapped = self.wrapped(operator, "sys/wrapping/wrap")
        variables = self.variables(operator, mount) | {"DOCKERTLS_WRAPPED_SECRET_ID": wrapped}
        if role is not None:
            variables["DOCKERTLS_AUTH_ROLE"] = role
        with pytest.raises(LoginDenied, match=r"sys/wrapping/wrap.*not unwrapped"):
            log_in(operator, **variables)
        assert operator.is_alive(wrapped)

    def test_wrapped_for_another_role(self, operator: Operator, mount: str) -> None:
        """The role counts, where it is named."""
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
            (True, False, "was created in a namespace, and none is set"),
            (False, True, "was created in no namespace, and VAULT_NAMESPACE is 'ns-"),
            (True, True, None),
        ],
    )
    def test_wrapped_in_a_namespace(
        self, openbao: DevVault, made_in: bool, set_here: bool, words: str | None
    ) -> None:
        """Where the namespace is another one it would be lost, so it stays wrapped."""
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

    def test_wrapped_in_the_root_namespace(self, operator: Operator, mount: str) -> None:
        """It is one that can be named, and is none."""
        wrapped = self.wrapped(operator, f"auth/{mount}/role/ci/secret-id")
        variables = self.variables(operator, mount) | {"DOCKERTLS_WRAPPED_SECRET_ID": wrapped}
        log_in(operator, **variables, VAULT_NAMESPACE="root")

    def test_wrapped_by_hashicorp_vault(self) -> None:
        """Its tokens need not show their namespace, so one that does not is not refused for it."""
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

    def test_refused(self, operator: Operator, mount: str) -> None:
        """Vault's own words are shown, and the secret is not."""
        with pytest.raises(LoginDenied) as caught:
            log_in(operator, **self.variables(operator, mount), DOCKERTLS_SECRET_ID="wrong-one")
        assert "invalid role or secret ID" in caught.value.message
        assert "wrong-one" not in caught.value.message + caught.value.hint

    def test_no_role_id(self, operator: Operator) -> None:
        """The hint names the variable."""
        with pytest.raises(NoToken) as caught:
            log_in(operator, DOCKERTLS_AUTH="approle", DOCKERTLS_SECRET_ID="x")
        assert "DOCKERTLS_ROLE_ID" in caught.value.hint


class TestJWT:
    """A JWT from anywhere, checked by Vault with a key of the test."""

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

    def test_from_a_variable(self, operator: Operator, mount: str) -> None:
        """Our own variable."""
        found = log_in(operator, **self.variables(mount), DOCKERTLS_JWT=self.jwt())
        assert found.display_name == f"{mount}-o/r"

    def test_from_any_variable(self, operator: Operator, mount: str) -> None:
        """GitLab's ``id_tokens`` may have any name."""
        variables = self.variables(mount) | {"DOCKERTLS_JWT_VARIABLE": "MY_ID_TOKEN"}
        assert log_in(operator, **variables, MY_ID_TOKEN=self.jwt()).path == f"auth/{mount}/login"
        with pytest.raises(NoToken, match="MY_ID_TOKEN is not set"):
            log_in(operator, **variables)

    def test_from_a_file(self, operator: Operator, mount: str, tmp_path: Path) -> None:
        """As SPIFFE and others leave it."""
        (tmp_path / "jwt").write_text(self.jwt())
        found = log_in(operator, **self.variables(mount), DOCKERTLS_JWT_FILE=str(tmp_path / "jwt"))
        assert found.path == f"auth/{mount}/login"

    def test_of_gitlab(self, operator: Operator, mount: str) -> None:
        """The name of GitLab's documentation is recognised."""
        found = log_in(operator, **self.variables(mount), VAULT_ID_TOKEN=self.jwt())
        assert found.path == f"auth/{mount}/login"

    def test_of_github(self, operator: Operator, mount: str) -> None:
        """It is fetched for the audience, with the job's bearer token."""
        with github("bearer-of-the-job", self.jwt) as url:
            found = log_in(
                operator,
                **self.variables(mount),
                DOCKERTLS_JWT_AUDIENCE="vault.example",
                ACTIONS_ID_TOKEN_REQUEST_URL=url,
                ACTIONS_ID_TOKEN_REQUEST_TOKEN="bearer-of-the-job",
            )
        assert found.display_name == f"{mount}-o/r"

    def test_refused_by_github(self, operator: Operator, mount: str) -> None:
        """The hint says which permission the job lacks."""
        with github("another", self.jwt) as url, pytest.raises(LoginDenied) as caught:
            log_in(
                operator,
                **self.variables(mount),
                ACTIONS_ID_TOKEN_REQUEST_URL=url,
                ACTIONS_ID_TOKEN_REQUEST_TOKEN="wrong",
            )
        assert "id-token: write" in caught.value.hint

    def test_github_is_down(self, operator: Operator, mount: str) -> None:
        """It is asked more than once, and then it is not Vault's fault."""
        with pytest.raises(VaultUnreachable, match=r"GitHub issued no JWT.*refuses connections"):
            log_in(
                operator,
                **self.variables(mount),
                ACTIONS_ID_TOKEN_REQUEST_URL="http://127.0.0.1:1/",
                ACTIONS_ID_TOKEN_REQUEST_TOKEN="x",
            )

    def test_refused_by_vault(self, operator: Operator, mount: str) -> None:
        """Vault's own words are shown, and not the JWT."""
        jwt = self.jwt(repository="o/other")
        with pytest.raises(LoginDenied) as caught:
            log_in(operator, **self.variables(mount), DOCKERTLS_JWT=jwt)
        assert "repository" in caught.value.message
        assert jwt not in caught.value.message
        assert "bound_claims" in caught.value.hint


def test_kubernetes(operator: Operator, tmp_path: Path) -> None:
    """The projected token is read again at each login, for it is exchanged every hour."""
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
    """The password is asked for, and comes from nowhere else."""

    def test_userpass(self, operator: Operator) -> None:
        """The prompt says whose password it is."""
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

    def test_ldap(self, older_openbao: DevVault) -> None:
        """A directory knows the user; OpenBao 2.7 has no LDAP, so it is asked by 2.6."""
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
    def test_nobody_is_there_to_ask(self, operator: Operator, method: str) -> None:
        """Without a terminal it ends at once."""
        with pytest.raises(NoToken, match="not a terminal"):
            log_in(operator, DOCKERTLS_AUTH=method, DOCKERTLS_AUTH_USER="alice")

    def test_no_user(self, operator: Operator) -> None:
        """The hint names the variable."""
        with pytest.raises(InvalidSetting) as caught:
            log_in(operator, lambda _: "x", DOCKERTLS_AUTH="ldap")
        assert "DOCKERTLS_AUTH_USER" in caught.value.hint


def test_a_method_that_is_not_enabled(operator: Operator) -> None:
    """Vault only says "permission denied"; the hint says what that may mean."""
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
            "DOCKERTLS_AUTH says so",
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
def test_how_it_is_found_out(variables: dict[str, str], method: Method, why: str) -> None:
    """The environment shows which method is meant, and ``-v`` says what showed it."""
    found = choose(settings("http://127.0.0.1:1", **variables))
    assert (found.method, found.why) == (method, why)


def test_a_namespace_that_does_not_exist(openbao: DevVault) -> None:
    """The role_id and the secret_id are right, and the namespace is to blame: 78."""
    variables = {"DOCKERTLS_ROLE_ID": "right", "DOCKERTLS_SECRET_ID": "right"}
    with (
        session(openbao.address, VAULT_NAMESPACE="nowhere", **variables) as opened,
        pytest.raises(UnknownNamespace) as caught,
    ):
        lookup(opened)
    assert "role_id" not in caught.value.hint
