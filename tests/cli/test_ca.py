"""``ca init`` and ``ca policy`` as an operator runs them."""

from __future__ import annotations

import json
import re
import secrets
from typing import TYPE_CHECKING, Any

import pytest

from dockertls_vault.cli import options
from dockertls_vault.cli.app import run
from dockertls_vault.vault.ca import CertificateAuthority, State
from dockertls_vault.vault.session import open_session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dockertls_vault.vault.session import Session
    from tests.harness.openbao import DevVault


@pytest.fixture
def mount(vault_server: DevVault, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return a place of the test's own, in the server that the environment leads to."""
    monkeypatch.setenv("BAO_ADDR", vault_server.address)
    monkeypatch.setenv("BAO_TOKEN", vault_server.token)
    return f"pki-{secrets.token_hex(4)}"


@pytest.fixture
def session(mount: str) -> Iterator[Session]:
    """Return a session of the operator's."""
    with open_session(options.settings(mount=mount), say=pytest.fail) as opened:
        yield opened


@pytest.fixture
def init(mount: str) -> Callable[..., int]:
    """Return what runs `ca init` for one domain at the test's own mount."""

    def of(*arguments: str) -> int:
        return run(["ca", "init", "--mount", mount, "--domain", "example.internal", *arguments])

    return of


def state(session: Session, mount: str) -> State:
    """Return what is in Vault."""
    return CertificateAuthority(session, mount).state(("server", "client"))


def test_the_plan_comes_before_the_result(
    init: Callable[..., int], mount: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each step in words, of a role what tells it from others; Vault's warnings on stderr."""
    assert init() == 0
    captured = capsys.readouterr()
    assert (
        captured.out
        == f"""\
- enable the PKI engine at {mount}
- generate the root 'dockertls root 1': EC P-256, its key internal to Vault, for 3650d
- make root-1 the default issuer
- write the role server
    server_flag: true
    client_flag: false
    ttl: 7d
    max_ttl: 30d
    allow_any_name: false
    allowed_domains: example.internal
    allow_bare_domains: false
    allow_localhost: true
- write the role client
    server_flag: false
    client_flag: true
    allow_any_name: true
    allow_localhost: false
    allowed_domains: none
    allow_bare_domains: false
    ttl: 1h
    max_ttl: 1d
the CA at {mount} is ready
"""
    )
    assert "warning: Max path length" in captured.err


def test_the_second_run_says_that_nothing_needs_to_change(
    init: Callable[..., int], mount: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """And says nothing else."""
    init()
    capsys.readouterr()
    assert init() == 0
    assert capsys.readouterr() == (f"nothing needs to change at {mount}\n", "")


def test_a_role_that_drifted_is_shown_as_a_difference(
    init: Callable[..., int], mount: str, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before and after of what differs, also of what a new role would not show."""
    init()
    wanted = state(session, mount)
    role = {**(wanted.roles["server"] or {}), "client_flag": True, "no_store": False}
    session.client.adapter.post(f"/v1/{mount}/roles/server", json=role)
    capsys.readouterr()
    assert init() == 0
    assert (
        capsys.readouterr().out
        == f"""\
- put right the role server
    no_store: false -> true
    client_flag: true -> false
the CA at {mount} is ready
"""
    )
    assert state(session, mount) == wanted


def test_a_dry_run_changes_nothing(
    init: Callable[..., int], mount: str, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    """It stops after the plan."""
    assert init("--dry-run") == 0
    captured = capsys.readouterr()
    assert captured.out.startswith(f"- enable the PKI engine at {mount}\n")
    assert captured.out.endswith("\nnothing was changed (--dry-run)\n")
    assert state(session, mount).mount_type is None


def test_as_json_it_is_one_envelope(
    init: Callable[..., int],
    mount: str,
    vault_server: DevVault,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The plan is in the result, the warnings beside it."""
    assert init("-o", "json") == 0
    captured = capsys.readouterr()
    envelope = json.loads(captured.out)
    assert (envelope["kind"], envelope["ok"], captured.err) == ("ca-init", True, "")
    assert any("Max path length" in warning for warning in envelope["warnings"])
    data = envelope["data"]
    assert set(data) == {"mount", "steps", "applied", "ignored", "warnings"}
    assert (data["mount"], data["applied"]) == (mount, True)
    ignored = [f"{role}: {it}" for role in ("server", "client") for it in vault_server.ignores]
    assert data["ignored"] == ignored
    words = [step["words"] for step in data["steps"]]
    assert words[0] == f"enable the PKI engine at {mount}"
    change = {"parameter": "client_flag", "before": None, "after": False}
    assert change in data["steps"][words.index("write the role server")]["changes"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], {"allow_bare_domains": False, "allow_localhost": True, "allow_any_name": False}),
        (["--allow-bare-domains"], {"allow_bare_domains": True}),
        (["--no-allow-localhost"], {"allow_localhost": False}),
        (["--domain", "b.test"], {"allowed_domains": ["example.internal", "b.test"]}),
    ],
)
def test_the_names_of_servers_are_as_asked(
    init: Callable[..., int],
    mount: str,
    session: Session,
    arguments: list[str],
    expected: dict[str, Any],
) -> None:
    """A domain's hosts and localhost by default, the domain itself if that was said."""
    assert init(*arguments) == 0
    role = state(session, mount).roles["server"]
    assert role is not None
    assert {name: role[name] for name in expected} == expected


def test_any_name_must_be_said(mount: str, session: Session) -> None:
    """And then it is a host name all the same."""
    assert run(["ca", "init", "--mount", mount]) == 2
    assert run(["ca", "init", "--mount", mount, "--allow-any-name", "--domain", "a.test"]) == 2
    assert state(session, mount).mount_type is None
    assert run(["ca", "init", "--mount", mount, "--allow-any-name"]) == 0
    role = state(session, mount).roles["server"]
    assert role is not None
    assert (role["allow_any_name"], role["enforce_hostnames"]) == (True, True)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--domain", "tcp://example.internal:2376"],
        ["--domain", "*.example.internal"],
        ["--common-name", ""],
        ["--root-ttl", "forever"],
        ["--mount", "../sys"],
    ],
)
def test_a_wrong_input_touches_nothing(
    init: Callable[..., int], mount: str, session: Session, arguments: list[str]
) -> None:
    """It is refused before Vault is asked."""
    assert init(*arguments) == 2
    assert state(session, mount).mount_type is None


def test_a_conflict_ends_with_78(
    init: Callable[..., int],
    mount: str,
    session: Session,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Somebody's mount of another kind stays as it is."""
    session.client.adapter.post(f"/v1/sys/mounts/{mount}", json={"type": "kv"})
    assert init() == 78
    assert f"error: a kv engine is mounted at {mount!r}\nhint: " in capsys.readouterr().err


def test_what_the_server_ignored_is_a_warning(
    init: Callable[..., int], vault_server: DevVault, capsys: pytest.CaptureFixture[str]
) -> None:
    """Vault has no not_after_bound: then the policy is what bounds it."""
    assert init() == 0
    warned = capsys.readouterr().err
    ignored = re.findall(r"ignored a parameter of the role server: (\w+)", warned)
    assert tuple(ignored) == vault_server.ignores
    assert ("ca policy" in warned) == bool(ignored)
    assert init() == 0
    assert capsys.readouterr().out.startswith("nothing needs to change")


@pytest.mark.parametrize(
    ("arguments", "paths"),
    [
        (["server"], ["dockertls/sign/server"]),
        (["client"], ["dockertls/sign/client"]),
        (["client", "--mount", "pki/docker", "--role", "ci"], ["pki/docker/sign/ci"]),
        (["admin", "--mount", "pki"], ["sys/mounts/pki", "pki/roles/+", "pki/config/issuers"]),
    ],
)
def test_a_policy_is_printed_without_vault(
    arguments: list[str], paths: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """There is no server and no token; stdout has the policy and nothing else."""
    assert run(["ca", "policy", *arguments]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert captured.out.startswith("# ")
    for path in paths:
        assert f'path "{path}" {{\n' in captured.out
    assert ('"not_after" = []' in captured.out) == (arguments[0] != "admin")


def test_there_is_no_policy_for_somebody_else(capsys: pytest.CaptureFixture[str]) -> None:
    """The three people are named."""
    assert run(["ca", "policy", "root"]) == 2
    assert "admin" in capsys.readouterr().err
