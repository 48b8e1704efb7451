"""`ca init`: planning from a given state, without a server."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from dockertls_vault.ca.changes import Change
from dockertls_vault.ca.desired import DesiredState, parse_domains, parse_removals
from dockertls_vault.ca.plan import Plan, make_plan
from dockertls_vault.ca.steps import (
    EnableMount,
    GenerateRoot,
    SetDefault,
    Step,
    TuneMount,
    WriteRole,
)
from dockertls_vault.errors import ConflictingState, InvalidInput, InvalidSetting
from dockertls_vault.vault.mount import Issuer, State
from dockertls_vault.vault.roles import NOTABLE

DESIRED = DesiredState(("example.internal",))
TEN_YEARS = timedelta(days=3650)
# A mount after `ca init`.
DONE = State(
    mount_type="pki",
    mounted_at="pki",
    max_lease_ttl=TEN_YEARS,
    issuers=(Issuer("id-1", "root-1", key_id="key"),),
    default="id-1",
    roles=DESIRED.roles,
)


def steps_from(state: State, desired: DesiredState = DESIRED) -> tuple[Step, ...]:
    """Return the planned steps for the mount `pki`."""
    return make_plan("pki", state, desired).steps


def test_everything_is_planned_from_an_empty_state() -> None:
    """Mount, root, default issuer and both roles, in this order."""
    steps = steps_from(State())
    assert [type(step) for step in steps] == [
        EnableMount,
        GenerateRoot,
        SetDefault,
        WriteRole,
        WriteRole,
    ]
    assert [step.summary for step in steps] == [
        "enable the PKI engine at pki",
        "generate the root 'dockertls root 1': EC P-256, key internal to Vault, valid for 3650d",
        "make root-1 the default issuer",
        "create the role server",
        "create the role client",
    ]


def test_changes_of_a_step_are_complete() -> None:
    """Programs read them instead of the summary; for people, only what it lacks is shown."""
    enable, root, default, server, _ = steps_from(State())
    set_by = {
        step: {change.parameter: change.after for change in step.changes}
        for step in (enable, root, default)
    }
    assert set_by == {
        enable: {"max_lease_ttl": 3650 * 86400},
        root: {
            "issuer_name": "root-1",
            "common_name": "dockertls root 1",
            "ttl": 3650 * 86400,
        },
        default: {"default": "root-1"},
    }
    assert enable.notable == root.notable == default.notable == ()
    assert {change.parameter for change in server.notable} == NOTABLE
    assert {change.parameter: change.after for change in server.changes} == DESIRED.roles["server"]


def test_finished_ca_needs_no_steps() -> None:
    """Options for a root to be created are reported as having no effect."""
    assert make_plan("pki", DONE, DESIRED) == Plan("pki", DESIRED, DONE, ())
    other = replace(DESIRED, common_name="another", root_ttl=timedelta(days=7300))
    plan = make_plan("pki", DONE, other)
    assert plan.steps == ()
    assert plan.ineffective_options == (
        "--common-name has no effect: the existing CA is kept",
        "--root-ttl has no effect: the existing CA is kept",
    )
    assert make_plan("pki", State(), other).ineffective_options == ()


def test_mount_of_another_type_is_a_conflict() -> None:
    """A secrets engine is not turned into a CA."""
    with pytest.raises(ConflictingState, match="a kv engine is mounted at 'pki'"):
        make_plan("pki", State(mount_type="kv", mounted_at="pki"), DESIRED)


def test_path_below_another_mount_is_a_conflict() -> None:
    """Vault does not allow nested mounts."""
    with pytest.raises(ConflictingState, match="'pki/docker' is inside the mount 'pki'"):
        make_plan("pki/docker", State(mount_type="pki", mounted_at="pki"), DESIRED)


@pytest.mark.parametrize(
    ("issuers", "days", "expected"),
    [((), 32, 3650), ((), 3650, None), (DONE.issuers, 1, 30), (DONE.issuers, 32, None)],
)
def test_maximum_lease_ttl_is_raised_but_never_lowered(
    issuers: tuple[Issuer, ...], days: int, expected: int | None
) -> None:
    """Enough for the root if one is created, else for the leaves."""
    state = replace(DONE, issuers=issuers, max_lease_ttl=timedelta(days=days))
    tuned = [step for step in steps_from(state) if isinstance(step, TuneMount)]
    if expected is None:
        assert tuned == []
        return
    change = Change("max_lease_ttl", days * 86400, expected * 86400)
    assert [step.changes for step in tuned] == [(change,)]


@pytest.mark.parametrize("ttl", [timedelta(minutes=1), timedelta(minutes=10), timedelta(days=29)])
def test_root_shorter_than_the_roles_ttl_is_refused(ttl: timedelta) -> None:
    """The CA could not sign for the default TTL."""
    with pytest.raises(InvalidInput, match="is shorter than the max TTL of the roles") as refused:
        make_plan("pki", State(), replace(DESIRED, root_ttl=ttl))
    assert "--root-ttl" in refused.value.hint
    (step, *_) = steps_from(State(), replace(DESIRED, root_ttl=timedelta(days=30)))
    assert isinstance(step, EnableMount)
    assert step.max_lease_ttl == timedelta(days=30)


@pytest.mark.parametrize("default", [None, "id-0"])
def test_only_issuer_with_a_key_becomes_the_default(default: str | None) -> None:
    """One without a key cannot sign, even if it was the default."""
    issuers = (Issuer("id-0", "", key_id=None), Issuer("id-1", "", key_id="key"))
    (step,) = steps_from(replace(DONE, issuers=issuers, default=default))
    assert step == SetDefault("id-1", before=default, follows_latest=False)
    assert step.summary == "make id-1 the default issuer"


def test_default_is_not_chosen_between_two_issuers() -> None:
    """The error says how to choose one."""
    issuers = tuple(Issuer(f"id-{number}", "", key_id="key") for number in range(2))
    state = replace(DONE, issuers=(Issuer("bare", "", key_id=None), *issuers), default=None)
    with pytest.raises(ConflictingState, match="has 2 issuers with a key") as conflict:
        make_plan("pki", state, DESIRED)
    assert "bao write pki/config/issuers default=NAME" in conflict.value.hint


@pytest.mark.parametrize(
    ("names", "default", "expected"),
    [
        ([""], None, 1),
        (["the-old-ca"], "id-0", 1),
        (["root-1"], None, 2),
        (["root-2", "root-1", ""], None, 3),
    ],
)
def test_root_is_created_if_no_issuer_has_a_key(
    names: list[str], default: str | None, expected: int
) -> None:
    """Under the next free name, and the mount's maximum TTL allows its validity."""
    issuers = tuple(Issuer(f"id-{n}", name, key_id=None) for n, name in enumerate(names))
    state = replace(DONE, issuers=issuers, default=default, max_lease_ttl=timedelta(days=32))
    assert steps_from(state) == (
        TuneMount("pki", timedelta(days=32), TEN_YEARS),
        GenerateRoot(
            f"root-{expected}", f"dockertls root {expected}", TEN_YEARS, keeps_others=True
        ),
        SetDefault(f"root-{expected}", before=names[0] if default else None, follows_latest=False),
    )


def test_default_that_follows_the_latest_issuer_is_fixed() -> None:
    """A pending root would sign before anyone trusts it; consent is needed."""
    plan = make_plan("pki", replace(DONE, follows_latest=True), DESIRED)
    change = Change("default_follows_latest_issuer", before=True, after=False, restricts=True)
    assert plan.steps == (SetDefault("root-1", before="root-1", follows_latest=True),)
    assert plan.steps[0].changes == (change,)
    assert plan.steps[0].summary == "keep the default issuer when new ones are added"
    assert plan.needs_confirmation == (
        "the mount: restricts: default_follows_latest_issuer: true -> false",
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty name"),
        ("https://example.internal", "URL"),
        ("example.internal:2376", "port"),
        ("example.internal.", "trailing dot"),
        ("*.example.internal", "wildcard"),
        ("my_team.internal", "underscore"),
        ("192.0.2.1", "neither a host name"),
    ],
)
def test_invalid_domain_is_refused(text: str, reason: str) -> None:
    """The error says what is wrong with it."""
    with pytest.raises(InvalidInput, match=reason):
        parse_domains([text])


def test_contradictory_options_are_refused() -> None:
    """Any name or certain domains; a domain is added or removed."""
    with pytest.raises(InvalidInput, match="are mutually exclusive"):
        DesiredState(("a.test",), allow_any_name=True)
    with pytest.raises(
        InvalidInput, match=r"'a\.test' is given to both --domain and --remove-domain"
    ):
        DesiredState(("a.test",), ("a.test",))


def test_domains_are_normalized() -> None:
    """Lower case, A-labels, no duplicates."""
    texts = ["Example.INTERNAL", "bücher.example", "example.internal"]
    expected = ("example.internal", "xn--bcher-kva.example")
    assert parse_domains(texts) == expected


def test_same_role_for_both_purposes_is_refused() -> None:
    """The second would overwrite the first."""
    with pytest.raises(InvalidSetting, match="'docker'"):
        DesiredState(server_role="docker", client_role="docker")


ANY = DesiredState(allow_any_name=True)
A = DesiredState(("a.test",))
BOTH = DesiredState(("a.test", "b.test"))
BARE = DesiredState(("a.test",), allow_bare_domains=True)


@pytest.mark.parametrize(
    ("has", "desired", "gives", "restricts", "asks"),
    [
        (A, DesiredState(), {}, {}, False),
        (A, A, {}, {}, False),
        (A, DesiredState(("b.test",)), {"allowed_domains": ["a.test", "b.test"]}, {}, False),
        (A, ANY, {"allow_any_name": True}, {}, False),
        (A, DesiredState(allow_bare_domains=True), {"allow_bare_domains": True}, {}, False),
        (A, DesiredState(allow_bare_domains=False), {}, {}, False),
        (A, DesiredState(allow_localhost=True), {}, {}, False),
        (A, DesiredState(allow_localhost=False), {}, {"allow_localhost": False}, True),
        (BARE, A, {}, {}, False),
        (BARE, DesiredState(allow_bare_domains=False), {}, {"allow_bare_domains": False}, True),
        (BOTH, DesiredState((), ("a.test",)), {}, {"allowed_domains": ["b.test"]}, False),
        (BOTH, DesiredState((), ("c.test",)), {}, {}, False),
        (
            BOTH,
            DesiredState(("c.test",), ("a.test",)),
            {},
            {"allowed_domains": ["b.test", "c.test"]},
            False,
        ),
        (
            BOTH,
            DesiredState((), ("a.test",), allow_localhost=False),
            {},
            {"allowed_domains": ["b.test"], "allow_localhost": False},
            True,
        ),
        (ANY, ANY, {}, {}, False),
        (ANY, DesiredState(), {}, {}, False),
        (
            ANY,
            A,
            {"allowed_domains": ["a.test"], "allow_subdomains": True},
            {"allow_any_name": False},
            True,
        ),
        # A role with allow_any_name ignores these.
        (ANY, DesiredState(allow_localhost=False), {"allow_localhost": False}, {}, False),
        (BARE, replace(ANY, allow_bare_domains=False), {"allow_any_name": True}, {}, False),
    ],
)
def test_options_change_an_existing_role(
    has: DesiredState,
    desired: DesiredState,
    gives: dict[str, Any],
    restricts: dict[str, Any],
    asks: bool,
) -> None:
    """Domains are added, other settings kept; a restriction is marked and needs consent.

    Removing a domain by name needs no further consent.
    """
    plan = make_plan("pki", replace(DONE, roles=has.roles), desired)
    changes = [change for step in plan.steps for change in step.changes]
    assert {c.parameter: c.after for c in changes if c.restricts} == restricts
    given = {c.parameter: c.after for c in changes if not c.restricts}
    assert gives.items() <= given.items()
    assert bool(changes) == bool(gives or restricts)
    assert bool(plan.needs_confirmation) == asks


@pytest.mark.parametrize(
    ("has", "desired"),
    [
        (None, DesiredState()),
        (None, DesiredState(allow_localhost=True)),
        (A, DesiredState((), ("a.test",))),
        (BOTH, DesiredState((), ("b.test", "a.test"))),
    ],
)
def test_any_name_is_removed_only_if_requested(
    has: DesiredState | None, desired: DesiredState
) -> None:
    """Servers would otherwise be left without a permitted name."""
    state = replace(DONE, roles=has.roles if has else {})
    with pytest.raises(InvalidInput, match="missing --domain"):
        make_plan("pki", state, desired)


def test_domain_in_another_case_is_the_same_domain() -> None:
    """Names are case-insensitive (RFC 4343)."""
    theirs = {**A.roles["server"], "allowed_domains": ["A.Test"]}
    assert steps_from(replace(DONE, roles={**A.roles, "server": theirs}), A) == ()


def test_domain_to_remove_may_have_any_form() -> None:
    """In any case or with a wildcard; an unknown one is reported, so a typo shows."""
    assert parse_removals(["FTP*.Test", "bücher.example"]) == (
        "ftp*.test",
        "xn--bcher-kva.example",
    )
    theirs = {**A.roles["server"], "allowed_domains": ["Ftp*.test", "{{x}}", "a.test"]}
    state = replace(DONE, roles={**A.roles, "server": theirs})
    plan = make_plan("pki", state, DesiredState((), ("ftp*.test", "b.test")))
    (step,) = plan.steps
    assert isinstance(step, WriteRole)
    (change,) = step.changes
    assert change.after == ["{{x}}", "a.test"]
    assert plan.ineffective_options == (
        "--remove-domain b.test has no effect: the role server does not allow that domain",
    )
    with pytest.raises(InvalidInput, match="empty name"):
        parse_removals([" "])
