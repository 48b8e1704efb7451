"""``ca init`` and ``ca policy`` as an operator runs them."""

from __future__ import annotations

import json
import re
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from dockertls_vault.certificate.certificate import load_certificates
from dockertls_vault.cli import options
from dockertls_vault.cli.main import run
from dockertls_vault.vault.mount import CertificateAuthority, State
from dockertls_vault.vault.session import open_session
from tests.certificates import Authority
from tests.harness.dialect.servers import on_openbao
from tests.harness.terminal import answering
from tests.mounts import empty, import_certificate, intermediate_alone
from tests.vault.operator import Operator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from dockertls_vault.vault.session import Session
    from tests.harness.openbao import DevVault


@pytest.fixture
def mount(vault_server: DevVault, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return a mount path of the test's own, and point the environment to the server."""
    monkeypatch.setenv("BAO_ADDR", vault_server.address)
    monkeypatch.setenv("BAO_TOKEN", vault_server.token)
    return f"pki-{secrets.token_hex(4)}"


@pytest.fixture
def session(mount: str) -> Iterator[Session]:
    """Open a session with the operator's token."""
    with open_session(options.find_settings({"mount": mount})) as opened:
        yield opened


@pytest.fixture
def init(mount: str) -> Callable[..., int]:
    """Return a function that runs `ca init` for one domain at the test's mount."""

    def of(*arguments: str) -> int:
        return run(["ca", "init", "--mount", mount, "--domain", "example.internal", *arguments])

    return of


def ignored_by(server: DevVault) -> str:
    """Return the warnings about parameters that this server does not know."""
    if not server.ignores:
        return ""
    return (
        "warning: this server does not support the role parameter not_after_bound (server, "
        "client): only a policy that denies not_after enforces the role's TTL (`dockertls-vault ca "
        "policy`)\n"
    )


def state(session: Session, mount: str) -> State:
    """Return the state of the CA in Vault."""
    return CertificateAuthority(session, mount).state(("server", "client"))


def test_plan_is_printed_before_the_result(
    init: Callable[..., int],
    mount: str,
    vault_server: DevVault,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each step with what distinguishes its role; warnings are on stderr."""
    assert init() == 0
    captured = capsys.readouterr()
    assert (
        captured.out
        == f"""\
- enable the PKI engine at {mount}
- generate the root 'dockertls root 1': EC P-256, key internal to Vault, valid for 3650d
- make root-1 the default issuer
- create the role server
    server_flag: true
    client_flag: false
    ttl: 7d
    max_ttl: 30d
    allow_any_name: false
    allowed_domains: example.internal
    allow_bare_domains: false
    allow_localhost: true
- create the role client
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
    assert captured.err == ignored_by(vault_server)


def test_second_run_says_that_nothing_needs_to_change(
    init: Callable[..., int], mount: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It prints nothing else."""
    init()
    capsys.readouterr()
    assert init() == 0
    assert capsys.readouterr() == (f"no changes needed at {mount}\n", "")
    assert init("--dry-run") == 0
    assert capsys.readouterr() == (f"no changes needed at {mount}\n", "")


def test_changed_role_is_shown_as_a_difference(
    init: Callable[..., int], mount: str, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before and after, including parameters that a new role would not show.

    A permission that others may rely on is removed only after confirmation.
    """
    init()
    wanted = state(session, mount)
    role = {**(wanted.roles["server"] or {}), "client_flag": True, "no_store": False}
    session.client.adapter.post(f"/v1/{mount}/roles/server", json=role)
    drifted = state(session, mount)
    capsys.readouterr()
    assert init() == 78
    plan = """\
- update the role server
    restricts: no_store: false -> true
    restricts: client_flag: true -> false
"""
    assert capsys.readouterr() == (
        plan,
        """\
error: nothing was changed: the plan restricts what is allowed today
  - the role server: restricts: no_store: false -> true
  - the role server: restricts: client_flag: true -> false
hint: use --yes to confirm; to keep that role as it is, choose another \
(DOCKERTLS_SERVER_ROLE, DOCKERTLS_CLIENT_ROLE)
""",
    )
    assert init("--dry-run") == 0
    end = "nothing was changed (--dry-run); to apply it, use --yes\n"
    assert capsys.readouterr().out == f"{plan}{end}"
    assert state(session, mount) == drifted
    assert init("--yes") == 0
    assert capsys.readouterr().out == f"{plan}the CA at {mount} is ready\n"
    assert state(session, mount) == wanted


@on_openbao
def test_permission_is_not_granted_without_confirmation(
    init: Callable[..., int], mount: str, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    """Docker's authorization plugins identify clients by their common name."""
    assert init() == 0
    wanted = state(session, mount)
    closed = {"allow_any_name": False, "allowed_domains": ["ci"], "cn_validations": ["hostname"]}
    role = {**(wanted.roles["client"] or {}), **closed, "allow_bare_domains": True, "ttl": 60}
    session.client.adapter.post(f"/v1/{mount}/roles/client", json=role)
    restricted = state(session, mount)
    capsys.readouterr()
    assert run(["ca", "init", "--mount", mount]) == 78
    captured = capsys.readouterr()
    assert (
        captured.out
        == """\
- update the role client
    widens: allow_any_name: false -> true
    allowed_domains: ci -> none
    allow_bare_domains: true -> false
    widens: cn_validations: hostname -> disabled
    ttl: 1m -> 1h
"""
    )
    assert captured.err.startswith(
        """\
error: nothing was changed: the plan allows what is rejected today
  - the role client: widens: allow_any_name: false -> true
  - the role client: widens: cn_validations: hostname -> disabled
hint: """
    )
    assert state(session, mount) == restricted
    assert run(["ca", "init", "--mount", mount, "--yes"]) == 0
    assert state(session, mount) == wanted


@on_openbao
@pytest.mark.parametrize(("answer", "status"), [("y", 0), ("yes", 0), ("", 78), ("n", 78)])
def test_confirmation_is_requested_on_stderr(
    init: Callable[..., int], mount: str, session: Session, answer: str, status: int
) -> None:
    """The result alone is on stdout; any answer but yes means no."""
    init()
    given, out, shown = answering(
        answer, "ca", "init", "--mount", mount, "--no-allow-localhost", "-o", "json"
    )
    assert given == status
    assert json.loads(out)["ok"] == (status == 0)
    assert (
        "the plan restricts what is allowed today:\n"
        "  - the role server: restricts: allow_localhost: true -> false\n"
        "continue? [y/N] "
    ) in shown
    role = state(session, mount).roles["server"] or {}
    assert role["allow_localhost"] == (status != 0)


@on_openbao
def test_end_of_input_means_no(init: Callable[..., int], mount: str) -> None:
    """After Ctrl-D, the error starts on a new line."""
    init()
    status, _, shown = answering("\x04", "ca", "init", "--mount", mount, "--no-allow-localhost")
    assert status == 78
    assert "continue? [y/N] \n" in shown
    # The question is shown once.
    assert shown.count("restricts: allow_localhost") == 1
    assert "not confirmed: nothing was changed\n" in shown
    assert "hint:" not in shown


@on_openbao
@pytest.mark.parametrize("at", ["stdin", "stderr"])
def test_no_question_without_a_terminal(
    init: Callable[..., int], mount: str, session: Session, at: str
) -> None:
    """A yes from a pipe does not count, nor does one to a question nobody saw."""
    init()
    arguments = ["ca", "init", "--mount", mount, "--no-allow-localhost"]
    status, _, shown = answering("y", *arguments, at=[at])
    assert (status, "continue?" in shown) == (78, False)
    assert (state(session, mount).roles["server"] or {})["allow_localhost"] is True


@on_openbao
def test_change_that_restricts_nothing_needs_no_confirmation(
    init: Callable[..., int], mount: str
) -> None:
    """Adding a domain, or removing one by name, asks nothing."""
    init()
    for arguments in (["--domain", "b.test"], ["--remove-domain", "example.internal"]):
        status, _, shown = answering("n", "ca", "init", "--mount", mount, *arguments)
        assert status == 0
        assert "continue?" not in shown


def test_adding_a_domain_keeps_the_first(
    mount: str, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without --domain, the role stays as it is."""
    for arguments in (["--domain", "a.test"], ["--domain", "b.test"], []):
        assert run(["ca", "init", "--mount", mount, *arguments]) == 0
    assert capsys.readouterr().out.endswith(
        f"""\
- update the role server
    allowed_domains: a.test -> a.test, b.test
the CA at {mount} is ready
no changes needed at {mount}
"""
    )
    role = state(session, mount).roles["server"] or {}
    assert role["allowed_domains"] == ["a.test", "b.test"]


@on_openbao
def test_option_without_effect_is_reported(
    init: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    """For a root that exists already, or a domain that does not."""
    wishes = ["--common-name", "x", "--root-ttl", "1h", "--remove-domain", "b.test"]
    assert init("--root-ttl", "365d") == 0
    assert "no effect" not in capsys.readouterr().err
    assert init(*wishes) == 0
    assert (
        capsys.readouterr().err
        == """\
warning: --common-name has no effect: the existing CA is kept
warning: --root-ttl has no effect: the existing CA is kept
warning: --remove-domain b.test has no effect: the role server does not allow that domain
"""
    )


def test_intermediate_without_its_root_is_not_ready(
    vault_server: DevVault, init: Callable[..., int], mount: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing could be issued; each run says so until the root is imported."""
    root = intermediate_alone(vault_server, mount)
    assert init() == 78
    captured = capsys.readouterr()
    assert captured.out.endswith(f"\nthe CA at {mount} is not ready\n")
    assert captured.err == ignored_by(vault_server) + (
        f"warning: no certificate can be issued yet: the mount {mount} has no current root "
        f"certificate; "
        f"import its root (bao write {mount}/issuers/import/cert pem_bundle=@root.pem), or set "
        f"the mount that has it with --trust-mount\n"
    )
    assert init("-o", "json") == 78
    envelope = json.loads(capsys.readouterr().out)
    assert (envelope["ok"], envelope["data"]["ready"], envelope["data"]["trusted_roots"]) == (
        False,
        False,
        [],
    )
    assert init("--trust-mount", f"{mount}-root") == 0
    capsys.readouterr()
    import_certificate(vault_server, mount, root)
    assert init() == 0
    assert capsys.readouterr() == (f"no changes needed at {mount}\n", "")


@on_openbao
@pytest.mark.parametrize(
    ("validity", "why"),
    [
        (timedelta(days=1), "the default issuer of {mount} does not chain to a trusted root"),
        (timedelta(minutes=4), "the mount {mount} has no current root certificate"),
    ],
    ids=["another CA's", "expired"],
)
def test_unrelated_or_expired_root_does_not_make_it_ready(
    vault_server: DevVault,
    init: Callable[..., int],
    mount: str,
    validity: timedelta,
    why: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One that did not sign the intermediate, or that has expired."""
    intermediate_alone(vault_server, mount)
    other = Authority.create("another CA", lifetime=validity)
    import_certificate(vault_server, mount, other.pem.decode())
    assert init("--dry-run") == 78
    assert init() == 78
    warning = f"no certificate can be issued yet: {why.format(mount=mount)}; "
    assert warning in capsys.readouterr().err
    assert init("--trust-mount", f"{mount}-root") == 0


@on_openbao
@pytest.mark.parametrize("arguments", [[], ["--dry-run"]], ids=["", "dry run"])
def test_root_missing_from_the_trust_mount_is_not_ready(
    init: Callable[..., int],
    mount: str,
    arguments: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`issue` looks for it there, not in the mount that signs."""
    assert init("--trust-mount", f"{mount}-clients", *arguments) == 78
    said = capsys.readouterr().err
    assert f"yet: the mount {mount}-clients has no current root certificate" in said
    assert init(*arguments) == 0
    assert init("--trust-mount", f"{mount}-clients", *arguments) == 78


@on_openbao
def test_dry_run_takes_the_planned_default_into_account(
    vault_server: DevVault, init: Callable[..., int], mount: str, session: Session
) -> None:
    """Here the root only lacks being the default issuer."""
    init()
    path = f"/v1/{mount}/config/issuers"
    import_certificate(vault_server, mount, Authority.create("other").pem.decode())
    other = next(issuer.id for issuer in state(session, mount).issuers if not issuer.has_key)
    session.client.adapter.post(path, json={"default": other})
    session.client.adapter.delete(f"/v1/{mount}/issuer/{other}")
    assert state(session, mount).default is None
    assert init("--dry-run") == 0
    assert init() == 0


@on_openbao
def test_new_root_is_created_next_to_one_without_a_key(
    vault_server: DevVault,
    init: Callable[..., int],
    mount: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The new one signs, and both are in ca.pem, so that no peer is rejected meanwhile."""
    old = Authority.create("an old CA")
    empty(vault_server, mount)
    import_certificate(vault_server, mount, old.pem.decode())
    assert init() == 0
    captured = capsys.readouterr().out
    assert "generate the root 'dockertls root 1'" in captured
    assert captured.endswith(f"\nthe CA at {mount} is ready\n")
    assert init() == 0
    assert capsys.readouterr().out == f"no changes needed at {mount}\n"
    out = str(tmp_path / "client")
    assert run(["issue", "client", "--mount", mount, "--name", "alice", "--dir", out]) == 0
    bundle = load_certificates((tmp_path / "client" / "ca.pem").read_bytes())
    names = {root.subject.rfc4514_string() for root in bundle}
    assert names == {"CN=an old CA", "CN=dockertls root 1"}
    (leaf, *_) = load_certificates((tmp_path / "client" / "cert.pem").read_bytes())
    assert leaf.issuer.rfc4514_string() == "CN=dockertls root 1"


def test_dry_run_calls_a_ca_ready_only_if_nothing_is_pending(
    init: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    """Whether certificates can be issued is not known before the steps are applied."""
    found = []
    for arguments in (["--dry-run"], [], ["--dry-run"]):
        assert init(*arguments, "-o", "json") == 0
        envelope = json.loads(capsys.readouterr().out)
        found.append((envelope["ok"], envelope["data"]["ready"]))
    assert found == [(True, None), (True, True), (True, True)]


@on_openbao
def test_dry_run_changes_nothing(
    init: Callable[..., int], mount: str, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    """It stops after the plan."""
    assert init("--dry-run") == 0
    captured = capsys.readouterr()
    assert captured.out.startswith(f"- enable the PKI engine at {mount}\n")
    assert captured.out.endswith("\nnothing was changed (--dry-run)\n")
    assert state(session, mount).mount_type is None


def test_ca_init_prints_one_json_envelope(
    init: Callable[..., int],
    mount: str,
    vault_server: DevVault,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With the plan in the result, and the warnings next to it."""
    assert init("-o", "json") == 0
    captured = capsys.readouterr()
    envelope = json.loads(captured.out)
    assert (envelope["kind"], envelope["ok"], captured.err) == ("ca-init", True, "")
    assert len(envelope["warnings"]) == len(vault_server.ignores)
    data = envelope["data"]
    assert set(data) == {
        "mount",
        "steps",
        "applied",
        "ineffective_options",
        "unsupported_parameters",
        "trust_mount",
        "trusted_roots",
        "ready",
        "reason",
        "retry_after",
        "unused_keys",
    }
    assert (data["mount"], data["applied"]) == (mount, True)
    assert data["unsupported_parameters"] == [
        {"role": role, "parameter": parameter}
        for role in ("server", "client")
        for parameter in vault_server.ignores
    ]
    assert [root["common_name"] for root in data["trusted_roots"]] == ["dockertls root 1"]
    summaries = [step["summary"] for step in data["steps"]]
    assert summaries[0] == f"enable the PKI engine at {mount}"
    change = {
        "parameter": "client_flag",
        "before": None,
        "after": False,
        "restricts": False,
        "widens": False,
    }
    assert change in data["steps"][summaries.index("create the role server")]["changes"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], {"allow_bare_domains": False, "allow_localhost": True, "allow_any_name": False}),
        (["--allow-bare-domains"], {"allow_bare_domains": True}),
        (["--no-allow-localhost"], {"allow_localhost": False}),
        (["--domain", "b.test"], {"allowed_domains": ["example.internal", "b.test"]}),
    ],
)
def test_server_names_follow_the_options(
    init: Callable[..., int],
    mount: str,
    session: Session,
    arguments: list[str],
    expected: dict[str, Any],
) -> None:
    """Hosts of the domain and localhost by default, the domain itself on request."""
    assert init(*arguments) == 0
    role = state(session, mount).roles["server"]
    assert role is not None
    assert {name: role[name] for name in expected} == expected


@on_openbao
def test_any_name_must_be_requested(mount: str, session: Session) -> None:
    """Even then, only host names are allowed."""
    assert run(["ca", "init", "--mount", mount]) == 2
    assert run(["ca", "init", "--mount", mount, "--allow-any-name", "--domain", "a.test"]) == 2
    assert state(session, mount).mount_type is None
    assert run(["ca", "init", "--mount", mount, "--allow-any-name"]) == 0
    role = state(session, mount).roles["server"]
    assert role is not None
    assert (role["allow_any_name"], role["enforce_hostnames"]) == (True, True)


@on_openbao
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
def test_invalid_input_sends_no_request(
    init: Callable[..., int], mount: str, session: Session, arguments: list[str]
) -> None:
    """It is refused before Vault is contacted."""
    assert init(*arguments) == 2
    assert state(session, mount).mount_type is None


@on_openbao
def test_conflict_gives_status_78(
    init: Callable[..., int],
    mount: str,
    session: Session,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A mount of another type stays as it is."""
    session.client.adapter.post(f"/v1/sys/mounts/{mount}", json={"type": "kv"})
    assert init() == 78
    assert f"error: a kv engine is mounted at {mount!r}\nhint: " in capsys.readouterr().err


def test_parameter_ignored_by_the_server_is_a_warning(
    init: Callable[..., int], vault_server: DevVault, capsys: pytest.CaptureFixture[str]
) -> None:
    """Vault has no not_after_bound, so its policy sets the limit."""
    assert init() == 0
    warned = capsys.readouterr().err
    assert re.findall(r"support the role parameter (\w+)", warned) == [*vault_server.ignores]
    assert warned.startswith(ignored_by(vault_server))
    assert init() == 0
    assert capsys.readouterr().out.startswith("no changes needed")


@pytest.mark.parametrize(
    ("arguments", "paths"),
    [
        (["server"], ["dockertls/sign/server"]),
        (["client"], ["dockertls/sign/client"]),
        (["client", "--mount", "pki/docker", "--role", "ci"], ["pki/docker/sign/ci"]),
        (["admin", "--mount", "pki"], ["sys/mounts/pki", "pki/roles/+", "pki/config/issuers"]),
    ],
)
def test_policy_is_printed_without_vault(
    arguments: list[str], paths: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """No server and no token; stdout has only the policy."""
    assert run(["ca", "policy", *arguments]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert captured.out.startswith("# ")
    for path in paths:
        assert f'path "{path}" {{\n' in captured.out
    assert ('"not_after" = []' in captured.out) == (arguments[0] != "admin")


@pytest.mark.parametrize(
    ("arguments", "policy"),
    [
        (["ca", "init", "--domain", "a.test"], "admin"),
        (["issue", "server", "--host", "a.example.internal"], "server"),
        (["issue", "client", "--role", "client"], "client"),
    ],
    ids=["admin", "server", "client"],
)
def test_missing_capabilities_are_printed_as_one_policy(
    arguments: list[str],
    policy: str,
    init: Callable[..., int],
    mount: str,
    vault_server: DevVault,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It has everything that the command needs, and with it the command works."""
    assert init() == 0
    operator = Operator.of(vault_server)
    name = operator.policy('path "nothing/there" { capabilities = ["read"] }')
    monkeypatch.setenv("BAO_TOKEN", operator.create_token(policies=["default", name], ttl="5m"))
    out = ["--dir", str(tmp_path / "c")] if arguments[0] == "issue" else []
    command = [*arguments, "--mount", mount, *out]
    assert run(command) == 77
    hint = re.search(
        r"hint: `dockertls-vault (.*) \| bao policy write NAME -`", capsys.readouterr().err
    )
    assert hint is not None
    assert hint[1] == f"ca policy {policy} --mount {mount}"
    assert run(hint[1].split()) == 0
    operator.write(f"sys/policies/acl/{name}", {"policy": capsys.readouterr().out})
    assert run(command) == 0


@on_openbao
def test_policy_to_paste_uses_the_configured_roles(
    mount: str,
    vault_server: DevVault,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Both may have other names."""
    operator = Operator.of(vault_server)
    monkeypatch.setenv("BAO_TOKEN", operator.create_token(policies=["default"], ttl="5m"))
    place = ["--mount", operator.enable_pki(), "--dir", str(tmp_path / "c")]
    assert mount
    assert run(["issue", "client", "--role", "ci", *place]) == 77
    assert f"ca policy client --mount {place[1]} --role ci | bao" in capsys.readouterr().err


def test_unknown_policy_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """The error lists the three that exist."""
    assert run(["ca", "policy", "root"]) == 2
    assert "admin" in capsys.readouterr().err
