"""Many credentials in one run: what they share, and what one of them keeps from the others."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from dockertls_vault.certificate.names import Names
from dockertls_vault.certificate.request import KeyType, Purpose, Request
from dockertls_vault.credential.layout import Layout
from dockertls_vault.credential.record import Record
from dockertls_vault.credential.registry import Registry
from dockertls_vault.credential.settle import Running
from dockertls_vault.errors import RenewalFailed
from dockertls_vault.issue import issue
from dockertls_vault.renew import Action, Renewal
from dockertls_vault.renew_all import Renewals, known, renew_all
from dockertls_vault.renewal.reasons import Policy
from dockertls_vault.vault.pki import PKI

from .faults.signals import Role
from .harness.dialect.exchange import refusal
from .harness.dialect.proxy import speaking
from .vault import operator
from .vault.misbehaving import misbehaving
from .vault.operator import Operator
from .vault.waits import Waits

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .harness.dialect.exchange import Answer, Forward
    from .harness.dialect.exchange import Request as Sent
    from .harness.openbao import DevVault
    from .vault.misbehaving import Node

COUNT = 5


@dataclass
class Wire:
    """What came over the wire: each request, and the threads that served a connection."""

    requests: list[str] = field(default_factory=list)
    connections: set[int] = field(default_factory=set)
    refused: str | None = None

    def rule(self, request: Sent, forward: Forward) -> Answer:
        """Record a request; refuse it if its path ends with ``refused``."""
        self.requests.append(f"{request.method} {request.path}")
        self.connections.add(threading.get_ident())
        if self.refused is not None and request.path.endswith(self.refused):
            return refusal(400, "invalid role or secret ID")
        return forward(request)


class Fleet:
    """Client credentials below ``home``, of one mount, and how their host logs in."""

    def __init__(self, role: Role, home: Path) -> None:
        self.role = role
        self.operator = role.operator
        self.mount = role.variables["DOCKERTLS_MOUNT"]
        self.home = home
        self.directories: list[Path] = []

    def issue(
        self,
        count: int,
        *,
        hooks: tuple[tuple[str, ...], ...] = (),
        ttl: timedelta = timedelta(hours=1),
    ) -> None:
        """Install the first certificates, in a session of their own."""
        token = {"VAULT_TOKEN": self.operator.token}
        with operator.session(self.operator.address, **token) as session:
            pki = PKI(session, self.mount)
            for number in range(count):
                record = Record(self._request(f"client{number}", ttl), Layout.DOCKER, hooks=hooks)
                directory = self.home / f"{number:02}"
                issue(
                    record,
                    record.place(directory),
                    signer=pki,
                    trust=pki,
                    drop_refused_names=False,
                    replace_files=False,
                    ends_session=False,
                    clock=_now,
                )
                self.directories.append(directory)

    def renewing(self, address: str, *, force: bool = False, **variables: str) -> Iterator[Renewal]:
        """Do one run, and yield each renewal as it is done."""
        known = {**self.role.variables, **variables}
        with operator.session(address, Waits(), **known) as session:
            yield from renew_all(
                self.directories,
                Policy(Names, force=force),
                Running({"PATH": os.environ["PATH"]}, timedelta(minutes=1)),
                session,
                Registry(self.directories[0].parent / "state"),
                _now,
            )

    def renew(self, address: str, *, force: bool = False, **variables: str) -> list[Renewal]:
        """Do one run."""
        return list(self.renewing(address, force=force, **variables))

    def set_up(self, path: str, **parameters: object) -> None:
        """Change parameters of a role of the mount, or of the login."""
        before = self.operator.read(path)
        before.pop("local_secret_ids", None)  # which only its creation may set
        self.operator.write(path, {**before, **parameters})

    def login_role(self) -> str:
        """Return the path of the AppRole role."""
        return f"auth/{self.role.variables['DOCKERTLS_AUTH_MOUNT']}/role/ci"

    def _request(self, name: str, ttl: timedelta) -> Request:
        return Request(
            purpose=Purpose.CLIENT,
            mount=self.mount,
            role="client",
            names=Names(),
            common_name=name,
            ttl=ttl,
            key_type=KeyType.EC_P256,
        )


@pytest.fixture
def fleet(openbao: DevVault, tmp_path: Path) -> Fleet:
    """Return a host without credentials, which logs in with an AppRole role of its own."""
    return Fleet(Role.make(Operator.of(openbao)), tmp_path)


@pytest.fixture
def wire(fleet: Fleet) -> Iterator[tuple[str, Wire]]:
    """Record what is sent; yields the address to send to, and the record."""
    found = Wire()
    with speaking([found.rule], fleet.operator.address) as address:
        yield address, found


def _now() -> datetime:
    return datetime.now(UTC)


def _actions(done: list[Renewal]) -> set[Action]:
    return {renewal.action for renewal in done}


def _issuer(fleet: Fleet) -> str:
    (only,) = fleet.operator.call("LIST", f"{fleet.mount}/issuers")[1]["data"]["keys"]
    return str(only)


def test_all_renewals_share_one_login_and_one_connection(
    fleet: Fleet, wire: tuple[str, Wire]
) -> None:
    """Each needs one signature; everything else is requested once."""
    address, seen = wire
    fleet.issue(COUNT)
    before = fleet.role.accessors()
    assert _actions(fleet.renew(address, force=True)) == {Action.RENEWED}
    login = fleet.role.variables["DOCKERTLS_AUTH_MOUNT"]
    assert seen.requests == [
        f"GET {fleet.mount}/issuer/default/json",
        f"GET {fleet.mount}/issuers",
        f"GET {fleet.mount}/issuer/{_issuer(fleet)}/json",
        f"POST auth/{login}/login",
        *[f"POST {fleet.mount}/sign/client"] * COUNT,
        "POST auth/token/revoke-self",
    ]
    assert len(seen.connections) == 1
    assert fleet.role.accessors() <= before


def test_run_without_renewals_needs_no_login(fleet: Fleet, wire: tuple[str, Wire]) -> None:
    """There is one request per credential, for its revocation; the mount is read once."""
    address, seen = wire
    fleet.issue(COUNT)
    assert _actions(fleet.renew(address)) == {Action.NOTHING}
    lookups = [request for request in seen.requests if "/cert/" in request]
    assert len(lookups) == COUNT
    assert [request for request in seen.requests if request not in lookups] == [
        f"GET {fleet.mount}/issuer/default/json",
        f"GET {fleet.mount}/issuers",
        f"GET {fleet.mount}/issuer/{_issuer(fleet)}/json",
    ]
    assert len(seen.connections) == 1


@pytest.mark.parametrize("uses", [1, 2])
def test_exhausted_token_is_replaced(
    fleet: Fleet, wire: tuple[str, Wire], uses: int, caplog: pytest.LogCaptureFixture
) -> None:
    """It happens in the middle of a run, without a warning, and no token is left."""
    address, seen = wire
    fleet.issue(COUNT)
    fleet.set_up(fleet.login_role(), token_num_uses=uses)
    before = fleet.role.accessors()
    assert _actions(fleet.renew(address, force=True)) == {Action.RENEWED}
    assert sum(request.endswith("/login") for request in seen.requests) == -(-COUNT // uses)
    assert fleet.role.accessors() <= before
    assert "revoke" not in caplog.text


def test_token_that_is_revoked_during_a_run_is_replaced(fleet: Fleet) -> None:
    """So is one that expires in a long run."""
    fleet.issue(COUNT)
    before = fleet.role.accessors()
    done = []
    for renewal in fleet.renewing(fleet.operator.address, force=True):
        done.append(renewal)
        if len(done) == 2:
            for accessor in fleet.role.accessors() - before:
                fleet.operator.write("auth/token/revoke-accessor", {"accessor": accessor})
    assert _actions(done) == {Action.RENEWED}
    assert fleet.role.accessors() <= before


def test_batch_token_serves_all_renewals(fleet: Fleet, wire: tuple[str, Wire]) -> None:
    """It cannot be revoked, so no request tries to."""
    address, seen = wire
    fleet.issue(COUNT)
    fleet.set_up(fleet.login_role(), token_type="batch", token_ttl="5m", token_num_uses=0)
    assert _actions(fleet.renew(address, force=True)) == {Action.RENEWED}
    assert seen.requests[-1] == f"POST {fleet.mount}/sign/client"
    assert sum(request.endswith("/login") for request in seen.requests) == 1


def test_leases_are_a_warning(fleet: Fleet) -> None:
    """All of them end with the token when the run ends."""
    fleet.issue(2)
    fleet.set_up(f"{fleet.mount}/roles/client", generate_lease=True, no_store=False)
    done = Renewals(tuple(fleet.renew(fleet.operator.address, force=True)))
    assert len(done.warnings) == 2
    assert all("generate_lease=false" in warning for warning in done.warnings)
    assert done.warnings[0].startswith(f"{fleet.directories[0]}: ")


def test_failure_does_not_stop_other_renewals(fleet: Fleet) -> None:
    """It may be a missing record, a missing directory or a rejected request."""
    fleet.issue(COUNT)
    (fleet.directories[0] / ".dockertls" / "request.json").unlink()
    fleet.directories.insert(1, fleet.home / "gone")
    refused = fleet.directories[2] / ".dockertls" / "request.json"
    text = refused.read_text()
    refused.chmod(0o600)
    refused.write_text(text.replace('"client"', '"nobody"', 1).replace("client1", "x"))
    done = fleet.renew(fleet.operator.address, force=True)
    assert [renewal.action for renewal in done] == [Action.FAILED] * 3 + [Action.RENEWED] * 3


@pytest.mark.parametrize("force", [True, False])
def test_hanging_vault_costs_one_timeout(fleet: Fleet, *, force: bool) -> None:
    """All fail for the same reason, with the remaining validity; their hooks still run."""
    fleet.issue(20, hooks=(("true",),))
    with misbehaving(_hangs) as vault:
        done = fleet.renew(vault.address, force=force, DOCKERTLS_TIMEOUT="1s")
        asked = len(vault.paths)
    assert asked == 1
    assert {renewal.hooks.ran for renewal in done} == {(("true",),)}
    assert len(done) == 20
    if force:
        assert {type(renewal.error) for renewal in done} == {RenewalFailed}
        texts = {str(renewal.error).partition("; ")[0] for renewal in done}
        assert len(texts) == 1
        assert all("is valid for another" in str(renewal.error) for renewal in done)
    else:
        assert _actions(done) == {Action.NOTHING}
        assert len({renewal.warnings for renewal in done}) == 1
        assert "could not check the issuer" in done[0].warnings[0]


def _hangs(node: Node, connection: object) -> None:
    node.hangs(connection)  # type: ignore[arg-type]  # it is not used


def test_denied_login_is_tried_once(fleet: Fleet, wire: tuple[str, Wire]) -> None:
    """More attempts would count towards a lockout; reads without a token go on."""
    address, seen = wire
    fleet.issue(COUNT)
    seen.refused = "/login"
    assert _actions(fleet.renew(address, force=True)) == {Action.FAILED}
    assert sum(request.endswith("/login") for request in seen.requests) == 1
    (fleet.directories[0] / "cert.pem").unlink()
    seen.requests.clear()
    first, *rest = fleet.renew(address)
    assert first.action is Action.FAILED
    assert {renewal.warnings for renewal in rest} == {()}
    assert sum("/cert/" in request for request in seen.requests) == COUNT - 1


def test_hooks_do_not_run_for_damaged_files(fleet: Fleet) -> None:
    """A daemon that still runs could not start again."""
    fleet.issue(1, hooks=(("true",),))
    (fleet.directories[0] / "key.pem").unlink()
    with misbehaving(_hangs) as vault:
        (done,) = fleet.renew(vault.address, DOCKERTLS_TIMEOUT="1s")
    assert done.hooks.ran == ()
    assert [cause.detail for cause in done.causes] == ["key.pem is missing"]


def test_hook_that_fails_after_a_failed_renewal_is_a_warning(fleet: Fleet) -> None:
    """The error is that of the renewal."""
    fleet.issue(1, hooks=(("false",),))
    with misbehaving(_hangs) as vault:
        (done,) = fleet.renew(vault.address, force=True, DOCKERTLS_TIMEOUT="1s")
    assert isinstance(done.error, RenewalFailed)
    assert done.warnings == ("the hook false failed: exit status 1",)


def test_missing_credential_is_dropped_from_the_list(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A warning names it."""
    here, gone = tmp_path / "here", tmp_path / "gone"
    registry = Registry(tmp_path / "state")
    for directory in (here, gone):
        (directory / ".dockertls").mkdir(parents=True)
        registry.add(directory)
    (gone / ".dockertls").rmdir()
    assert known(registry) == (here,)
    assert f"the credential in {gone} is gone" in caplog.text
    caplog.clear()
    assert known(registry) == (here,)
    assert caplog.text == ""


def test_lease_that_ends_with_the_login_is_no_reason_to_renew(
    fleet: Fleet, wire: tuple[str, Wire]
) -> None:
    """Otherwise each run would renew it, because Vault revokes it with the token."""
    address, _ = wire
    fleet.issue(1)
    fleet.set_up(f"{fleet.mount}/roles/client", generate_lease=True, no_store=False)
    (done,) = fleet.renew(address, force=True)
    assert "when this command ends" in done.warnings[0]
    for _ in range(2):
        (done,) = fleet.renew(address)
        assert (done.action, done.causes) == (Action.NOTHING, ())
