"""`ca init` on a real server: the result of applying a plan."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from dockertls_vault.ca import bootstrap
from dockertls_vault.ca.desired import DesiredState
from dockertls_vault.ca.steps import (
    GenerateRoot,
    SetDefault,
    Step,
    TuneMount,
    UnsupportedParameter,
    WriteRole,
)
from dockertls_vault.certificate.keys import generate_key, make_csr
from dockertls_vault.certificate.names import Names
from dockertls_vault.certificate.request import KeyType
from dockertls_vault.errors import ConfirmationRequired, ConflictingState
from dockertls_vault.vault.mount import CertificateAuthority
from dockertls_vault.vault.pki import PKI
from dockertls_vault.vault.roles import BACKDATED, Role
from tests import mounts
from tests.harness.dialect.proxy import speaking
from tests.harness.dialect.servers import on_openbao
from tests.mounts import post
from tests.vault import operator

if TYPE_CHECKING:
    from dockertls_vault.ca.plan import Plan
    from dockertls_vault.vault.session import Session
    from tests.harness.dialect.exchange import Answer, Forward, Request
    from tests.harness.openbao import DevVault

DESIRED = DesiredState(("example.internal",))
ROLES = tuple(DESIRED.roles)
TEN_YEARS = timedelta(days=3650)


@pytest.fixture
def ca(session: Session) -> CertificateAuthority:
    """Return a CA at a path of the test's own, without a mount."""
    return CertificateAuthority(session, f"pki-{secrets.token_hex(4)}")


def planned(ca: CertificateAuthority, desired: DesiredState = DESIRED) -> Plan:
    """Return the plan for the current state of the server."""
    return bootstrap.plan(ca, desired)


def kinds(steps: tuple[Step, ...]) -> list[type[Step]]:
    """Return the kinds of steps."""
    return [type(step) for step in steps]


def root_of(ca: CertificateAuthority, session: Session) -> x509.Certificate:
    """Return the certificate of the only issuer."""
    (pem,) = PKI(session, ca.mount).issuers()
    return x509.load_pem_x509_certificate(pem.encode())


def test_ca_is_created_and_a_second_run_changes_nothing(
    ca: CertificateAuthority, session: Session, vault_server: DevVault
) -> None:
    """The root is EC P-256, may sign leaves only, and is valid for ten years."""
    outcome, _ = bootstrap.apply(ca, planned(ca))
    assert outcome.applied
    assert outcome.unsupported_parameters == tuple(
        UnsupportedParameter(role, parameter)
        for role in ROLES
        for parameter in vault_server.ignores
    )
    assert outcome.warnings == ()
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
    assert bootstrap.apply(ca, planned(ca))[0].steps == ()
    assert ca.state(ROLES) == before


@on_openbao
def test_run_that_changes_nothing_reads_the_state_once(
    ca: CertificateAuthority, vault_server: DevVault
) -> None:
    """Only the issuers are listed twice: for the state, and as the trusted roots."""
    bootstrap.apply(ca, planned(ca))
    (root,) = ca.state(()).issuers
    seen: list[str] = []

    def record(request: Request, forward: Forward) -> Answer:
        if request.path != "sys/wrapping/lookup":  # of the token, at its first use
            seen.append(request.path)
        return forward(request)

    with (
        speaking([record], vault_server.address) as address,
        operator.session(address, VAULT_TOKEN=vault_server.token) as opened,
    ):
        recorded = CertificateAuthority(opened, ca.mount)
        outcome, plan = bootstrap.apply(recorded, planned(recorded))
        trust = PKI(opened, ca.mount)
        assert bootstrap.with_trust(outcome, plan, recorded, trust, datetime.now(UTC)).ready
    inside = ("config/issuers", "issuers", "roles/server", "roles/client")
    trusted = ("issuers", f"issuer/{root.id}/json", "issuer/default")
    assert seen == [
        f"sys/mounts/{ca.mount}",
        f"sys/mounts/{ca.mount}/tune",
        *(f"{ca.mount}/{path}" for path in (*inside, *trusted)),
        "sys/health",
        f"{ca.mount}/keys",
    ]


@pytest.mark.parametrize("role", ROLES)
def test_first_certificate_does_not_predate_its_root(
    ca: CertificateAuthority, session: Session, role: str
) -> None:
    """Vault from 1.21.1 on would refuse it; roles backdate, and so does the root."""
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
def test_interrupted_run_is_completed_by_the_next(ca: CertificateAuthority, done: int) -> None:
    """After any number of steps, and without a second root."""
    plan = planned(ca)
    bootstrap.apply(ca, replace(plan, steps=plan.steps[:done]))
    rest = planned(ca)
    assert GenerateRoot not in kinds(rest.steps) or done < 2
    bootstrap.apply(ca, rest)
    assert planned(ca).steps == ()
    assert len(ca.state(()).issuers) == 1


def test_step_that_vault_accepts_without_effect_is_an_error(
    ca: CertificateAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state is read back after each step."""
    monkeypatch.setattr(ca, "enable", lambda _ttl: ())
    with pytest.raises(ConflictingState, match="did not apply it: enable the PKI engine"):
        bootstrap.apply(ca, planned(ca))


def test_plan_already_applied_by_another_run_succeeds(
    ca: CertificateAuthority, session: Session
) -> None:
    """Existing objects count as done, and the first root stays the only one."""
    first = second = planned(ca)
    bootstrap.apply(ca, first)
    root = root_of(ca, session)
    assert bootstrap.apply(ca, second)[0].applied
    assert root_of(ca, session) == root
    assert planned(ca).steps == ()


def test_concurrent_runs_create_one_ca(vault_server: DevVault) -> None:
    """Each with its own session, as separate processes have."""
    mount = f"pki-{secrets.token_hex(4)}"

    def init(_: int) -> bool:
        with mounts.session(vault_server) as own:
            ca = CertificateAuthority(own, mount)
            return bootstrap.apply(ca, planned(ca))[0].applied

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(init, range(4))) == [True] * 4
    with mounts.session(vault_server) as own:
        assert planned(CertificateAuthority(own, mount)).steps == ()
        assert len(PKI(own, mount).issuers()) == 1


def test_path_taken_by_another_engine_is_a_conflict(
    ca: CertificateAuthority, session: Session
) -> None:
    """It was mounted after the plan was made; nothing is changed."""
    plan = planned(ca)
    post(session, f"sys/mounts/{ca.mount}", type="kv")
    with pytest.raises(ConflictingState, match="a kv engine is mounted"):
        bootstrap.apply(ca, plan)


def test_path_taken_while_mounting_is_a_conflict(
    ca: CertificateAuthority, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Vault's refusal is reported as a conflict, not as an outage."""
    enable = ca.enable

    def overtaken(max_lease_ttl: timedelta) -> tuple[str, ...]:
        post(session, f"sys/mounts/{ca.mount}", type="kv")
        return enable(max_lease_ttl)

    monkeypatch.setattr(ca, "enable", overtaken)
    with pytest.raises(ConflictingState, match=r"cannot enable the PKI engine .* already in use"):
        bootstrap.apply(ca, planned(ca))


def test_path_above_another_mount_is_a_conflict(ca: CertificateAuthority, session: Session) -> None:
    """Vault refuses it for good, so it is not reported as an outage."""
    post(session, f"sys/mounts/{ca.mount}/below", type="pki")
    with pytest.raises(ConflictingState, match=f"already in use at {ca.mount}/below/") as refused:
        bootstrap.apply(ca, planned(ca))
    assert refused.value.hint == "choose another mount with --mount"


def test_reserved_path_is_a_conflict(session: Session) -> None:
    """Vault allows no mount at `auth`."""
    ca = CertificateAuthority(session, "auth")
    with pytest.raises(ConflictingState, match="cannot enable the PKI engine at auth"):
        bootstrap.apply(ca, planned(ca))


def test_maximum_ttl_raised_after_planning_is_kept(ca: CertificateAuthority) -> None:
    """It is high enough, so the planned value is not written."""
    bootstrap.apply(ca, planned(ca))
    ca.tune(timedelta(days=10))
    plan = planned(ca)
    assert kinds(plan.steps) == [TuneMount]
    ca.tune(TEN_YEARS)
    bootstrap.apply(ca, plan)
    assert ca.state(()).max_lease_ttl == TEN_YEARS


def test_issuer_created_after_planning_stays_the_default(
    ca: CertificateAuthority, session: Session
) -> None:
    """The plan is out of date, so no second root and nothing else is made."""
    post(session, f"sys/mounts/{ca.mount}", type="pki")
    plan = planned(ca)
    post(session, f"{ca.mount}/issuers/generate/root/internal", common_name="x", issuer_name="org")
    before = ca.state(ROLES)
    with pytest.raises(ConflictingState, match="has changed since the plan was made"):
        bootstrap.apply(ca, plan)
    assert ca.state(ROLES) == before


def test_existing_ca_is_never_replaced(ca: CertificateAuthority, session: Session) -> None:
    """An RSA root made by other means stays, and gets the roles."""
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


def test_mount_without_an_issuer_is_completed(ca: CertificateAuthority, session: Session) -> None:
    """It is tuned first: otherwise its root would be valid for 32 days."""
    post(session, f"sys/mounts/{ca.mount}", type="pki")
    plan = planned(ca)
    assert kinds(plan.steps) == [TuneMount, GenerateRoot, SetDefault, WriteRole, WriteRole]
    bootstrap.apply(ca, plan)
    root = root_of(ca, session)
    assert root.not_valid_after_utc - root.not_valid_before_utc > timedelta(days=3649)


def test_role_is_not_restricted_without_consent(ca: CertificateAuthority, session: Session) -> None:
    """Until then nothing is changed, not even by addition."""
    bootstrap.apply(ca, planned(ca))
    theirs = {**DESIRED.roles["server"], "client_flag": True, "max_ttl": 86400 * 365}
    post(session, f"{ca.mount}/roles/server", **theirs)
    before = ca.state(ROLES)
    plan = planned(ca, DesiredState(("b.test",)))
    with pytest.raises(ConfirmationRequired) as refused:
        bootstrap.apply(ca, plan)
    assert refused.value.problems == (
        "the role server: restricts: client_flag: true -> false",
        "the role server: restricts: max_ttl: 365d -> 30d",
    )
    assert "DOCKERTLS_SERVER_ROLE" in refused.value.hint
    assert ca.state(ROLES) == before
    bootstrap.apply(ca, plan, confirmed=True)
    role = ca.role("server") or {}
    assert (role["client_flag"], role["max_ttl"]) == (False, 86400 * 30)
    assert role["allowed_domains"] == ["example.internal", "b.test"]
    assert planned(ca).steps == ()


def test_hint_offers_another_role_only_if_a_role_is_restricted(
    ca: CertificateAuthority, session: Session
) -> None:
    """Here only the default issuer is fixed, and a role gets a domain."""
    bootstrap.apply(ca, planned(ca))
    post(
        session, f"{ca.mount}/config/issuers", default="root-1", default_follows_latest_issuer=True
    )
    plan = planned(ca, DesiredState(("b.test",)))
    assert kinds(plan.steps) == [SetDefault, WriteRole]
    with pytest.raises(ConfirmationRequired) as refused:
        bootstrap.apply(ca, plan)
    assert refused.value.hint == "use --yes to confirm"


def test_role_is_not_widened_without_consent(ca: CertificateAuthority, session: Session) -> None:
    """One question covers widening and restricting."""
    bootstrap.apply(ca, planned(ca))
    theirs = {
        **DESIRED.roles["server"],
        "allow_ip_sans": False,
        "allow_wildcard_certificates": True,
    }
    post(session, f"{ca.mount}/roles/server", **theirs)
    before = ca.state(ROLES)
    with pytest.raises(ConfirmationRequired, match=r"restricts .* and allows ") as refused:
        bootstrap.apply(ca, planned(ca))
    assert set(refused.value.problems) == {
        "the role server: widens: allow_ip_sans: false -> true",
        "the role server: restricts: allow_wildcard_certificates: true -> false",
    }
    assert ca.state(ROLES) == before
    bootstrap.apply(ca, planned(ca), confirmed=True)
    assert planned(ca).steps == ()


def test_other_parameters_of_a_role_are_kept(ca: CertificateAuthority, session: Session) -> None:
    """A write resets whatever it omits to Vault's defaults."""
    bootstrap.apply(ca, planned(ca))
    theirs = {"organization": ["Example"], "allowed_ip_sans_cidr": ["192.0.2.0/24"]}
    post(session, f"{ca.mount}/roles/server", **DESIRED.roles["server"], **theirs)
    before = ca.role("server")
    bootstrap.apply(ca, planned(ca, DesiredState(("b.test",))))
    domains = ["example.internal", "b.test"]
    assert ca.role("server") == {**(before or {}), "allowed_domains": domains}


def test_domain_added_after_planning_is_kept(ca: CertificateAuthority) -> None:
    """The role is read again before it is written."""
    bootstrap.apply(ca, planned(ca))
    first, second = planned(ca, DesiredState(("b.test",))), planned(ca, DesiredState(("c.test",)))
    bootstrap.apply(ca, second)
    bootstrap.apply(ca, first)
    role = ca.role("server") or {}
    assert role["allowed_domains"] == ["example.internal", "c.test", "b.test"]


def test_consent_covers_only_the_plan_that_was_shown(
    ca: CertificateAuthority, session: Session
) -> None:
    """A permission granted later is not removed."""
    bootstrap.apply(ca, planned(ca))
    plan = planned(ca, DesiredState(("b.test",), allow_localhost=False))
    theirs = {**DESIRED.roles["server"], "allow_wildcard_certificates": True}
    post(session, f"{ca.mount}/roles/server", **theirs)
    with pytest.raises(
        ConflictingState, match="the role server has changed since the plan was made"
    ):
        bootstrap.apply(ca, plan, confirmed=True)
    assert (ca.role("server") or {})["allow_wildcard_certificates"] is True


def test_concurrently_added_domains_are_all_kept(
    ca: CertificateAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each run reads the role back, and adds its domain again if another write lost it."""
    bootstrap.apply(ca, planned(ca))
    change = ca.change_role

    def overtaken(name: str, role: Role) -> tuple[str, ...]:
        """Write, and let the write of a run that had read the role before come after it."""
        said = change(name, role)
        if "c.test" not in role["allowed_domains"]:
            change(name, {"allowed_domains": ["example.internal", "c.test"]})
        return said

    monkeypatch.setattr(ca, "change_role", overtaken)
    bootstrap.apply(ca, planned(ca, DesiredState(("b.test",))))
    role = ca.role("server") or {}
    assert role["allowed_domains"] == ["example.internal", "c.test", "b.test"]


class Doctored(DesiredState):
    """A desired state with an additional parameter in the server role."""

    more: ClassVar[dict[str, Any]] = {}

    def role(self, name: str, found: Role | None) -> Role:
        more = self.more if name == self.server_role else {}
        return {**super().role(name, found), **more}


def test_parameter_unknown_to_the_server_is_reported(ca: CertificateAuthority) -> None:
    """As not_after_bound on Vault: once, and not as a change in the next run."""

    class More(Doctored):
        more: ClassVar = {"no_such_parameter": "x"}

    desired = More(DESIRED.domains)
    outcome, _ = bootstrap.apply(ca, planned(ca, desired))
    assert UnsupportedParameter("server", "no_such_parameter") in outcome.unsupported_parameters
    assert not any("no_such_parameter" in warning for warning in outcome.warnings)
    assert planned(ca, desired).steps == ()


def test_role_that_reads_back_differently_is_an_error(ca: CertificateAuthority) -> None:
    """With the difference: RSA without a size becomes RSA-2048."""

    class RSA(Doctored):
        more: ClassVar = {"key_type": "rsa", "key_bits": 0}

    with pytest.raises(ConflictingState, match="create the role server; key_bits: 2048 -> 0"):
        bootstrap.apply(ca, planned(ca, RSA(DESIRED.domains)))
