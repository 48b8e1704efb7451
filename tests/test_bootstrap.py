"""`ca init`: what is planned from what is there, and what a real server makes of it."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from dockertls_vault import bootstrap, config
from dockertls_vault.bootstrap import (
    EnableMount,
    GenerateRoot,
    SetDefault,
    Step,
    TuneMount,
    Wish,
    WriteRole,
)
from dockertls_vault.errors import ConflictingState, InvalidInput, InvalidSetting, VaultError
from dockertls_vault.names import Names
from dockertls_vault.request import KeyType
from dockertls_vault.roles import BACKDATED, Change
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


def planned(ca: CertificateAuthority, wish: Wish = WISH) -> tuple[Step, ...]:
    """Return the steps from what the server has."""
    return bootstrap.plan(ca.mount, ca.state(tuple(wish.roles)), wish)


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
    steps = bootstrap.plan("pki", State(), WISH)
    assert kinds(steps) == [EnableMount, GenerateRoot, SetDefault, WriteRole, WriteRole]
    assert [step.words for step in steps] == [
        "enable the PKI engine at pki",
        "generate the root 'dockertls root 1': EC P-256, its key internal to Vault, for 3650d",
        "make root-1 the default issuer",
        "write the role server",
        "write the role client",
    ]


def test_what_is_done_needs_nothing() -> None:
    """The plan is empty, whatever the root is called and however long it lives."""
    assert bootstrap.plan("pki", DONE, WISH) == ()
    other = replace(WISH, common_name="another", root_ttl=timedelta(days=7300))
    assert bootstrap.plan("pki", DONE, other) == ()


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
    tuned = [step for step in bootstrap.plan("pki", state, WISH) if isinstance(step, TuneMount)]
    if expected is None:
        assert tuned == []
        return
    change = Change("max_lease_ttl", days * 86400, expected * 86400)
    assert [step.changes for step in tuned] == [(change,)]


def test_a_root_of_a_short_life_leaves_room_for_the_roles() -> None:
    """Otherwise the second run would have something to change."""
    (step, *_) = bootstrap.plan("pki", State(), replace(WISH, root_ttl=timedelta(hours=1)))
    assert isinstance(step, EnableMount)
    assert step.max_lease == timedelta(days=30)


def test_the_one_issuer_with_a_key_becomes_the_default() -> None:
    """One without a key is there to be verified with."""
    issuers = (Issuer("id-0", "", has_key=False), Issuer("id-1", "", has_key=True))
    (step,) = bootstrap.plan("pki", replace(DONE, issuers=issuers, default=None), WISH)
    assert step == SetDefault("make id-1 the default issuer", "id-1")


@pytest.mark.parametrize("count", [0, 2])
def test_without_a_default_the_choice_is_the_operators(count: int) -> None:
    """It is said how to make it."""
    issuers = tuple(Issuer(f"id-{number}", "", has_key=True) for number in range(count))
    state = replace(DONE, issuers=(Issuer("bare", "", has_key=False), *issuers), default=None)
    with pytest.raises(ConflictingState, match=f"has {count} issuers with a key") as conflict:
        bootstrap.plan("pki", state, WISH)
    assert "bao write pki/config/issuers default=NAME" in conflict.value.hint


def test_a_default_without_a_key_is_a_conflict() -> None:
    """It could not sign."""
    state = replace(DONE, issuers=(Issuer("id-1", "", has_key=False),))
    with pytest.raises(ConflictingState, match="no key to sign with"):
        bootstrap.plan("pki", state, WISH)


def test_a_default_that_would_change_by_itself_is_fixed() -> None:
    """A pending root would sign before anybody trusts it."""
    (step,) = bootstrap.plan("pki", replace(DONE, follows_latest=True), WISH)
    assert step == SetDefault("keep the default issuer when others come", "id-1")


@pytest.mark.parametrize(
    ("texts", "allow_any_name", "reason"),
    [
        ([], False, "no domain"),
        (["example.internal"], True, "exclude each other"),
        ([""], False, "empty name"),
        (["https://example.internal"], False, "URL"),
        (["example.internal:2376"], False, "port"),
        (["example.internal."], False, "trailing dot"),
        (["*.example.internal"], False, "wildcard"),
        (["exa_mple.internal"], False, "underscore"),
        (["192.0.2.1"], False, "neither a host name"),
    ],
)
def test_domains_that_make_no_sense_are_refused(
    texts: list[str], allow_any_name: bool, reason: str
) -> None:
    """Any name goes only if that was said."""
    with pytest.raises(InvalidInput, match=reason):
        bootstrap.parse_domains(texts, allow_any_name=allow_any_name)


def test_domains_are_as_certificates_have_them() -> None:
    """In lower case, as A-labels, each once."""
    texts = ["Example.INTERNAL", "bücher.example", "example.internal"]
    expected = ("example.internal", "xn--bcher-kva.example")
    assert bootstrap.parse_domains(texts, allow_any_name=False) == expected
    assert bootstrap.parse_domains([], allow_any_name=True) == ()


def test_one_role_for_both_is_refused() -> None:
    """The second would take the place of the first."""
    with pytest.raises(InvalidSetting, match="'docker'"):
        Wish((), server_role="docker", client_role="docker")


def test_a_ca_is_made_and_the_second_run_changes_nothing(
    ca: CertificateAuthority, session: Session, vault_server: DevVault
) -> None:
    """The root is EC P-256, signs leaves alone, and lives for ten years."""
    outcome = bootstrap.apply(ca, planned(ca))
    assert outcome.applied
    assert outcome.ignored == tuple(
        f"{role}: {it}" for role in ROLES for it in vault_server.ignores
    )
    assert any("Max path length" in warning for warning in outcome.warnings)
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
    assert planned(ca) == ()
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
    bootstrap.apply(ca, planned(ca)[:done])
    rest = planned(ca)
    assert GenerateRoot not in kinds(rest) or done < 2
    bootstrap.apply(ca, rest)
    assert planned(ca) == ()
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
    assert planned(ca) == ()


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
        assert planned(CertificateAuthority(own, mount)) == ()
        assert len(PKI(own, mount).issuers()) == 1


def test_a_mount_that_somebody_else_made_something_of_is_no_success(
    ca: CertificateAuthority, session: Session
) -> None:
    """Vault's refusal counts where what is there is not what was wanted."""
    steps = planned(ca)
    post(session, f"sys/mounts/{ca.mount}", type="kv")
    with pytest.raises(VaultError, match="already in use"):
        bootstrap.apply(ca, steps)


def test_a_role_that_drifted_is_shown_and_put_right(
    ca: CertificateAuthority, session: Session
) -> None:
    """Field by field, and only what differs."""
    bootstrap.apply(ca, planned(ca))
    drifted = {**WISH.roles["server"], "client_flag": True, "max_ttl": 86400 * 365}
    post(session, f"{ca.mount}/roles/server", **drifted)
    (step,) = steps = planned(ca)
    assert step.words == "put right the role server"
    assert set(step.changes) == {
        Change("client_flag", before=True, after=False),
        Change("max_ttl", 86400 * 365, 86400 * 30),
    }
    bootstrap.apply(ca, steps)
    assert planned(ca) == ()


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
    steps = planned(ca)
    assert kinds(steps) == [WriteRole, WriteRole]
    bootstrap.apply(ca, steps)
    assert root_of(ca, session) == root
    assert planned(ca) == ()


def test_a_mount_without_an_issuer_is_completed(ca: CertificateAuthority, session: Session) -> None:
    """Untuned, its root would get 32 days."""
    post(session, f"sys/mounts/{ca.mount}", type="pki")
    steps = planned(ca)
    assert kinds(steps) == [TuneMount, GenerateRoot, SetDefault, WriteRole, WriteRole]
    bootstrap.apply(ca, steps)
    root = root_of(ca, session)
    assert root.not_valid_after_utc - root.not_valid_before_utc > timedelta(days=3649)


def test_a_parameter_that_the_server_does_not_know_is_reported(ca: CertificateAuthority) -> None:
    """As not_after_bound is on Vault: named, and no difference at the next run."""
    bootstrap.apply(ca, planned(ca))
    role = {**WISH.roles["server"], "no_such_parameter": "x"}
    outcome = bootstrap.apply(ca, (WriteRole("write the role server", "server", role, ()),))
    assert "server: no_such_parameter" in outcome.ignored
    assert any("no_such_parameter" in warning for warning in outcome.warnings)
    assert planned(ca) == ()


def test_a_role_that_is_not_as_written_is_a_failure(ca: CertificateAuthority) -> None:
    """What is read back differs, and how is said: RSA of no size becomes RSA-2048."""
    bootstrap.apply(ca, planned(ca))
    role = {**WISH.roles["server"], "key_type": "rsa", "key_bits": 0}
    with pytest.raises(ConflictingState, match="key_bits: 2048 -> 0"):
        bootstrap.apply(ca, (WriteRole("write the role server", "server", role, ()),))
