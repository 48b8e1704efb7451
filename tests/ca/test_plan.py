"""`ca init`: what is planned from what is there, without any server."""

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
# A mount as `ca init` leaves it.
DONE = State(
    mount_type="pki",
    mounted_at="pki",
    max_lease_ttl=TEN_YEARS,
    issuers=(Issuer("id-1", "root-1", key_id="key"),),
    default="id-1",
    roles=DESIRED.roles,
)


def steps_from(state: State, desired: DesiredState = DESIRED) -> tuple[Step, ...]:
    """Return what is planned at the mount `pki`."""
    return make_plan("pki", state, desired).steps


def test_from_nothing_all_is_planned() -> None:
    """Mount, root, default and both roles, in this order."""
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


def test_what_a_step_sets_is_in_its_changes() -> None:
    """For programs, which read no summary; a person is shown no more than the summary lacks."""
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


def test_what_is_done_needs_nothing() -> None:
    """The plan is empty, and what was said of a root to be made is said to be without effect."""
    assert make_plan("pki", DONE, DESIRED) == Plan("pki", DESIRED, ())
    other = replace(DESIRED, common_name="another", root_ttl=timedelta(days=7300))
    plan = make_plan("pki", DONE, other)
    assert plan.steps == ()
    assert plan.ineffective_options == (
        "--common-name has no effect: the existing CA is kept",
        "--root-ttl has no effect: the existing CA is kept",
    )
    assert make_plan("pki", State(), other).ineffective_options == ()


def test_another_kind_of_mount_is_a_conflict() -> None:
    """Somebody's secrets are not made a CA."""
    with pytest.raises(ConflictingState, match="a kv engine is mounted at 'pki'"):
        make_plan("pki", State(mount_type="kv", mounted_at="pki"), DESIRED)


def test_a_place_below_another_mount_is_a_conflict() -> None:
    """Vault has no mounts within mounts."""
    with pytest.raises(ConflictingState, match="'pki/docker' is inside the mount 'pki'"):
        make_plan("pki/docker", State(mount_type="pki", mounted_at="pki"), DESIRED)


@pytest.mark.parametrize(
    ("issuers", "days", "expected"),
    [((), 32, 3650), ((), 3650, None), (DONE.issuers, 1, 30), (DONE.issuers, 32, None)],
)
def test_the_longest_life_is_raised_and_never_lowered(
    issuers: tuple[Issuer, ...], days: int, expected: int | None
) -> None:
    """Far enough for the root where one is to be made, else for the leaves."""
    state = replace(DONE, issuers=issuers, max_lease_ttl=timedelta(days=days))
    tuned = [step for step in steps_from(state) if isinstance(step, TuneMount)]
    if expected is None:
        assert tuned == []
        return
    change = Change("max_lease_ttl", days * 86400, expected * 86400)
    assert [step.changes for step in tuned] == [(change,)]


@pytest.mark.parametrize("ttl", [timedelta(minutes=1), timedelta(minutes=10), timedelta(days=29)])
def test_a_root_that_ends_before_what_the_roles_sign_is_refused(ttl: timedelta) -> None:
    """Else the CA would be ready, and sign nothing of the default validity."""
    with pytest.raises(InvalidInput, match="is shorter than the max TTL of the roles") as refused:
        make_plan("pki", State(), replace(DESIRED, root_ttl=ttl))
    assert "--root-ttl" in refused.value.hint
    (step, *_) = steps_from(State(), replace(DESIRED, root_ttl=timedelta(days=30)))
    assert isinstance(step, EnableMount)
    assert step.max_lease_ttl == timedelta(days=30)


@pytest.mark.parametrize("default", [None, "id-0"])
def test_the_one_issuer_with_a_key_becomes_the_default(default: str | None) -> None:
    """One without a key is there to be verified with, even if somebody made it the default."""
    issuers = (Issuer("id-0", "", key_id=None), Issuer("id-1", "", key_id="key"))
    (step,) = steps_from(replace(DONE, issuers=issuers, default=default))
    assert step == SetDefault("id-1", before=default, follows_latest=False)
    assert step.summary == "make id-1 the default issuer"


def test_without_a_default_the_choice_is_the_operators() -> None:
    """Of two issuers that can sign; it is said how to choose."""
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
def test_beside_what_has_no_key_a_root_is_made(
    names: list[str], default: str | None, expected: int
) -> None:
    """Under the next name that is free; it signs, and the mount has room for its TTL."""
    issuers = tuple(Issuer(f"id-{n}", name, key_id=None) for n, name in enumerate(names))
    state = replace(DONE, issuers=issuers, default=default, max_lease_ttl=timedelta(days=32))
    assert steps_from(state) == (
        TuneMount("pki", timedelta(days=32), TEN_YEARS),
        GenerateRoot(
            f"root-{expected}", f"dockertls root {expected}", TEN_YEARS, keeps_others=True
        ),
        SetDefault(f"root-{expected}", before=names[0] if default else None, follows_latest=False),
    )


def test_a_default_that_would_change_by_itself_is_fixed() -> None:
    """A pending root would sign before anybody trusts it; whoever wants that is asked."""
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
        ("192.0.2.1", "neither a host name"),
    ],
)
def test_domains_that_make_no_sense_are_refused(text: str, reason: str) -> None:
    """With what is wrong about them."""
    with pytest.raises(InvalidInput, match=reason):
        parse_domains([text])


def test_a_wish_does_not_contradict_itself() -> None:
    """Any name or some; a domain comes or goes."""
    with pytest.raises(InvalidInput, match="are mutually exclusive"):
        DesiredState(("a.test",), allow_any_name=True)
    with pytest.raises(
        InvalidInput, match=r"'a\.test' is given to both --domain and --remove-domain"
    ):
        DesiredState(("a.test",), ("a.test",))


def test_domains_are_as_certificates_have_them() -> None:
    """In lower case, as A-labels, each once."""
    texts = ["Example.INTERNAL", "bücher.example", "example.internal"]
    expected = ("example.internal", "xn--bcher-kva.example")
    assert parse_domains(texts) == expected


def test_one_role_for_both_is_refused() -> None:
    """The second would take the place of the first."""
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
        # To a role for any name, these are nothing.
        (ANY, DesiredState(allow_localhost=False), {"allow_localhost": False}, {}, False),
        (BARE, replace(ANY, allow_bare_domains=False), {"allow_any_name": True}, {}, False),
    ],
)
def test_what_a_wish_does_to_the_role_that_is_there(
    has: DesiredState,
    desired: DesiredState,
    gives: dict[str, Any],
    restricts: dict[str, Any],
    asks: bool,
) -> None:
    """Domains are added, switches stay; what narrows is marked, and needs consent.

    A domain that is named to be removed needs no more than that.
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
def test_servers_are_not_left_without_a_name(
    has: DesiredState | None, desired: DesiredState
) -> None:
    """Any name goes only if that was said."""
    state = replace(DONE, roles=has.roles if has else {})
    with pytest.raises(InvalidInput, match="missing --domain"):
        make_plan("pki", state, desired)


def test_a_domain_in_another_case_is_the_same() -> None:
    """Others may write it as they like; names have no case (RFC 4343)."""
    theirs = {**A.roles["server"], "allowed_domains": ["A.Test"]}
    assert steps_from(replace(DONE, roles={**A.roles, "server": theirs}), A) == ()


def test_a_domain_to_be_removed_may_be_one_that_only_others_would_write() -> None:
    """In any case, with a wildcard; one that is not there is said, so that a typo shows."""
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
        "--remove-domain b.test has no effect: the role server does not have it",
    )
    with pytest.raises(InvalidInput, match="empty name"):
        parse_removals([" "])
