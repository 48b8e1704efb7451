"""The credentials on a host, as their files and their daemons show them."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from dockertls_vault.certificate.certificate import describe
from dockertls_vault.certificate.names import Names
from dockertls_vault.certificate.request import Purpose
from dockertls_vault.certificate.schedule import plan
from dockertls_vault.certificate.threshold import parse_threshold
from dockertls_vault.credential import store
from dockertls_vault.credential.hooks import Failure, State
from dockertls_vault.credential.layout import Layout
from dockertls_vault.credential.reader import locate
from dockertls_vault.credential.settle import Pending, Running
from dockertls_vault.docker.diagnosis.wire import Presented
from dockertls_vault.docker.endpoint import Endpoint
from dockertls_vault.files import fsuid
from dockertls_vault.findings import Limits, Severity
from dockertls_vault.status import Asking, CredentialStatus, Status, status
from dockertls_vault.window import parse_window

from .certificates import Authority
from .credentials import CLIENT, SERVER, generations, install, swap_by_hand
from .docker import servers
from .harness.missing import as_root

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from dockertls_vault.credential.record import Record

    from .certificates import Issued
    from .harness.dockerd import StartDockerd

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)
WEEK = timedelta(days=7)
ROOT = Authority.create("status root")
LIMITS = Limits(parse_threshold("20%"), parse_threshold("10%"))
HOOK_COMMAND = ("systemctl", "restart", "docker")
HOOK = replace(SERVER, hooks=(HOOK_COMMAND,))
NOBODY = 65534


def find(
    named: Sequence[Path],
    *,
    known: Endpoint | None = None,
    registered: Sequence[Path] | None = None,
    now: datetime = NOW,
) -> Status:
    """Return the status; all that is named is registered by default."""
    return status(
        named,
        Running({}, timedelta(minutes=1)),
        Asking(known, Names, timedelta(seconds=30)),
        LIMITS,
        registered=named if registered is None else registered,
        admins=None,
        now=now,
    )


def one(out: Path, *, known: Endpoint | None = None, now: datetime = NOW) -> CredentialStatus:
    """Return the status of one credential."""
    found = find([out], known=known, now=now)
    (credential,) = found.credentials
    assert found.severity is credential.severity
    return credential


def put(out: Path, record: Record = SERVER, *, age: timedelta = timedelta()) -> Issued:
    """Install a certificate that was issued some time ago, and is valid for a week."""
    issued = ROOT.issue(
        "a.example", dns=["a.example"], not_before=NOW - age - DAY, lifetime=WEEK + DAY
    )
    install(out, record, issued, ROOT, at=NOW - age)
    return issued


def details(found: CredentialStatus) -> str:
    """Return all findings as text."""
    return " ".join(each.detail for each in found.findings)


@pytest.mark.parametrize("record", [SERVER, CLIENT, replace(SERVER, layout=Layout.DIND)])
def test_new_credential_is_ok(record: Record, tmp_path: Path) -> None:
    """The status has all data of its files; the only finding is that no daemon was asked."""
    issued = put(tmp_path, record)
    place = record.place(tmp_path).directory
    (found,) = find([tmp_path], registered=[place]).credentials
    schedule = plan(NOW, NOW + WEEK, str(tmp_path))
    assert (found.directory, found.severity, found.damaged) == (place, Severity.OK, False)
    assert found.purpose is record.request.purpose
    assert found.certificate == describe(issued.certificate)
    assert found.issued_at == NOW
    assert found.valid_until == issued.certificate.not_valid_after_utc
    assert found.renewal_due is not None
    assert abs(found.renewal_due - schedule.due) < timedelta(seconds=1)
    assert found.pending_hooks is None
    is_server = record.request.purpose is Purpose.SERVER
    assert [each.severity for each in found.findings] == [Severity.OK] * is_server
    assert (found.wire and found.wire.presented) == (Presented.NOT_ASKED if is_server else None)


@pytest.mark.parametrize(
    ("days", "severity", "words"),
    [
        (1, Severity.OK, ""),
        (6, Severity.WARNING, "expires in 1d"),
        (6.5, Severity.CRITICAL, "expires in 12h"),
        (7, Severity.CRITICAL, "expired at"),
    ],
)
def test_remaining_validity_decides_the_severity(
    days: float, severity: Severity, words: str, tmp_path: Path
) -> None:
    """The part that a role backdates does not count."""
    put(tmp_path)
    found = one(tmp_path, now=NOW + timedelta(days=days))
    assert found.severity is severity
    assert words in details(found)


def test_after_a_rollback_validity_counts_from_the_installation(tmp_path: Path) -> None:
    """due.json is about the generation that was in use before."""
    before = put(tmp_path, age=3 * DAY)
    put(tmp_path)
    swap_by_hand(tmp_path, f"generations/{min(generations(tmp_path))}")
    found = one(tmp_path)
    assert found.certificate == describe(before.certificate)
    assert found.issued_at == NOW - 3 * DAY
    assert found.valid_until == before.certificate.not_valid_after_utc


def test_certificate_that_had_expired_when_it_was_installed_has_no_schedule(
    tmp_path: Path,
) -> None:
    """It is critical."""
    put(tmp_path, age=8 * DAY)
    put(tmp_path)
    kept = tmp_path / ".dockertls" / "generations"
    oldest = kept / min(generations(tmp_path))
    oldest.rename(kept / max(generations(tmp_path)).replace("Z-", "Z-ff"))
    swap_by_hand(tmp_path, f"generations/{max(generations(tmp_path))}")
    found = one(tmp_path)
    assert (found.severity, found.renewal_due) == (Severity.CRITICAL, None)
    assert "expired at" in details(found)


def _current(out: Path, name: str) -> Path:
    return (out / ".dockertls" / "current" / name).resolve()


def _lose_key(out: Path) -> None:
    _current(out, "key.pem").unlink()


def _corrupt_certificate(out: Path) -> None:
    _rewrite(_current(out, "cert.pem"), b"nonsense")


def _corrupt_ca(out: Path) -> None:
    _rewrite(_current(out, "ca.pem"), b"nonsense")


def _exchange_key(out: Path) -> None:
    _rewrite(_current(out, "key.pem"), ROOT.server().key_pem)


def _open_key(out: Path) -> None:
    _current(out, "key.pem").chmod(0o444)


def _replace_link(out: Path) -> None:
    (out / "server-cert.pem").unlink()
    (out / "server-cert.pem").write_text("mine")


def _lose_all(out: Path) -> None:
    shutil.rmtree(out / ".dockertls" / "generations")


def _rewrite(path: Path, content: bytes) -> None:
    mode = path.stat().st_mode
    path.chmod(0o600)
    path.write_bytes(content)
    path.chmod(mode)


@pytest.mark.parametrize(
    ("break_", "words", "is_readable"),
    [
        (_lose_key, "key.pem is missing", True),
        (_exchange_key, "key.pem is not the key of cert.pem", True),
        (_open_key, "mode 0444", True),
        (_replace_link, "server-cert.pem was replaced", True),
        (_corrupt_certificate, "corrupt", False),
        (_corrupt_ca, "corrupt", False),
        (_lose_all, "no generation is in use", False),
    ],
)
def test_damaged_files_are_critical(
    break_: Callable[[Path], None], words: str, is_readable: bool, tmp_path: Path
) -> None:
    """What can still be read is shown, and nothing is raised."""
    put(tmp_path)
    break_(tmp_path)
    found = one(tmp_path)
    assert (found.severity, found.damaged) == (Severity.CRITICAL, True)
    assert (found.certificate is not None) is is_readable
    assert words in details(found)
    assert found.purpose is Purpose.SERVER


def test_corrupt_older_generation_is_ignored(tmp_path: Path) -> None:
    """It only serves to recognize what a daemon presents."""
    put(tmp_path, age=DAY)
    put(tmp_path)
    old = tmp_path / ".dockertls" / "generations" / min(generations(tmp_path))
    _rewrite(old / "cert.pem", b"nonsense")
    assert one(tmp_path).severity is Severity.OK


def _no_record(out: Path) -> None:
    (out / ".dockertls" / "request.json").unlink()


def _corrupt_record(out: Path) -> None:
    (out / ".dockertls" / "request.json").unlink()
    (out / ".dockertls" / "request.json").write_text("[")


def _another(out: Path) -> None:
    shutil.rmtree(out / ".dockertls")


@pytest.mark.parametrize(
    ("break_", "words"),
    [
        (_no_record, "request.json, which describes the credential, is missing"),
        (_corrupt_record, "request.json is corrupt"),
        (_another, "no dockertls-vault credential in"),
        (shutil.rmtree, "does not exist"),
    ],
)
def test_missing_credential_is_critical(
    break_: Callable[[Path], None], words: str, tmp_path: Path
) -> None:
    """It is a row like the others, which are also shown."""
    out, other = tmp_path / "out", tmp_path / "other"
    put(out)
    put(other)
    break_(out)
    found = find([out, other])
    assert [each.severity for each in found.credentials] == [Severity.CRITICAL, Severity.OK]
    assert found.severity is Severity.CRITICAL
    assert words in details(found.credentials[0])
    assert found.credentials[0].certificate is None
    assert found.credentials[0].damaged is None


def test_listed_directory_that_is_gone_is_only_a_warning(tmp_path: Path) -> None:
    """It may have been removed on purpose."""
    found = find([], registered=[tmp_path / "gone"])
    assert found.severity is Severity.WARNING
    assert "the directory is gone" in details(found.credentials[0])


def test_two_credentials_in_one_directory_are_ambiguous(tmp_path: Path) -> None:
    """The finding says what to do."""
    for record in (SERVER, CLIENT):
        put(tmp_path, replace(record, layout=Layout.DIND))
    found = one(tmp_path)
    assert found.severity is Severity.UNKNOWN
    assert "name one of them" in details(found)


def test_listed_credentials_are_shown_by_default(tmp_path: Path) -> None:
    """They are in the order of the list; an empty list is unknown."""
    for name in ("b", "a"):
        put(tmp_path / name)
    found = find([], registered=[tmp_path / "a", tmp_path / "b"])
    assert [each.directory.name for each in found.credentials] == ["a", "b"]
    assert find([]) == Status(Severity.UNKNOWN, ())


def test_credential_that_is_not_listed_has_a_note(tmp_path: Path) -> None:
    """It is no warning: another user may have issued it."""
    put(tmp_path, CLIENT)
    (found,) = find([tmp_path], registered=[]).credentials
    assert found.severity is Severity.OK
    assert "not listed" in details(found)
    link = tmp_path.parent / f"{tmp_path.name}-link"
    link.symlink_to(tmp_path)
    (found,) = find([tmp_path], registered=[link]).credentials
    assert found.findings == ()


@as_root
def test_other_users_get_a_status_without_reading_the_key(shared_directory: Path) -> None:
    """An unreadable key is not a problem for them."""
    out = shared_directory / "tls"
    put(out, CLIENT)
    found = fsuid.as_user(NOBODY, lambda: one(out))
    assert (found.severity, found.findings) == (Severity.OK, ())


@as_root
def test_directory_that_cannot_be_entered_is_unknown(shared_directory: Path) -> None:
    """Its contents cannot be known."""
    out = shared_directory / "tls"
    put(out, CLIENT)
    out.chmod(0o700)
    found = fsuid.as_user(NOBODY, lambda: one(out))
    assert found.severity is Severity.UNKNOWN
    assert "Permission denied" in details(found)
    (listed,) = fsuid.as_user(NOBODY, lambda: find([], registered=[out / "server"]).credentials)
    assert listed.severity is Severity.UNKNOWN


@as_root
def test_root_reads_with_the_permissions_of_the_owner(shared_directory: Path) -> None:
    """A symlink cannot make root read a file that the owner cannot read."""
    out = shared_directory / "tls"
    put(out, CLIENT)
    for path in (out, *out.rglob("*")):
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    assert one(out).severity is Severity.OK
    secret = shared_directory / "secret"
    secret.write_bytes(_current(out, "cert.pem").read_bytes())
    secret.chmod(0o600)
    cert = _current(out, "cert.pem")
    cert.unlink()
    cert.symlink_to(secret)
    found = one(out)
    assert found.certificate is None
    assert "Permission denied" in details(found)


@as_root
def test_directory_that_others_can_change_is_unknown(shared_directory: Path) -> None:
    """`renew` rejects it, too."""
    out = shared_directory / "tls"
    put(out, CLIENT)
    for path in (out, *out.rglob("*")):
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    shared_directory.chmod(0o777)
    found = one(out)
    assert found.severity is Severity.UNKNOWN
    assert "can write to" in details(found)


def test_failed_hook_is_a_warning(tmp_path: Path) -> None:
    """It has the command, the reason and the time."""
    put(tmp_path, HOOK)
    place = locate(tmp_path)
    failure = Failure("1", HOOK_COMMAND, "exit status 1", NOW)
    store.remember(place, State(None, None, failure))
    found = one(tmp_path)
    assert found.severity is Severity.WARNING
    assert found.pending_hooks == Pending(None, failure)
    assert "the hook systemctl restart docker failed" in details(found)


def test_hooks_that_have_run_are_not_pending(tmp_path: Path) -> None:
    """They are pending again for another generation."""
    put(tmp_path, HOOK)
    store.remember(locate(tmp_path), State(generations(tmp_path)[0], NOW + WEEK))
    assert one(tmp_path).pending_hooks is None
    put(tmp_path, HOOK)
    found = one(tmp_path)
    assert (found.severity, found.pending_hooks) == (Severity.WARNING, Pending(None, None))


def _at(port: int) -> Endpoint:
    return Endpoint("localhost", port)


def _local(out: Path, record: Record = SERVER, *, age: timedelta = timedelta()) -> Issued:
    issued = ROOT.issue(
        "a.example", dns=["localhost"], not_before=NOW - age - DAY, lifetime=WEEK + DAY
    )
    install(out, record, issued, ROOT, at=NOW - age)
    return issued


def test_restarted_daemon_presents_the_same_certificate(tmp_path: Path) -> None:
    """There is no finding about it."""
    issued = _local(tmp_path)
    context = servers.server_context(tmp_path / ".dockertls" / "current", verify=True)
    with servers.talking(servers.answering(context)) as port:
        found = one(tmp_path, known=_at(port))
    assert (found.severity, found.findings) == (Severity.OK, ())
    assert found.wire is not None
    assert found.wire.presented is Presented.SAME
    assert found.wire.certificate == describe(issued.certificate)
    assert found.wire.endpoint == f"tcp://localhost:{port}"


def test_daemon_that_was_not_restarted_presents_what_was_replaced(tmp_path: Path) -> None:
    """It is a warning unless hooks wait for a window, and critical once it has expired."""
    record = replace(HOOK, window=parse_window("Sat 02:00-04:00"))
    before = _local(tmp_path, record, age=DAY)
    context = servers.server_context(tmp_path / ".dockertls" / "current")
    state = State(generations(tmp_path)[0], NOW + 30 * DAY)
    _local(tmp_path, SERVER)
    with servers.talking(servers.answering(context)) as port:
        without = one(tmp_path, known=_at(port))
        expired = one(tmp_path, known=_at(port), now=before.certificate.not_valid_after_utc)
        _local(tmp_path, record)
        store.remember(locate(tmp_path), state)
        outside = NOW if NOW.weekday() != 5 else NOW + DAY
        waiting = one(tmp_path, known=_at(port), now=outside)
    assert without.wire is not None
    assert without.wire.presented is Presented.REPLACED
    assert without.wire.certificate == describe(before.certificate)
    assert without.severity is Severity.WARNING
    assert "restart it" in details(without)
    assert expired.severity is Severity.CRITICAL
    assert waiting.pending_hooks is not None
    assert waiting.severity is Severity.OK
    assert "hooks wait for their window" in details(waiting)


def test_each_daemon_is_asked_once(tmp_path: Path) -> None:
    """It may match several certificates, but presents only one of them."""
    connections: list[object] = []
    for name in ("a", "b"):
        _local(tmp_path / name)
    context = servers.server_context(tmp_path / "a" / ".dockertls" / "current")
    answer = servers.answering(context)

    def count(connection: socket.socket) -> None:
        connections.append(connection)
        answer(connection)

    with servers.talking(count) as port:
        found = find([tmp_path / "a", tmp_path / "b"], known=_at(port))
        assert len(connections) == 2  # whether somebody listens, and the handshake
        alone = one(tmp_path / "b", known=_at(port))
    presented = [each.wire.presented for each in found.credentials if each.wire]
    assert presented == [Presented.SAME, Presented.NOT_ASKED]
    assert found.severity is Severity.OK
    assert f"has the certificate of {tmp_path / 'a'}" in details(found.credentials[1])
    assert alone.wire is not None
    assert (alone.wire.presented, alone.severity) == (Presented.OTHER, Severity.WARNING)


def test_real_dockerd_presents_its_old_certificate_until_it_is_restarted(
    tmp_path: Path, host_dockerd: StartDockerd
) -> None:
    """It requires client certificates, and presents its own first."""
    _local(tmp_path, age=DAY)
    port = host_dockerd(credential=tmp_path / ".dockertls" / "current")
    before = one(tmp_path, known=_at(port))
    _local(tmp_path)
    after = one(tmp_path, known=_at(port))
    presented = [found.wire and found.wire.presented for found in (before, after)]
    assert presented == [Presented.SAME, Presented.REPLACED]
