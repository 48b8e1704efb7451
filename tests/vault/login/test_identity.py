"""Which logins spend something that exists only once, so that they come last."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NoReturn

import pytest

from dockertls_vault.cli import main
from dockertls_vault.errors import LoginDenied, NotVault, UnknownMount
from dockertls_vault.vault.token_info import lookup
from tests.vault.operator import Operator, session

if TYPE_CHECKING:
    from pathlib import Path

    from dockertls_vault.vault.http.adapter import Adapter
    from tests.harness.openbao import DevVault

NOWHERE = "http://127.0.0.1:1"


@pytest.fixture
def variables(openbao: DevVault) -> dict[str, str]:
    """Return the variables for an AppRole, except its secret_id."""
    operator = Operator.of(openbao)
    mount = operator.enable_auth("approle")
    # A token is good for one request, so that the second request needs a second login.
    operator.write(f"auth/{mount}/role/ci", {"token_policies": "default", "token_num_uses": 1})
    role_id = operator.read(f"auth/{mount}/role/ci/role-id")["role_id"]
    return {"DOCKERTLS_AUTH_MOUNT": mount, "DOCKERTLS_ROLE_ID": role_id}


def wrapped_secret_id(openbao: DevVault, mount: str) -> str:
    """Return a wrapping token for a secret_id."""
    path = f"auth/{mount}/role/ci/secret-id"
    answer = Operator.of(openbao).write(path, X_Vault_Wrap_TTL="60")
    return str(answer["wrap_info"]["token"])


def fail(_adapter: Adapter) -> NoReturn:
    """Fail as a read."""
    raise NotVault("nothing here")


def name_of_the_thread(_adapter: Adapter) -> str:
    """Return the name of the thread that reads."""
    return threading.current_thread().name


@pytest.mark.parametrize(
    ("given", "spends"),
    [
        ({"AUTH": "userpass", "AUTH_USER": "alice"}, True),
        ({"AUTH": "ldap", "AUTH_USER": "alice"}, True),
        ({"ROLE_ID": "r", "WRAPPED_SECRET_ID": "s.w"}, True),
        ({"ROLE_ID": "r", "WRAPPED_SECRET_ID_FILE": "wrapped"}, True),
        ({"ROLE_ID": "r", "SECRET_ID": "s", "WRAPPED_SECRET_ID": "s.w"}, False),
        ({"ROLE_ID": "r", "SECRET_ID_FILE": "secret", "WRAPPED_SECRET_ID": "s.w"}, False),
        ({"ROLE_ID": "r", "SECRET_ID": "s"}, False),
        ({"ROLE_ID": "r"}, False),
        ({"JWT": "a.b.c"}, False),
        ({"AUTH": "kubernetes", "AUTH_ROLE": "ci"}, False),
        ({"AUTH": "cert"}, False),
        ({"TOKEN_FILE": "token"}, False),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_prompt_and_wrapped_secret_id_are_spent_by_a_login(
    given: dict[str, str], spends: bool, tmp_path: Path
) -> None:
    """A plain secret_id takes precedence over a wrapped one, which then stays wrapped."""
    for name in ("wrapped", "secret", "token"):
        (tmp_path / name).write_text("s.t")
    variables = {
        f"DOCKERTLS_{name}": str(tmp_path / value) if name.endswith("_FILE") else value
        for name, value in given.items()
    }
    assert session(NOWHERE, **variables).identity.defers_login is spends


def test_failed_read_leaves_a_wrapped_secret_id_unspent(
    openbao: DevVault, variables: dict[str, str]
) -> None:
    """Reads come before the login, as the wrapping token works only once."""
    wrapped = wrapped_secret_id(openbao, variables["DOCKERTLS_AUTH_MOUNT"])
    variables |= {"DOCKERTLS_WRAPPED_SECRET_ID": wrapped}
    opened = session(openbao.address, **variables)
    with pytest.raises(NotVault), opened, opened.reading(fail):
        lookup(opened)
    assert Operator.of(openbao).is_alive(wrapped)
    assert opened.identity.logins == []


@pytest.mark.parametrize("wrapped", [True, False])
def test_missing_mount_spends_only_a_plain_secret_id(
    wrapped: bool,
    openbao: DevVault,
    variables: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As the guide says: the login with a plain one does not wait for the trust bundle."""
    operator = Operator.of(openbao)
    role = f"auth/{variables['DOCKERTLS_AUTH_MOUNT']}/role/ci"
    operator.write(role, {"token_policies": "default", "secret_id_num_uses": 1})
    lifetime = {"X_Vault_Wrap_TTL": "60"} if wrapped else {}
    answer = operator.write(f"{role}/secret-id", **lifetime)
    secret = answer["wrap_info"]["token"] if wrapped else answer["data"]["secret_id"]
    name = "DOCKERTLS_WRAPPED_SECRET_ID" if wrapped else "DOCKERTLS_SECRET_ID"
    for variable, value in {**variables, "BAO_ADDR": openbao.address, name: secret}.items():
        monkeypatch.setenv(variable, value)
    command = ["issue", "client", "--mount", "missing", "--dir", str(tmp_path / "c")]
    assert main.run(command) == UnknownMount.exit_status
    unspent, _ = (
        operator.call("POST", "sys/wrapping/lookup", {"token": secret})
        if wrapped
        else operator.call("POST", f"{role}/secret-id/lookup", {"secret_id": secret})
    )
    assert (unspent == 200) is wrapped


def test_read_after_the_login_runs_in_the_background(
    openbao: DevVault, variables: dict[str, str]
) -> None:
    """Nothing is left to waste then."""
    wrapped = wrapped_secret_id(openbao, variables["DOCKERTLS_AUTH_MOUNT"])
    here = threading.current_thread().name
    with session(openbao.address, **variables, DOCKERTLS_WRAPPED_SECRET_ID=wrapped) as opened:
        with opened.reading(name_of_the_thread) as name:
            assert name() == here
            lookup(opened)
        assert not opened.identity.defers_login
        with opened.reading(name_of_the_thread) as name:
            assert name() != here


def test_second_login_unwraps_nothing(openbao: DevVault, variables: dict[str, str]) -> None:
    """The secret_id is kept, as its wrapping token is used up."""
    wrapped = wrapped_secret_id(openbao, variables["DOCKERTLS_AUTH_MOUNT"])
    with session(openbao.address, **variables, DOCKERTLS_WRAPPED_SECRET_ID=wrapped) as opened:
        lookup(opened)
        lookup(opened)
    assert len(opened.identity.logins) == 2


def test_second_login_prompts_for_no_password(openbao: DevVault) -> None:
    """Whoever typed it is not asked for it in the middle of the command."""
    operator = Operator.of(openbao)
    mount = operator.enable_auth("userpass")
    user = {"password": "s3cret", "token_policies": "default", "token_num_uses": 1}
    operator.write(f"auth/{mount}/users/alice", user)
    prompts = []

    def ask(prompt: str) -> str:
        prompts.append(prompt)
        return "s3cret"

    variables = {
        "DOCKERTLS_AUTH": "userpass",
        "DOCKERTLS_AUTH_MOUNT": mount,
        "DOCKERTLS_AUTH_USER": "alice",
    }
    with session(openbao.address, None, ask, **variables) as opened:
        lookup(opened)
        lookup(opened)
    assert (len(opened.identity.logins), len(prompts)) == (2, 1)


def test_password_prompt_is_not_in_the_background(openbao: DevVault) -> None:
    """It appears when the token is waited for, and nothing else is printed meanwhile."""
    threads = []

    def ask(_prompt: str) -> str:
        threads.append(threading.current_thread())
        return "wrong"

    variables = {"DOCKERTLS_AUTH": "userpass", "DOCKERTLS_AUTH_USER": "alice"}
    with (
        session(openbao.address, None, ask, **variables) as opened,
        opened.logging_in() as token,
    ):
        assert threads == []
        with pytest.raises(LoginDenied):
            token()
    assert threads == [threading.current_thread()]
