"""A CA made by hand stays trusted besides Vault's roots until its end date."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from dockertls_vault import timer
from dockertls_vault.certificate.also_trusted import as_installed, parse
from dockertls_vault.certificate.certificate import certificates_pem, load_certificates
from dockertls_vault.cli import main
from dockertls_vault.credential import record
from dockertls_vault.credential.causes import Reason
from dockertls_vault.credential.layout import Layout
from dockertls_vault.credential.naming import PRIVATE, REQUEST
from dockertls_vault.credential.settle import Running
from dockertls_vault.needs_renewal import Need
from dockertls_vault.renew import Action
from dockertls_vault.rollback import roll_back
from dockertls_vault.watch import due_at

from .certificates import Authority
from .harness.dialect.servers import on_openbao
from .harness.missing import as_root
from .hosts import SERVER, Host
from .mounts import intermediate, lead_to
from .trees import tree

if TYPE_CHECKING:
    from pathlib import Path

    from dockertls_vault.credential.record import Record

    from .fake_vault import FakeVault
    from .harness.openbao import DevVault

DAY = timedelta(days=1)
OLD = Authority.create("old")
CLIENT_OPTIONS = ("issue", "client", "--name", "alice", "--dir")


def trusting_old(host: Host, days: int = 2, requested: Record = SERVER) -> Record:
    """Return a record that also trusts the old CA for some days."""
    now = host.clock()
    return replace(requested, also_trusted=parse(OLD.pem, now + days * DAY, now))


def trusted(host: Host) -> list[str]:
    """Return the subjects in ca.pem."""
    return [ca.subject.rfc4514_string() for ca in load_certificates(host.files()[0])]


def test_old_ca_leaves_ca_pem_at_its_end_date(host: Host, caplog: pytest.LogCaptureFixture) -> None:
    """Renewals keep it until then; certificate and key stay when it is removed."""
    host.issue(trusting_old(host))
    both = trusted(host)
    assert both[1:] == ["CN=old"]
    assert host.renew().action is Action.NOTHING
    assert host.renew(force=True).action is Action.RENEWED
    assert trusted(host) == both
    _, cert, key = host.files()
    end = host.clock() + 2 * DAY
    answer = host.needs_renewal()
    assert answer.need is Need.NOT_DUE
    assert answer.due is not None
    assert abs(answer.due - end) < timedelta(minutes=5)
    assert due_at(host.out, host.clock(), running=Running({}, DAY), admins=None) == answer.due
    host.ahead = 2 * DAY
    answer = host.needs_renewal()
    assert (answer.need, "was trusted until" in answer.reason) == (Need.NEEDED, True)
    done = host.renew()
    assert (done.action, {each.reason for each in done.causes}) == (
        Action.TRUST_UPDATED,
        {Reason.TRUST_CHANGED},
    )
    assert trusted(host) == both[:1]
    assert host.files()[1:] == (cert, key)
    assert "no longer contains CN=old" in caplog.text
    assert host.renew().action is Action.NOTHING
    assert host.needs_renewal().need is Need.NOT_DUE


@pytest.mark.parametrize("force", [False, True])
def test_clock_that_is_set_back_adds_no_removed_ca(host: Host, force: bool) -> None:
    """Neither after an update of ca.pem, nor after a new certificate."""
    host.issue(trusting_old(host))
    host.ahead = 2 * DAY
    host.renew(force=force)
    assert "CN=old" not in trusted(host)
    host.ahead = timedelta()
    host.renew()
    assert "CN=old" not in trusted(host)
    host.renew(force=True)
    assert "CN=old" not in trusted(host)
    (kept,) = record.from_json(json.loads((host.out / PRIVATE / REQUEST).read_bytes())).also_trusted
    assert kept.removed


def test_root_still_vouches_for_a_request_with_a_removed_ca(host: Host) -> None:
    """Otherwise it would no longer renew in the directory of another user."""
    before = host.record(trusting_old(host))
    host.registry.vouch(host.out, before)
    after = replace(before, also_trusted=as_installed(before.also_trusted, host.clock() + 2 * DAY))
    assert after != before
    assert host.registry.vouches_for(host.out, after)


def test_rollback_brings_back_only_what_is_still_trusted(host: Host) -> None:
    """After the end date, the next renewal removes the CA again; before it, it stays."""
    host.issue(trusting_old(host))
    host.renew(force=True)
    roll_back(host.out, None, admins=None, now=host.clock())
    assert host.renew().action is Action.NOTHING
    answer = host.needs_renewal(2 * DAY)
    assert "was trusted until" in answer.reason
    host.ahead = 2 * DAY
    assert host.renew().action is Action.TRUST_UPDATED
    done = roll_back(host.out, None, admins=None, now=host.clock())
    assert [ca.subject for ca in done.restored_cas] == ["CN=old"]
    assert host.reasons() == {Reason.TRUST_CHANGED}
    assert "CN=old" not in trusted(host)
    host.ahead = timedelta()


def test_rollback_to_before_the_move_trusts_the_old_ca_again(host: Host) -> None:
    """The request has it: the next renewal adds it."""
    host.issue()
    host.issue(trusting_old(host))
    done = roll_back(host.out, None, admins=None, now=host.clock())
    assert [ca.subject for ca in done.removed_cas] == ["CN=old"]
    (cause,) = host.renew().causes
    assert "ca.pem lacks 'CN=old', which is to be trusted until" in cause.detail
    assert "CN=old" in trusted(host)


def test_ca_that_is_a_root_of_vault_too_stays(host: Host) -> None:
    """Its end date changes nothing, and causes no renewal."""
    host.issue()
    now = host.clock()
    also = parse(host.files()[0], now + DAY, now)
    host.issue(replace(SERVER, also_trusted=also))
    assert len(trusted(host)) == 1
    host.ahead = DAY
    assert host.renew().action is Action.NOTHING


def test_end_date_after_a_rollback_is_over_once(host: Host) -> None:
    """Not even for a CA that is Vault's, too, which a rollback makes unknown without Vault."""
    host.issue()
    now = host.clock()
    host.issue(replace(SERVER, also_trusted=parse(host.files()[0], now + DAY, now)))
    host.renew(force=True)
    roll_back(host.out, None, admins=None, now=host.clock())
    assert host.renew().action is Action.NOTHING
    host.ahead = DAY
    assert host.needs_renewal().need is Need.NEEDED
    assert host.renew().action is Action.TRUST_UPDATED
    assert len(trusted(host)) == 1
    assert host.needs_renewal().need is Need.NOT_DUE


@on_openbao
@pytest.mark.parametrize("layout", list(Layout))
def test_old_intermediate_is_trusted_and_leaves(
    layout: Layout, host: Host, vault_server: DevVault
) -> None:
    """Also in the layout dind, whose ca.pem has an intermediate of its own, which stays."""
    host.mount += "-below"
    intermediate(vault_server, host.mount)
    now = host.clock()
    also = parse(OLD.intermediate("old below").pem, now + DAY, now)
    host.issue(replace(SERVER, layout=layout, also_trusted=also))
    host.out = host.out / "server" if layout is Layout.DIND else host.out

    def subjects() -> list[str]:
        return [
            ca.subject.rfc4514_string()
            for ca in load_certificates((host.out / "ca.pem").read_bytes())
        ]

    before = subjects()
    assert before[-1] == "CN=old below"
    assert host.renew().action is Action.NOTHING
    host.ahead = DAY
    assert host.renew().action is Action.TRUST_UPDATED
    assert subjects() == before[:-1]
    assert host.renew().action is Action.NOTHING


def test_certificate_below_an_also_trusted_ca_only_is_refused(
    fake: FakeVault,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Our own certificate must chain to a root of Vault's."""
    lead_to(fake, monkeypatch)
    file = tmp_path / "old.pem"
    file.write_bytes(OLD.pem)
    fake.answer = lambda order: replace(
        order.honest(),
        certificate=OLD.issue("alice", public_key=order.csr.public_key()).certificate,
    )
    command = [*CLIENT_OPTIONS, str(tmp_path / "c"), "--also-trust", str(file)]
    assert main.run([*command, "--also-trust-until", "1d"]) == 65
    assert "does not chain to a root in the trust bundle" in capsys.readouterr().err
    assert not (tmp_path / "c" / "ca.pem").exists()


def test_issue_takes_the_old_ca_over_and_says_so(
    prepared: DevVault,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The file may be gone; `status` shows until when, and `none` drops it."""
    lead_to(prepared, monkeypatch)
    file, out = tmp_path / "old.pem", tmp_path / "c"
    file.write_bytes(OLD.pem)
    command = [*CLIENT_OPTIONS, str(out), "-o", "json"]
    assert main.run([*command, "--also-trust", str(file), "--also-trust-until", "2d"]) == 0
    first = json.loads(capsys.readouterr().out)["data"]
    assert [each["certificate"]["subject"] for each in first["also_trusted"]] == ["CN=old"]
    file.unlink()
    assert main.run(command) == 0
    printed = capsys.readouterr()
    assert "also trusted, as before: CN=old (SHA-256" in printed.err
    assert json.loads(printed.out)["data"]["also_trusted"] == first["also_trusted"]
    assert main.run(["status", str(out)]) == 0
    assert "also trusts CN=old until" in capsys.readouterr().out
    assert main.run(["status", str(out), "-o", "json"]) == 0
    (shown,) = json.loads(capsys.readouterr().out)["data"]["credentials"]
    assert shown["also_trusted"] == first["also_trusted"]
    assert main.run([*command, "--also-trust", "none"]) == 0
    printed = capsys.readouterr()
    assert "no longer contains CN=old" in printed.err
    assert json.loads(printed.out)["data"]["also_trusted"] == []
    assert "also_trusted" not in json.loads((out / ".dockertls" / "request.json").read_text())


def test_nothing_is_touched_if_a_file_is_refused(
    prepared: DevVault,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The key of the old CA in the same file, for example."""
    lead_to(prepared, monkeypatch)
    file, out = tmp_path / "old.pem", tmp_path / "c"
    file.write_bytes(OLD.pem + OLD.client().key_pem)
    before = tree(tmp_path)
    command = [*CLIENT_OPTIONS, str(out), "--also-trust", str(file), "--also-trust-until", "2d"]
    assert main.run(command) == 2
    assert f"--also-trust: {file}: it contains a private key" in capsys.readouterr().err
    assert tree(tmp_path) == before


def test_root_renews_only_the_cas_that_root_requested(host: Host) -> None:
    """A user who adds a CA to the request of a directory changes what root vouched for."""
    host.issue()
    host.registry.vouch(host.out, host.record())
    assert not host.registry.vouches_for(host.out, host.record(trusting_old(host)))


@as_root
@pytest.mark.parametrize("has_timer", [False, True])
def test_end_date_that_no_timer_enforces_is_a_warning(
    prepared: DevVault,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    has_timer: bool,
) -> None:
    """Root's timer is meant: without it, a daemon trusts the CA for as long as it runs."""
    lead_to(prepared, monkeypatch)
    monkeypatch.setattr(timer, "runs", lambda: has_timer)
    file = tmp_path / "old.pem"
    file.write_bytes(OLD.pem)
    options = ["--host", "localhost", "--also-trust", str(file), "--also-trust-until", "2d"]
    assert main.run(["issue", "server", "--dir", str(tmp_path / "s"), *options]) == 0
    assert ("no timer removes CN=old from ca.pem after" in capsys.readouterr().err) is not has_timer


@pytest.mark.parametrize("purpose", ["server", "client"])
def test_ca_with_the_name_of_vaults_is_a_warning(
    prepared: DevVault,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    purpose: str,
) -> None:
    """A daemon that may accept both gives no more than their name; Vault's own CA is no other."""
    lead_to(prepared, monkeypatch)
    options = {"server": ["--host", "localhost"], "client": ["--name", "alice"]}[purpose]
    command = ["issue", purpose, "--dir", str(tmp_path / "d"), *options]
    until = ("--also-trust-until", "2d", "--also-trust")
    assert main.run(command) == 0
    (root,) = load_certificates((tmp_path / "d" / "ca.pem").read_bytes())
    name = root.subject.rfc4514_string()
    for number, ca in enumerate((root, Authority.create(name.removeprefix("CN=")).certificate)):
        (tmp_path / "old.pem").write_bytes(certificates_pem([ca]))
        assert main.run([*command, *until, str(tmp_path / "old.pem")]) == 0
        is_said = f"{name} is also the name of Vault's CA" in capsys.readouterr().err
        assert is_said is (number == 1 and purpose == "server")
