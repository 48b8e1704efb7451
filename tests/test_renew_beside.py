"""A renewal, and what else changes the same credential while Vault signs."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from dockertls_vault.certificate.certificate import load_certificates, subject_alternative_names
from dockertls_vault.certificate.names import Names
from dockertls_vault.credential import store
from dockertls_vault.errors import Locked, RenewalFailed
from dockertls_vault.renew import Action
from dockertls_vault.rollback import roll_back

from . import mounts
from .harness.dialect.proxy import speaking
from .harness.dialect.servers import on_openbao
from .hosts import SERVER, Host

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest

    from .harness.dialect.exchange import Answer, Forward, Request
    from .harness.openbao import DevVault

pytestmark = on_openbao


@dataclass
class Moment:
    """Counts the requests to paths that contain ``at``; ``meanwhile`` runs before the first."""

    at: str
    meanwhile: Callable[[], object]
    seen: list[str] = field(default_factory=list)

    def rule(self, request: Request, forward: Forward) -> Answer:
        """Forward a request."""
        if self.at in request.path:
            self.seen.append(request.path)
            if len(self.seen) == 1:
                self.meanwhile()
        return forward(request)


@contextmanager
def renewing(
    host: Host, server: DevVault, meanwhile: Callable[[], object], at: str = "/sign/"
) -> Iterator[tuple[Host, Moment]]:
    """Yield the same host, with a Vault that waits for ``meanwhile`` at the first such request."""
    moment = Moment(at, meanwhile)
    with (
        speaking([moment.rule], server.address) as address,
        mounts.session(replace(server, address=address)) as session,
    ):
        yield Host(session, host.mount, host.out), moment


def test_concurrent_runs_sign_once(host: Host, vault_server: DevVault) -> None:
    """The second one waits, and finds nothing due."""
    host.issue()
    (host.out / "ca.pem").unlink()
    with ThreadPoolExecutor() as threads:
        others = []
        with renewing(host, vault_server, lambda: others.append(threads.submit(host.renew))) as (
            first,
            signing,
        ):
            assert first.renew().action is Action.RENEWED
            assert others[0].result().action is Action.NOTHING
    assert len(signing.seen) == 1


def test_run_waits_no_longer_than_for_a_lock(
    host: Host, vault_server: DevVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reports that the credential is locked, and changes nothing."""
    monkeypatch.setattr(store, "LOCK_WAIT", 0.1)
    host.issue()
    seen = []
    with renewing(host, vault_server, lambda: seen.append(host.renew(force=True))) as (first, _):
        assert first.renew(force=True).action is Action.RENEWED
    assert type(seen[0].error) is Locked
    assert host.renew().action is Action.NOTHING


def test_certificate_issued_during_a_renewal_stays(host: Host, vault_server: DevVault) -> None:
    """A renewal of the old request would remove its new names."""
    host.issue()
    others = replace(SERVER, request=replace(SERVER.request, names=Names(("b.example.internal",))))
    with renewing(host, vault_server, lambda: host.issue(others)) as (first, _):
        done = first.renew(force=True)
    assert type(done.error) is RenewalFailed
    assert "another run has since changed the credential" in done.error.message
    assert _names(host) == ["b.example.internal"]
    assert host.renew(force=True).error is None
    assert _names(host) == ["b.example.internal"]


def test_credential_removed_during_a_renewal_stays_removed(
    host: Host, vault_server: DevVault
) -> None:
    """Half of a credential would be reported by every later run."""
    host.issue()
    with renewing(host, vault_server, lambda: shutil.rmtree(host.out)) as (first, _):
        assert first.renew(force=True).error is not None
    assert not host.out.exists()


def test_rollback_during_a_renewal_stays(host: Host, vault_server: DevVault) -> None:
    """The next run renews the generation in use."""
    host.issue()
    before = host.files()
    host.renew(force=True)

    def back() -> None:
        roll_back(host.out, None, admins=None, now=host.clock())

    with renewing(host, vault_server, back) as (first, _):
        assert type(first.renew(force=True).error) is RenewalFailed
    assert host.files() == before
    assert host.renew().action is Action.NOTHING


def test_new_bundle_does_not_undo_a_concurrent_issue(host: Host, vault_server: DevVault) -> None:
    """The old certificate would be in use again."""
    host.issue()
    mounts.post(host.session, f"{host.mount}/root/rotate/internal", common_name="next")
    with renewing(host, vault_server, host.issue, at="/issuers") as (first, _):
        done = first.renew()
    assert type(done.error) is RenewalFailed
    assert host.renew().action is Action.NOTHING


def _names(host: Host) -> list[str]:
    names = subject_alternative_names(load_certificates(host.files()[1])[0])
    return [name.value for name in names or ()]
