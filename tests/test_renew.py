"""Renewing as a timer does: what is due, why, and what is left when it fails."""

from __future__ import annotations

import os
import pwd
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dockertls_vault.certificate.certificate import load_certificates
from dockertls_vault.certificate.names import Names
from dockertls_vault.credential.causes import Reason
from dockertls_vault.credential.layout import Layout
from dockertls_vault.errors import CannotWrite, Locked, RenewalFailed, RenewalOverdue
from dockertls_vault.needs_renewal import Need
from dockertls_vault.renew import Action
from dockertls_vault.vault.pki import PKI

from .credentials import generations, swap_by_hand
from .faults.scenarios import GROUP, OWNER
from .harness.dialect.servers import on_openbao
from .harness.missing import as_root
from .hosts import HOST, SERVER

if TYPE_CHECKING:
    from .hosts import Host

DAY = timedelta(days=1)


def test_credential_that_is_not_due_is_unchanged(host: Host) -> None:
    """No file changes, and nothing is signed."""
    host.issue()
    before = host.files()
    done = host.renew()
    assert (done.action, done.causes, done.error, done.warnings) == (Action.NOTHING, (), None, ())
    assert host.files() == before
    assert done.renewal_due is not None
    assert done.valid_until is not None
    assert timedelta(days=3.9) < done.renewal_due - host.clock() < timedelta(days=5.4)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"force": True}, Reason.FORCED),
        ({"expires_in": "8d"}, Reason.DUE),
        ({"expires_in": "100%"}, Reason.DUE),
    ],
)
def test_renewal_has_a_new_key(host: Host, options: dict[str, object], reason: Reason) -> None:
    """All files but ca.pem are new, and nothing is due afterwards."""
    host.issue()
    ca, cert, key = host.files()
    done = host.renew(**options)  # type: ignore[arg-type]
    assert (done.action, {cause.reason for cause in done.causes}) == (Action.RENEWED, {reason})
    assert host.files()[0] == ca
    assert host.files()[1] != cert
    assert host.files()[2] != key
    assert host.renew().action is Action.NOTHING


def test_reused_key_is_kept(host: Host) -> None:
    """Only the certificate is new."""
    host.issue(replace(SERVER, reuse_key=True))
    _, cert, key = host.files()
    assert host.renew(force=True).action is Action.RENEWED
    assert host.files()[1] != cert
    assert host.files()[2] == key


@on_openbao
@pytest.mark.parametrize("layout", Layout)
@pytest.mark.parametrize(
    ("owner", "group", "whose"),
    [
        (None, GROUP, None),
        pytest.param(OWNER, None, None, marks=as_root),
        pytest.param(OWNER, GROUP, None, marks=as_root),
        pytest.param(OWNER, GROUP, OWNER, marks=as_root),
    ],
    ids=["group", "owner", "owner and group", "the owner's directory"],
)
def test_owner_and_modes_stay_as_requested(
    host: Host,
    shared_directory: Path,
    owner: str | None,
    group: str | None,
    whose: str | None,
    layout: Layout,
) -> None:
    """The hooks run as the owner, and nothing is due afterwards."""
    host.out = shared_directory / "tls"
    host.out.mkdir(mode=0o755)
    log = shared_directory / "log"
    log.touch()
    log.chmod(0o666)
    if whose is not None:
        shutil.chown(host.out, whose)
    hook = ("sh", "-c", f'id -un >> {log}; readlink -f "$DOCKERTLS_HOOK_KEY" >> {log}')
    host.issue(replace(SERVER, owner=owner, group=group, layout=layout, hooks=(hook,)))
    host.renew()
    before = _owners(host.out)
    done = host.renew(force=True)
    assert done.error is None
    assert _owners(host.out) == before
    assert host.renew().action is Action.NOTHING
    user, key, *_ = log.read_text().split()[-2:]
    assert user == done.directory.owner()
    assert Path(key).stat().st_mode & 0o777 == (0o440 if group else 0o400)


def _owners(directory: Path) -> set[tuple[str, int, int, int]]:
    """Return the owner, group and mode of everything in a directory, alike in each generation."""
    found = set()
    for path in directory.rglob("*"):
        name = "a generation" if path.parent.name == "generations" else path.name
        status = path.lstat()
        found.add((name, status.st_mode, status.st_uid, status.st_gid))
    return found


def test_new_names_of_the_machine_are_in_the_next_certificate(host: Host) -> None:
    """Only detected names change, not those that were given."""
    host.issue()
    host.names = Names(("a.example.internal", "localhost"), ("10.0.0.1", "10.0.0.2"))
    assert host.reasons() == set()
    host.issue(replace(SERVER, detected_names=HOST))
    assert host.reasons() == {Reason.NAMES_CHANGED}
    assert b"10.0.0.2" not in host.files()[1]
    leaf, *_ = load_certificates(host.files()[1])
    assert "10.0.0.2" in str(leaf.extensions)
    assert host.renew().action is Action.NOTHING


def test_damaged_credential_is_replaced(host: Host) -> None:
    """It may be a symlink, a mode, or the key of another certificate."""
    host.issue()
    (host.out / "server-cert.pem").unlink()
    (host.out / "server-key.pem").resolve().chmod(0o444)
    done = host.renew()
    assert [cause.reason for cause in done.causes] == [Reason.DAMAGED] * 2
    key = (host.out / "server-key.pem").resolve()
    other = key.read_bytes()
    assert host.renew(force=True).action is Action.RENEWED
    key = (host.out / "server-key.pem").resolve()
    key.chmod(0o600)
    key.write_bytes(other)
    key.chmod(0o400)
    (cause,) = host.renew().causes
    assert cause.detail == "key.pem is not the key of cert.pem"
    assert host.renew().action is Action.NOTHING


def test_new_root_in_the_mount_replaces_only_ca_pem(host: Host) -> None:
    """Certificate and key stay; a pending root is trusted before it signs."""
    host.issue()
    ca, cert, key = host.files()
    host.session.adapter.post(
        f"/v1/{host.mount}/root/rotate/internal",
        json={"common_name": "next", "not_before_duration": "5m"},
    )
    done = host.renew()
    assert (done.action, {cause.reason for cause in done.causes}) == (
        Action.TRUST_UPDATED,
        {Reason.TRUST_CHANGED},
    )
    assert host.files()[0] != ca
    assert host.files()[1:] == (cert, key)
    assert "next" in {
        root.subject.rfc4514_string().removeprefix("CN=")
        for root in load_certificates(host.files()[0])
    }
    assert host.renew().action is Action.NOTHING


def test_another_default_issuer_renews_once(host: Host) -> None:
    """If the role keeps signing with the old issuer, the renewal is not repeated."""
    host.issue()
    adapter = host.session.adapter
    (old,) = PKI(host.session, host.mount).references()
    new = adapter.post(
        f"/v1/{host.mount}/root/rotate/internal",
        json={"common_name": "next", "not_before_duration": "5m"},
    )["data"]["issuer_id"]
    adapter.post(f"/v1/{host.mount}/config/issuers", json={"default": new})
    assert host.reasons() == {Reason.ISSUER_CHANGED}
    assert host.renew().action is Action.NOTHING
    adapter.post(f"/v1/{host.mount}/roles/server", json={"issuer_ref": old, **_role(host)})
    assert host.renew(force=True).action is Action.RENEWED
    assert host.renew().action is Action.NOTHING


def _role(host: Host) -> dict[str, object]:
    role = PKI(host.session, host.mount).role("server") or {}
    return {name: value for name, value in role.items() if name != "issuer_ref"}


def test_revoked_certificate_is_renewed(host: Host) -> None:
    """Vault reports the revocation although it did not store the certificate."""
    host.issue()
    cert = host.files()[1].decode()
    host.session.adapter.post(f"/v1/{host.mount}/revoke", json={"certificate": cert})
    assert host.reasons() == {Reason.REVOKED}
    assert host.renew().action is Action.NOTHING


@pytest.mark.parametrize(("days", "kind"), [(5.5, RenewalFailed), (8, RenewalOverdue)])
def test_failure_leaves_the_old_credential(
    host: Host, days: float, kind: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The status is 75 with the remaining validity, or 69 once it has expired."""
    host.issue()
    before = host.files()
    monkeypatch.setattr(host, "clock", lambda: datetime.now(UTC) + DAY * days)
    role = {**_role(host), "key_type": "rsa", "key_bits": 2048}
    host.session.adapter.post(f"/v1/{host.mount}/roles/server", json=role)
    done = host.renew()
    assert done.action is Action.FAILED
    assert type(done.error) is kind
    assert "keys of type rsa" in str(done.error)
    expected = "is valid for another 1d1" if kind is RenewalFailed else "no valid certificate"
    assert expected in str(done.error)
    assert host.files() == before


def test_concurrent_run_is_locked_out(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is renewed twice."""
    from dockertls_vault.credential import store
    from dockertls_vault.credential.reader import locate

    monkeypatch.setattr(store, "LOCK_WAIT", 0.1)
    host.issue()
    with store.renewing(locate(host.out)):
        assert type(host.renew(force=True).error) is Locked


def test_hooks_run_after_the_swap(host: Host, tmp_path: Path) -> None:
    """If they fail, the next run repeats them."""
    ok = tmp_path / "ok"
    host.issue(replace(SERVER, hooks=(("test", "-e", str(ok)),)))
    failure = host.renew().hooks.failure
    assert failure is not None
    assert failure.reason == "exit status 1"
    ok.touch()
    assert host.renew().hooks.ran == (("test", "-e", str(ok)),)
    assert host.renew().hooks.ran == ()
    ok.unlink()
    assert host.renew(force=True).hooks.failure is not None


def test_renew_records_when_a_generation_is_due(host: Host) -> None:
    """After a rollback, only the certificate shows it, which `needs-renewal` does not read."""
    host.issue()
    host.issue()
    swap_by_hand(host.out, f"generations/{min(generations(host.out))}")
    assert host.needs_renewal().need is Need.NEEDED
    done = host.renew()
    assert (done.action, done.vault_asked) == (Action.NOTHING, True)
    answer = host.needs_renewal()
    assert (answer.need, answer.due) == (Need.NOT_DUE, done.renewal_due)


def test_directory_that_cannot_be_entered_is_a_failure(host: Host, shared_directory: Path) -> None:
    """Other credentials are still renewed."""
    home = shared_directory / "home"
    host.out = home / "tls"
    host.issue()
    home.chmod(0)
    me = os.geteuid()
    if me == 0:  # whom no mode stops
        os.seteuid(pwd.getpwnam("nobody").pw_uid)
    try:
        done = host.renew()
    finally:
        os.seteuid(me)
        home.chmod(0o755)
    assert done.action is Action.FAILED
    assert type(done.error) is CannotWrite
    assert "Permission denied" in done.error.message
