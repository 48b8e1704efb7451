"""Three nodes of which one steps down, dies, hangs or loses its quorum during issuance.

docs/explanation/faults.md has the measurements; ``-rP`` shows those of a run.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from dockertls_vault.certificate.certificate import load_certificates
from dockertls_vault.certificate.keys import generate_key, make_csr
from dockertls_vault.certificate.names import Names, parse_names
from dockertls_vault.certificate.request import KeyType, Purpose, Request
from dockertls_vault.credential.layout import Layout
from dockertls_vault.credential.record import Record
from dockertls_vault.credential.registry import Registry
from dockertls_vault.credential.settle import Running
from dockertls_vault.issue import issue
from dockertls_vault.renew import Action
from dockertls_vault.renew_all import renew_all
from dockertls_vault.renewal.reasons import Policy
from dockertls_vault.vault.pki import PKI
from dockertls_vault.vault.session import open_session
from dockertls_vault.vault.token_info import lookup
from tests.harness.process import wait_until
from tests.harness.raft import Raft, running_raft
from tests.vault.operator import Operator, session, settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("raft")]

AT_A_TIME = 8
IN_ALL = 200
BUDGET = 30.0  # seconds, the default of --timeout
# Certificates issued before the fault of a phase begins; the others run into it.
BEFORE = 5


@pytest.fixture(scope="module")
def raft(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Raft]:
    """Run the cluster."""
    with running_raft(tmp_path_factory.mktemp("raft")) as cluster:
        yield cluster


@dataclass(frozen=True)
class Work:
    """Issuing as the command does it, with a separate session for each certificate."""

    raft: Raft
    mount: str
    directory: Path

    def issue(self, number: int) -> float:
        """Issue, verify and install a certificate; return the seconds it took."""
        request = Request(
            purpose=Purpose.SERVER,
            mount=self.mount,
            role="server",
            names=parse_names([f"host-{number}.example", "127.0.0.1"]),
            common_name=f"host-{number}.example",
            ttl=timedelta(hours=1),
            key_type=KeyType.EC_P256,
        )
        record = Record(request, Layout.DOCKER)
        environ = {"VAULT_TOKEN": self.raft.token, "DOCKERTLS_TIMEOUT": f"{BUDGET:.0f}s"}
        started = time.monotonic()
        opened = open_session(settings(self.raft.addresses, **environ))
        with opened as session:
            pki = PKI(session, self.mount)
            issued = issue(
                record,
                record.place(self.directory / f"host-{number}"),
                signer=pki,
                trust=pki,
                drop_refused_names=False,
                replace_files=False,
                clock=lambda: datetime.now(UTC),
            )
        assert issued.certificate.dns_names == (f"host-{number}.example",)
        return time.monotonic() - started

    def renew(self, numbers: range) -> Iterator[float]:
        """Renew them in one run, with one session; yield the seconds that each took."""
        environ = {"VAULT_TOKEN": self.raft.token, "DOCKERTLS_TIMEOUT": f"{BUDGET:.0f}s"}
        with open_session(settings(self.raft.addresses, **environ)) as session:
            started = time.monotonic()
            for renewal in renew_all(
                [self.directory / f"host-{number}" for number in numbers],
                Policy(Names, force=True),
                Running({}, timedelta(minutes=1)),
                session,
                Registry(self.directory / "state"),
                lambda: datetime.now(UTC),
            ):
                assert (renewal.action, renewal.error) == (Action.RENEWED, None)
                yield time.monotonic() - started
                started = time.monotonic()


def step_down(raft: Raft) -> None:
    """Make the leader step down."""
    leader = raft.wait_for_leader()
    raft.call(leader, "PUT", "sys/step-down")
    raft.wait_for_leader(other_than=leader)


def kill_the_leader(raft: Raft) -> None:
    """Kill the leader with SIGKILL; restart it once another one leads."""
    leader = raft.wait_for_leader()
    raft.kill(leader)
    raft.wait_for_leader(other_than=leader)
    raft.restart(leader)


def hang_the_leader(raft: Raft) -> None:
    """Stop the leader with SIGSTOP; continue it once another one leads."""
    leader = raft.wait_for_leader()
    raft.stop(leader)
    raft.wait_for_leader(other_than=leader)
    raft.resume(leader)


def lose_the_quorum(raft: Raft) -> None:
    """Kill two of three nodes; restart them once the third has noticed."""
    leader = raft.wait_for_leader()
    others = [node for node in raft.nodes if node is not leader]
    before = raft.leadership_losses(leader)
    for node in others:
        raft.kill(node)
    raft.wait_until_deposed(leader, before)
    for node in others:
        raft.restart(node)


TROUBLES = (step_down, kill_the_leader, hang_the_leader, lose_the_quorum)


def test_every_certificate_is_issued_during_a_fault(raft: Raft, tmp_path: Path) -> None:
    """200, eight at a time: each is issued within its budget, and verified.

    Vault stores them, so only a leader with a quorum can sign.
    """
    work = prepared(raft, tmp_path)
    share = IN_ALL // len(TROUBLES)
    for phase, trouble in enumerate(TROUBLES):
        slowest = in_trouble(work, range(phase * share, (phase + 1) * share), trouble)
        print(f"{trouble.__name__}: the slowest of {share} took {slowest:.1f} s")  # noqa: T201 - pytest shows it with -rP
        assert slowest < BUDGET
        raft.wait_until_healthy()
    assert len(list(tmp_path.glob("host-*/server-cert.pem"))) == IN_ALL


def prepared(raft: Raft, directory: Path) -> Work:
    """Make a mount that every node knows, whose role stores certificates."""
    operator = Operator(raft.wait_for_leader().address, raft.token)
    mount = operator.enable_pki()
    role = {"key_type": "any", "allow_any_name": True, "require_cn": False, "max_ttl": "168h"}
    role |= {"not_before_duration": "5m", "client_flag": False, "no_store": False}
    operator.write(f"{mount}/roles/server", role)
    # Every node must know the mount before it may become the only one left.
    for node in raft.nodes:
        wait_until(lambda node=node: raft.call(node, "GET", f"{mount}/roles/server")[0] == 200)  # type: ignore[misc]  # mypy has no name for a lambda's default
    return Work(raft, mount, directory)


def in_trouble(work: Work, numbers: range, trouble: Callable[[Raft], None]) -> float:
    """Issue during the fault; return the seconds of the slowest."""
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        futures = [pool.submit(work.issue, number) for number in numbers]
        wait_until(lambda: sum(future.done() for future in futures) >= BEFORE)
        trouble(work.raft)
        return max(future.result() for future in futures)


def test_role_written_through_a_standby_is_usable_at_once(raft: Raft) -> None:
    """The request that uses it goes through a standby, too.

    Without Vault's index on that request, the standby would not know the role yet.
    """
    leader = raft.wait_for_leader()
    operator = Operator(leader.address, raft.token)
    mount = operator.enable_pki()
    standby = next(node for node in raft.nodes if node is not leader)
    wait_until(lambda: raft.call(standby, "GET", f"{mount}/config/issuers")[0] == 200)
    csr = make_csr(generate_key(KeyType.EC_P256), "alice", Names())
    opened = open_session(settings(standby.address, VAULT_TOKEN=raft.token))
    with opened as session:
        pki = PKI(session, mount)
        for number in range(20):
            role = {"key_type": "any", "allow_any_name": True, "no_store": True}
            session.client.adapter.post(f"/v1/{mount}/roles/role-{number}", json=role)
            signed = pki.sign(
                f"role-{number}",
                csr,
                common_name="alice",
                dns_names=(),
                ip_addresses=(),
                ttl=timedelta(minutes=1),
            )
            assert load_certificates(signed.certificate)


def test_login_through_a_standby_is_usable_at_once(raft: Raft) -> None:
    """The standby reports that it is behind, and is asked again."""
    leader = raft.wait_for_leader()
    operator = Operator(leader.address, raft.token)
    mount = operator.enable_auth("userpass")
    user = {"password": "s3cret", "token_policies": "default", "token_ttl": "5m"}
    operator.write(f"auth/{mount}/users/alice", user)
    standby = next(node for node in raft.nodes if node is not leader)
    wait_until(lambda: raft.call(standby, "GET", f"auth/{mount}/users/alice")[0] == 200)
    variables = {
        "DOCKERTLS_AUTH": "userpass",
        "DOCKERTLS_AUTH_MOUNT": mount,
        "DOCKERTLS_AUTH_USER": "alice",
    }
    for _ in range(10):
        with session(standby.address, None, lambda _: "s3cret", **variables) as opened:
            assert lookup(opened).policies == ("default",)


def test_run_of_renewals_survives_the_loss_of_the_leader(raft: Raft, tmp_path: Path) -> None:
    """The leader is killed in the middle; the run continues with the next one."""
    work = prepared(raft, tmp_path)
    numbers = range(3 * BEFORE)
    for number in numbers:
        work.issue(number)
    renewals = work.renew(numbers)
    took = [next(renewals) for _ in range(BEFORE)]
    with ThreadPoolExecutor() as pool:
        fault = pool.submit(kill_the_leader, raft)
        took += renewals
        fault.result()
    print(f"the slowest renewal took {max(took):.1f} s")  # noqa: T201 - likewise
    assert len(took) == len(numbers)
