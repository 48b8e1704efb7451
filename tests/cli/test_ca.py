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
    """Return a place of the test's own, in the server that the environment leads to."""
    monkeypatch.setenv("BAO_ADDR", vault_server.address)
    monkeypatch.setenv("BAO_TOKEN", vault_server.token)
    return f"pki-{secrets.token_hex(4)}"


@pytest.fixture
def session(mount: str) -> Iterator[Session]:
    """Return a session of the operator's."""
    with open_session(options.find_settings({"mount": mount})) as opened:
        yield opened


@pytest.fixture
def init(mount: str) -> Callable[..., int]:
    """Return what runs `ca init` for one domain at the test's own mount."""

    def of(*arguments: str) -> int:
        return run(["ca", "init", "--mount", mount, "--domain", "example.internal", *arguments])

    return of


def ignored_by(server: DevVault) -> str:
    """Return what is said of the parameter that Vault does not know."""
    if not server.ignores:
        return ""
    return (
        "warning: this server does not support the role parameter not_after_bound (server, "
        "client): only a policy that denies not_after enforces the role's TTL (`dockertls-vault ca "
        "policy`)\n"
    )


def state(session: Session, mount: str) -> State:
    """Return what is in Vault."""
    return CertificateAuthority(session, mount).state(("server", "client"))


def test_the_plan_comes_before_the_result(
    init: Callable[..., int],
    mount: str,
    vault_server: DevVault,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each step in words, of a role what tells it from others; on stderr what needs doing."""
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
    assert captured.err == ignored_by(vault_server) + (
        "warning: the mount has no URLs for AIA and CRLs: Docker reads neither; where other "
        f"software does, set them in {mount}/config/urls\n"
    )


def test_the_second_run_says_that_nothing_needs_to_change(
    init: Callable[..., int], mount: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """And says nothing else."""
    init()
    capsys.readouterr()
    assert init() == 0
    assert capsys.readouterr() == (f"no changes needed at {mount}\n", "")


def test_a_role_that_drifted_is_shown_as_a_difference(
    init: Callable[..., int], mount: str, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before and after of what differs, also of what a new role would not show.

    What others may use is put right only after a yes.
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
hint: give --yes to confirm; to keep that role as it is, choose another \
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


def test_what_was_refused_is_not_opened_unasked(
    init: Callable[..., int], mount: str, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    """A client's common name is who it is to Docker's plugins for authorization."""
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


@pytest.mark.parametrize(("answer", "status"), [("y", 0), ("yes", 0), ("", 78), ("n", 78)])
def test_on_a_terminal_it_asks(
    init: Callable[..., int], mount: str, session: Session, answer: str, status: int
) -> None:
    """On stderr, so that stdout is the result alone; only a yes is a yes."""
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


def test_the_end_of_the_input_is_a_no(init: Callable[..., int], mount: str) -> None:
    """Ctrl-D, after which the error has a line of its own."""
    init()
    status, _, shown = answering("\x04", "ca", "init", "--mount", mount, "--no-allow-localhost")
    assert status == 78
    assert "continue? [y/N] \n" in shown
    # What it was asked about is there to be read, once.
    assert shown.count("restricts: allow_localhost") == 1
    assert "not confirmed: nothing was changed\n" in shown


@pytest.mark.parametrize("at", ["stdin", "stderr"])
def test_whoever_cannot_read_or_answer_is_not_asked(
    init: Callable[..., int], mount: str, session: Session, at: str
) -> None:
    """A yes in a pipe is none, and neither is one to a question that nobody saw."""
    init()
    arguments = ["ca", "init", "--mount", mount, "--no-allow-localhost"]
    status, _, shown = answering("y", *arguments, at=[at])
    assert (status, "continue?" in shown) == (78, False)
    assert (state(session, mount).roles["server"] or {})["allow_localhost"] is True


def test_what_takes_nothing_away_asks_nothing(init: Callable[..., int], mount: str) -> None:
    """A domain more, or one that is named to be removed."""
    init()
    for arguments in (["--domain", "b.test"], ["--remove-domain", "example.internal"]):
        status, _, shown = answering("n", "ca", "init", "--mount", mount, *arguments)
        assert status == 0
        assert "continue?" not in shown


def test_a_host_of_the_first_domain_goes_on_after_the_second(
    mount: str, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    """Domains are added; without one, the role stays as it is."""
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


def test_what_has_no_effect_is_said(
    init: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a root that is there already, and of a domain that is not."""
    wishes = ["--common-name", "x", "--root-ttl", "1h", "--remove-domain", "b.test"]
    assert init("--root-ttl", "365d") == 0
    assert "no effect" not in capsys.readouterr().err
    assert init(*wishes) == 0
    assert (
        capsys.readouterr().err
        == """\
warning: --common-name has no effect: the existing CA is kept
warning: --root-ttl has no effect: the existing CA is kept
warning: --remove-domain b.test has no effect: the role server does not have it
"""
    )


def test_an_intermediate_without_its_root_is_not_ready(
    vault_server: DevVault, init: Callable[..., int], mount: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing could be issued, and so it is said, at each run, until there is a root to trust."""
    root = intermediate_alone(vault_server, mount)
    assert init() == 78
    captured = capsys.readouterr()
    assert captured.out.endswith(f"\nthe CA at {mount} is not ready\n")
    assert captured.err == ignored_by(vault_server) + (
        f"warning: no certificate can be issued yet: the mount {mount} has no current root "
        f"certificate; "
        f"import its root (bao write {mount}/issuers/import/cert pem_bundle=@root.pem), or give "
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


@pytest.mark.parametrize(
    ("validity", "why"),
    [
        (timedelta(days=1), "the default issuer of {mount} does not chain to a trusted root"),
        (timedelta(minutes=4), "the mount {mount} has no current root certificate"),
    ],
    ids=["another CA's", "expired"],
)
def test_a_root_that_is_of_no_use_does_not_make_it_ready(
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


@pytest.mark.parametrize("arguments", [[], ["--dry-run"]], ids=["", "dry-run"])
def test_without_a_root_in_the_mount_for_trust_it_is_not_ready(
    init: Callable[..., int],
    mount: str,
    arguments: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The root is in the mount that signs, and `issue` looks for it in the other."""
    assert init("--trust-mount", f"{mount}-clients", *arguments) == 78
    said = capsys.readouterr().err
    assert f"yet: the mount {mount}-clients has no current root certificate" in said
    assert init(*arguments) == 0
    assert init("--trust-mount", f"{mount}-clients", *arguments) == 78


def test_a_default_that_is_yet_to_be_chosen_counts(
    vault_server: DevVault, init: Callable[..., int], mount: str, session: Session
) -> None:
    """A dry run tells of what will be: here of a root that only lacks being the default."""
    init()
    path = f"/v1/{mount}/config/issuers"
    import_certificate(vault_server, mount, Authority.create("other").pem.decode())
    other = next(issuer.id for issuer in state(session, mount).issuers if not issuer.has_key)
    session.client.adapter.post(path, json={"default": other})
    session.client.adapter.delete(f"/v1/{mount}/issuer/{other}")
    assert state(session, mount).default is None
    assert init("--dry-run") == 0
    assert init() == 0


def test_beside_an_old_ca_without_its_key_a_root_is_made(
    vault_server: DevVault,
    init: Callable[..., int],
    mount: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The new one signs, and both are in ca.pem, so that nobody is shut out on the way."""
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
    assert envelope["warnings"][-1].startswith("the mount has no URLs for AIA and CRLs")
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


@pytest.mark.parametrize(
    ("arguments", "policy"),
    [
        (["ca", "init", "--domain", "a.test"], "admin"),
        (["issue", "server", "--host", "a.example.internal"], "server"),
        (["issue", "client", "--role", "client"], "client"),
    ],
    ids=["admin", "server", "client"],
)
def test_what_a_token_lacks_is_a_policy_to_paste(
    arguments: list[str],
    policy: str,
    init: Callable[..., int],
    mount: str,
    vault_server: DevVault,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """All that the command needs, and not one path after the other; and with it, it works."""
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


def test_a_role_is_part_of_the_policy_to_paste(
    mount: str,
    vault_server: DevVault,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One for each end may be called otherwise."""
    operator = Operator.of(vault_server)
    monkeypatch.setenv("BAO_TOKEN", operator.create_token(policies=["default"], ttl="5m"))
    place = ["--mount", operator.enable_pki(), "--dir", str(tmp_path / "c")]
    assert mount
    assert run(["issue", "client", "--role", "ci", *place]) == 77
    assert f"ca policy client --mount {place[1]} --role ci | bao" in capsys.readouterr().err


def test_there_is_no_policy_for_somebody_else(capsys: pytest.CaptureFixture[str]) -> None:
    """The three people are named."""
    assert run(["ca", "policy", "root"]) == 2
    assert "admin" in capsys.readouterr().err
