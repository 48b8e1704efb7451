"""`ca init`: what is planned from what is there, and what a real server makes of it."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from dockertls_vault import bootstrap, config
from dockertls_vault.bootstrap import Plan, Wish
from dockertls_vault.changes import Change
from dockertls_vault.errors import (
    ConflictingState,
    ConsentNeeded,
    InvalidInput,
    InvalidSetting,
    VaultError,
)
from dockertls_vault.names import Names
from dockertls_vault.request import KeyType
from dockertls_vault.roles import BACKDATED, Role
from dockertls_vault.steps import (
    EnableMount,
    GenerateRoot,
    SetDefault,
    Step,
    TuneMount,
    WriteRole,
)
from dockertls_vault.vault.ca import CertificateAuthority, Issuer, State
from dockertls_vault.vault.pki import PKI
from dockertls_vault.vault.session import open_session
from dockertls_vault.x509 import generate_key, make_csr

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockertls_vault.vault.session import Session

    from .harness.openbao import DevVault

WISH = Wish(("example.internal",))
ROLES = tuple(WISH.roles)
TEN_YEARS = timedelta(days=3650)
# A mount as `ca init` leaves it.
DONE = State(
    mount_type="pki",
    mounted_at="pki",
    max_lease=TEN_YEARS,
    issuers=(Issuer("id-1", "root-1", has_key=True),),
    default="id-1",
    roles=WISH.roles,
)


@pytest.fixture
def session(vault_server: DevVault) -> Iterator[Session]:
    """Return a session of the operator's."""
    settings = config.resolve(
        {}, {"BAO_ADDR": vault_server.address, "BAO_TOKEN": vault_server.token}, ()
    )
    with open_session(settings, say=pytest.fail) as opened:
        yield opened


@pytest.fixture
def ca(session: Session) -> CertificateAuthority:
    """Return a place for a mount of the test's own, where nothing is yet."""
    return CertificateAuthority(session, f"pki-{secrets.token_hex(4)}")


def planned(ca: CertificateAuthority, wish: Wish = WISH) -> Plan:
    """Return the plan from what the server has."""
    return bootstrap.plan(ca.mount, ca.state(tuple(wish.roles)), wish)


def steps_from(state: State, wish: Wish = WISH) -> tuple[Step, ...]:
    """Return what is planned at the mount `pki`."""
    return bootstrap.plan("pki", state, wish).steps


def kinds(steps: tuple[Step, ...]) -> list[type[Step]]:
    """Return what kinds of steps there are."""
    return [type(step) for step in steps]


def root_of(ca: CertificateAuthority, session: Session) -> x509.Certificate:
    """Return the only issuer."""
    (pem,) = PKI(session, ca.mount).issuers()
    return x509.load_pem_x509_certificate(pem.encode())


def post(session: Session, path: str, **body: Any) -> Any:
    """Do what an administrator does by other means."""
    return session.client.adapter.post(f"/v1/{path}", json=body)


def test_from_nothing_all_is_planned() -> None:
    """Mount, root, default and both roles, in this order."""
    steps = steps_from(State())
    assert kinds(steps) == [EnableMount, GenerateRoot, SetDefault, WriteRole, WriteRole]
    assert [step.words for step in steps] == [
        "enable the PKI engine at pki",
        "generate the root 'dockertls root 1': EC P-256, its key internal to Vault, for 3650d",
        "make root-1 the default issuer",
        "write the role server",
        "write the role client",
    ]


def test_what_is_done_needs_nothing() -> None:
    """The plan is empty, and what was said of a root to be made is said to be without effect."""
    assert bootstrap.plan("pki", DONE, WISH) == Plan("pki", WISH, ())
    other = replace(WISH, common_name="another", root_ttl=timedelta(days=7300))
    plan = bootstrap.plan("pki", DONE, other)
    assert plan.steps == ()
    assert plan.without_effect == (
        "--common-name has no effect: there is a CA already, and it stays as it is",
        "--root-ttl has no effect: there is a CA already, and it stays as it is",
    )
    assert bootstrap.plan("pki", State(), other).without_effect == ()


def test_another_kind_of_mount_is_a_conflict() -> None:
    """Somebody's secrets are not made a CA."""
    with pytest.raises(ConflictingState, match="a kv engine is mounted at 'pki'"):
        bootstrap.plan("pki", State(mount_type="kv", mounted_at="pki"), WISH)


def test_a_place_below_another_mount_is_a_conflict() -> None:
    """Vault has no mounts within mounts."""
    with pytest.raises(ConflictingState, match="'pki/docker' lies below the mount 'pki'"):
        bootstrap.plan("pki/docker", State(mount_type="pki", mounted_at="pki"), WISH)


@pytest.mark.parametrize(
    ("issuers", "days", "expected"),
    [((), 32, 3650), ((), 3650, None), (DONE.issuers, 1, 30), (DONE.issuers, 32, None)],
)
def test_the_longest_life_is_raised_and_never_lowered(
    issuers: tuple[Issuer, ...], days: int, expected: int | None
) -> None:
    """Far enough for the root where one is to be made, else for the leaves."""
    state = replace(DONE, issuers=issuers, max_lease=timedelta(days=days))
    tuned = [step for step in steps_from(state) if isinstance(step, TuneMount)]
    if expected is None:
        assert tuned == []
        return
    change = Change("max_lease_ttl", days * 86400, expected * 86400)
    assert [step.changes for step in tuned] == [(change,)]


def test_a_root_of_a_short_life_leaves_room_for_the_roles() -> None:
    """Otherwise the second run would have something to change."""
    (step, *_) = steps_from(State(), replace(WISH, root_ttl=timedelta(hours=1)))
    assert isinstance(step, EnableMount)
    assert step.max_lease == timedelta(days=30)


@pytest.mark.parametrize("default", [None, "id-0"])
def test_the_one_issuer_with_a_key_becomes_the_default(default: str | None) -> None:
    """One without a key is there to be verified with, even if somebody made it the default."""
    issuers = (Issuer("id-0", "", has_key=False), Issuer("id-1", "", has_key=True))
    (step,) = steps_from(replace(DONE, issuers=issuers, default=default))
    assert step == SetDefault("make id-1 the default issuer", "id-1")


def test_without_a_default_the_choice_is_the_operators() -> None:
    """Of two issuers that can sign; it is said how to choose."""
    issuers = tuple(Issuer(f"id-{number}", "", has_key=True) for number in range(2))
    state = replace(DONE, issuers=(Issuer("bare", "", has_key=False), *issuers), default=None)
    with pytest.raises(ConflictingState, match="has 2 issuers with a key") as conflict:
        bootstrap.plan("pki", state, WISH)
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
    issuers = tuple(Issuer(f"id-{n}", name, has_key=False) for n, name in enumerate(names))
    state = replace(DONE, issuers=issuers, default=default, max_lease=timedelta(days=32))
    assert steps_from(state) == (
        TuneMount(
            "raise the longest TTL at pki",
            TEN_YEARS,
            (Change("max_lease_ttl", 32 * 86400, 3650 * 86400),),
        ),
        GenerateRoot(
            f"generate the root 'dockertls root {expected}': EC P-256, its key internal to Vault, "
            "for 3650d; what is there has no key to sign with, and stays",
            f"root-{expected}",
            f"dockertls root {expected}",
            TEN_YEARS,
        ),
        SetDefault(f"make root-{expected} the default issuer", f"root-{expected}"),
    )


def test_a_default_that_would_change_by_itself_is_fixed() -> None:
    """A pending root would sign before anybody trusts it; whoever wants that is asked."""
    plan = bootstrap.plan("pki", replace(DONE, follows_latest=True), WISH)
    change = Change("default_follows_latest_issuer", before=True, after=False, takes_away=True)
    assert plan.steps == (
        SetDefault("keep the default issuer when others come", "id-1", (change,)),
    )
    assert plan.needs_consent == ("the mount: default_follows_latest_issuer: true -> false",)


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
        bootstrap.parse_domains([text])


def test_a_wish_does_not_contradict_itself() -> None:
    """Any name or some; a domain comes or goes."""
    with pytest.raises(InvalidInput, match="exclude each other"):
        Wish(("a.test",), allow_any_name=True)
    with pytest.raises(InvalidInput, match=r"'a\.test' is both to be added and to be removed"):
        Wish(("a.test",), ("a.test",))


def test_domains_are_as_certificates_have_them() -> None:
    """In lower case, as A-labels, each once."""
    texts = ["Example.INTERNAL", "bücher.example", "example.internal"]
    expected = ("example.internal", "xn--bcher-kva.example")
    assert bootstrap.parse_domains(texts) == expected


def test_one_role_for_both_is_refused() -> None:
    """The second would take the place of the first."""
    with pytest.raises(InvalidSetting, match="'docker'"):
        Wish(server_role="docker", client_role="docker")


ANY = Wish(allow_any_name=True)
A = Wish(("a.test",))
BOTH = Wish(("a.test", "b.test"))
BARE = Wish(("a.test",), allow_bare_domains=True)


@pytest.mark.parametrize(
    ("has", "wish", "gives", "takes_away", "asks"),
    [
        (A, Wish(), {}, {}, False),
        (A, A, {}, {}, False),
        (A, Wish(("b.test",)), {"allowed_domains": ["a.test", "b.test"]}, {}, False),
        (A, Wish(("A.test".lower(), "b.test")), {"allowed_domains": ["a.test", "b.test"]}, {}, 0),
        (A, ANY, {"allow_any_name": True}, {}, False),
        (A, Wish(allow_bare_domains=True), {"allow_bare_domains": True}, {}, False),
        (A, Wish(allow_bare_domains=False), {}, {}, False),
        (A, Wish(allow_localhost=True), {}, {}, False),
        (A, Wish(allow_localhost=False), {}, {"allow_localhost": False}, True),
        (BARE, A, {}, {}, False),
        (BARE, Wish(allow_bare_domains=False), {}, {"allow_bare_domains": False}, True),
        (BOTH, Wish((), ("a.test",)), {}, {"allowed_domains": ["b.test"]}, False),
        (BOTH, Wish((), ("c.test",)), {}, {}, False),
        (BOTH, Wish(("c.test",), ("a.test",)), {}, {"allowed_domains": ["b.test", "c.test"]}, 0),
        (
            BOTH,
            Wish((), ("a.test",), allow_localhost=False),
            {},
            {"allowed_domains": ["b.test"], "allow_localhost": False},
            True,
        ),
        (ANY, ANY, {}, {}, False),
        (ANY, Wish(), {}, {}, False),
        (
            ANY,
            A,
            {"allowed_domains": ["a.test"], "allow_subdomains": True},
            {"allow_any_name": False},
            True,
        ),
        # To a role for any name, these are nothing.
        (ANY, Wish(allow_localhost=False), {"allow_localhost": False}, {}, False),
        (BARE, replace(ANY, allow_bare_domains=False), {"allow_any_name": True}, {}, False),
    ],
)
def test_what_a_wish_does_to_the_role_that_is_there(
    has: Wish, wish: Wish, gives: dict[str, Any], takes_away: dict[str, Any], asks: bool
) -> None:
    """Domains are added, switches stay; what narrows is marked, and needs consent.

    A domain that is named to be removed needs no more than that.
    """
    plan = bootstrap.plan("pki", replace(DONE, roles=has.roles), wish)
    changes = [change for step in plan.steps for change in step.changes]
    assert {c.parameter: c.after for c in changes if c.takes_away} == takes_away
    given = {c.parameter: c.after for c in changes if not c.takes_away}
    assert gives.items() <= given.items()
    assert bool(changes) == bool(gives or takes_away)
    assert bool(plan.needs_consent) == asks


@pytest.mark.parametrize(
    ("has", "wish"),
    [
        (None, Wish()),
        (None, Wish(allow_localhost=True)),
        (A, Wish((), ("a.test",))),
        (BOTH, Wish((), ("b.test", "a.test"))),
    ],
)
def test_servers_are_not_left_without_a_name(has: Wish | None, wish: Wish) -> None:
    """Any name goes only if that was said."""
    state = replace(DONE, roles=has.roles if has else {})
    with pytest.raises(InvalidInput, match="no domain for the names of servers"):
        bootstrap.plan("pki", state, wish)


def test_a_domain_to_be_removed_may_be_one_that_only_others_would_write() -> None:
    """In any case, with a wildcard; one that is not there is said, so that a typo shows."""
    assert bootstrap.parse_removals(["FTP*.Test", "bücher.example"]) == (
        "ftp*.test",
        "xn--bcher-kva.example",
    )
    theirs = {**A.roles["server"], "allowed_domains": ["Ftp*.test", "{{x}}", "a.test"]}
    state = replace(DONE, roles={**A.roles, "server": theirs})
    plan = bootstrap.plan("pki", state, Wish((), ("ftp*.test", "b.test")))
    (step,) = plan.steps
    assert isinstance(step, WriteRole)
    assert step.role["allowed_domains"] == ["{{x}}", "a.test"]
    assert plan.without_effect == (
        "--remove-domain b.test has no effect: the role server does not have it",
    )
    with pytest.raises(InvalidInput, match="empty name"):
        bootstrap.parse_removals([" "])


def test_a_ca_is_made_and_the_second_run_changes_nothing(
    ca: CertificateAuthority, session: Session, vault_server: DevVault
) -> None:
    """The root is EC P-256, signs leaves alone, and lives for ten years."""
    outcome = bootstrap.apply(ca, planned(ca))
    assert outcome.applied
    assert outcome.ignored == tuple(
        f"{role}: {it}" for role in ROLES for it in vault_server.ignores
    )
    (warning,) = outcome.warnings
    assert warning.startswith("the mount has no URLs for AIA and CRLs")
    root = root_of(ca, session)
    key = root.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert isinstance(key.curve, ec.SECP256R1)
    assert root.subject.rfc4514_string() == "CN=dockertls root 1"
    constraints = root.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert constraints == x509.BasicConstraints(ca=True, path_length=0)
    life = root.not_valid_after_utc - root.not_valid_before_utc
    assert abs(life - TEN_YEARS - BACKDATED) < timedelta(minutes=1)
    before = ca.state(ROLES)
    assert planned(ca).steps == ()
    assert bootstrap.apply(ca, planned(ca)).steps == ()
    assert ca.state(ROLES) == before


@pytest.mark.parametrize("role", ROLES)
def test_the_first_certificate_is_not_dated_before_its_root(
    ca: CertificateAuthority, session: Session, role: str
) -> None:
    """Vault from 1.21.1 on would refuse it; roles are dated back, and so is the root."""
    bootstrap.apply(ca, planned(ca))
    signed = PKI(session, ca.mount).sign(
        role,
        make_csr(generate_key(KeyType.EC_P256), "a.example.internal", Names()),
        common_name="a.example.internal",
        dns_names=(),
        ip_addresses=(),
        ttl=timedelta(hours=1),
    )
    leaf = x509.load_pem_x509_certificate(signed.certificate.encode())
    assert leaf.not_valid_before_utc >= root_of(ca, session).not_valid_before_utc


@pytest.mark.parametrize("done", range(5))
def test_a_run_that_was_cut_short_is_completed(ca: CertificateAuthority, done: int) -> None:
    """After each of the steps, the next run does the rest and never makes a second root."""
    plan = planned(ca)
    bootstrap.apply(ca, replace(plan, steps=plan.steps[:done]))
    rest = planned(ca)
    assert GenerateRoot not in kinds(rest.steps) or done < 2
    bootstrap.apply(ca, rest)
    assert planned(ca).steps == ()
    assert len(ca.state(()).issuers) == 1


def test_a_plan_that_another_run_has_overtaken_still_ends_well(
    ca: CertificateAuthority, session: Session
) -> None:
    """What is there counts as done; there is one root, the first."""
    first = second = planned(ca)
    bootstrap.apply(ca, first)
    root = root_of(ca, session)
    assert bootstrap.apply(ca, second).applied
    assert root_of(ca, session) == root
    assert planned(ca).steps == ()


def test_two_runs_at_once_make_one_ca(vault_server: DevVault) -> None:
    """Each has a session of its own, as two processes have."""
    mount = f"pki-{secrets.token_hex(4)}"
    settings = config.resolve(
        {}, {"BAO_ADDR": vault_server.address, "BAO_TOKEN": vault_server.token}, ()
    )

    def init(_: int) -> bool:
        with open_session(settings, say=pytest.fail) as own:
            ca = CertificateAuthority(own, mount)
            return bootstrap.apply(ca, planned(ca)).applied

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(init, range(4))) == [True] * 4
    with open_session(settings, say=pytest.fail) as own:
        assert planned(CertificateAuthority(own, mount)).steps == ()
        assert len(PKI(own, mount).issuers()) == 1


def test_a_mount_that_somebody_else_made_something_of_is_no_success(
    ca: CertificateAuthority, session: Session
) -> None:
    """Vault's refusal counts where what is there is not what was wanted."""
    steps = planned(ca)
    post(session, f"sys/mounts/{ca.mount}", type="kv")
    with pytest.raises(VaultError, match="already in use"):
        bootstrap.apply(ca, steps)


def test_a_ca_that_is_there_is_never_replaced(ca: CertificateAuthority, session: Session) -> None:
    """One of RSA, made by other means: it gets the roles, and stays as it is."""
    post(session, f"sys/mounts/{ca.mount}", type="pki")
    post(
        session,
        f"{ca.mount}/root/generate/internal",
        common_name="theirs",
        key_type="rsa",
        key_bits=2048,
        ttl="700h",
    )
    root = root_of(ca, session)
    assert isinstance(root.public_key(), rsa.RSAPublicKey)
    plan = planned(ca)
    assert kinds(plan.steps) == [WriteRole, WriteRole]
    bootstrap.apply(ca, plan)
    assert root_of(ca, session) == root
    assert planned(ca).steps == ()


def test_a_mount_without_an_issuer_is_completed(ca: CertificateAuthority, session: Session) -> None:
    """Untuned, its root would get 32 days."""
    post(session, f"sys/mounts/{ca.mount}", type="pki")
    plan = planned(ca)
    assert kinds(plan.steps) == [TuneMount, GenerateRoot, SetDefault, WriteRole, WriteRole]
    bootstrap.apply(ca, plan)
    root = root_of(ca, session)
    assert root.not_valid_after_utc - root.not_valid_before_utc > timedelta(days=3649)


def test_what_others_use_is_not_taken_away_without_consent(
    ca: CertificateAuthority, session: Session
) -> None:
    """Nothing is touched until then, neither what is taken away nor what is added."""
    bootstrap.apply(ca, planned(ca))
    theirs = {**WISH.roles["server"], "client_flag": True, "max_ttl": 86400 * 365}
    post(session, f"{ca.mount}/roles/server", **theirs)
    before = ca.state(ROLES)
    plan = planned(ca, Wish(("b.test",)))
    with pytest.raises(ConsentNeeded) as refused:
        bootstrap.apply(ca, plan)
    assert refused.value.problems == (
        "the role server: client_flag: true -> false",
        "the role server: max_ttl: 365d -> 30d",
    )
    assert ca.state(ROLES) == before
    bootstrap.apply(ca, plan, consent=True)
    role = ca.role("server") or {}
    assert (role["client_flag"], role["max_ttl"]) == (False, 86400 * 30)
    assert role["allowed_domains"] == ["example.internal", "b.test"]
    assert planned(ca).steps == ()


def test_what_a_role_has_beyond_ours_stays(ca: CertificateAuthority, session: Session) -> None:
    """A write sets what it does not name back to Vault's defaults."""
    bootstrap.apply(ca, planned(ca))
    theirs = {"organization": ["Example"], "allowed_ip_sans_cidr": ["192.0.2.0/24"]}
    post(session, f"{ca.mount}/roles/server", **WISH.roles["server"], **theirs)
    before = ca.role("server")
    bootstrap.apply(ca, planned(ca, Wish(("b.test",))))
    domains = ["example.internal", "b.test"]
    assert ca.role("server") == {**(before or {}), "allowed_domains": domains}


def test_what_others_add_between_the_plan_and_its_end_stays(ca: CertificateAuthority) -> None:
    """The role is read again before it is written."""
    bootstrap.apply(ca, planned(ca))
    first, second = planned(ca, Wish(("b.test",))), planned(ca, Wish(("c.test",)))
    bootstrap.apply(ca, second)
    bootstrap.apply(ca, first)
    role = ca.role("server") or {}
    assert role["allowed_domains"] == ["example.internal", "c.test", "b.test"]


def test_consent_is_for_the_plan_that_was_shown(ca: CertificateAuthority, session: Session) -> None:
    """What somebody allows after that is not taken away with it."""
    bootstrap.apply(ca, planned(ca))
    plan = planned(ca, Wish(("b.test",), allow_localhost=False))
    theirs = {**WISH.roles["server"], "allow_wildcard_certificates": True}
    post(session, f"{ca.mount}/roles/server", **theirs)
    with pytest.raises(ConflictingState, match="somebody else has changed the role server"):
        bootstrap.apply(ca, plan, consent=True)
    assert (ca.role("server") or {})["allow_wildcard_certificates"] is True


def test_domains_that_are_added_at_once_are_all_there(
    ca: CertificateAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each run reads the role back, and adds its own again where another one's write lost it."""
    bootstrap.apply(ca, planned(ca))
    old = ca.role("server") or {}
    write = ca.write_role

    def overtaken(name: str, role: Role) -> tuple[str, ...]:
        """Write, and let the write of a run that had read the role before come after it."""
        said = write(name, role)
        if "c.test" not in role["allowed_domains"]:
            write(name, {**old, "allowed_domains": ["example.internal", "c.test"]})
        return said

    monkeypatch.setattr(ca, "write_role", overtaken)
    bootstrap.apply(ca, planned(ca, Wish(("b.test",))))
    role = ca.role("server") or {}
    assert role["allowed_domains"] == ["example.internal", "c.test", "b.test"]


class Doctored(Wish):
    """A wish for a parameter of the server role that ours does not have."""

    more: ClassVar[dict[str, Any]] = {}

    def role(self, name: str, found: Role | None) -> Role:
        more = self.more if name == self.server_role else {}
        return {**super().role(name, found), **more}


def test_a_parameter_that_the_server_does_not_know_is_reported(ca: CertificateAuthority) -> None:
    """As not_after_bound is on Vault: named, once, and no difference at the next run."""

    class More(Doctored):
        more: ClassVar = {"no_such_parameter": "x"}

    wish = More(WISH.domains)
    outcome = bootstrap.apply(ca, planned(ca, wish))
    assert "server: no_such_parameter" in outcome.ignored
    assert not any("no_such_parameter" in warning for warning in outcome.warnings)
    assert planned(ca, wish).steps == ()


def test_a_role_that_is_not_as_written_is_a_failure(ca: CertificateAuthority) -> None:
    """What is read back differs, and how is said: RSA of no size becomes RSA-2048."""

    class RSA(Doctored):
        more: ClassVar = {"key_type": "rsa", "key_bits": 0}

    with pytest.raises(ConflictingState, match="write the role server; key_bits: 2048 -> 0"):
        bootstrap.apply(ca, planned(ca, RSA(WISH.domains)))
