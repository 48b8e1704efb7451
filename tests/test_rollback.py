"""Rolling back: to which generation, whether it is complete, and with whose privileges."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import stat
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)

from dockertls_vault.certificate.certificate import serial_text
from dockertls_vault.certificate.request import Purpose
from dockertls_vault.credential import reader, store
from dockertls_vault.credential.history import find
from dockertls_vault.credential.layout import Layout
from dockertls_vault.errors import (
    CannotWrite,
    ConflictingState,
    DockerTLSError,
    Locked,
    UnmanagedFiles,
)
from dockertls_vault.files import atomic, fsuid, reading
from dockertls_vault.rollback import roll_back

from .certificates import Authority
from .credentials import CLIENT, DUE, NAMES, SERVER, generations, swap_by_hand
from .harness.missing import as_root

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from dockertls_vault.credential.record import Record
    from dockertls_vault.rollback import RolledBack

ROOT = Authority.create("rollback root")
NOW = datetime.now(UTC)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Return the path of a directory that does not exist yet."""
    return tmp_path / "certs"


def put(out: Path, number: int, record: Record = CLIENT) -> str:
    """Install a certificate for ``client<number>``, each an hour younger; return its serial."""
    issued = ROOT.issue(
        f"client{number}", not_before=NOW - timedelta(days=1), lifetime=timedelta(days=1 + number)
    )
    serial = serial_text(issued.certificate)
    store.install(
        record.place(out),
        store.Material(ROOT.pem, issued.certificate_pem, issued.key_pem, serial, DUE),
        record,
        replace=False,
        now=NOW + timedelta(hours=number),
    )
    return serial


def back(directory: Path, name: str | None = None) -> RolledBack:
    """Roll back now."""
    return roll_back(directory, name, admins=None, now=NOW)


def in_use(directory: Path) -> str | None:
    """Return the serial that a reader finds."""
    (used,) = [each for each in find(directory).generations if each.in_use]
    assert reader.installed(directory).key.parent.name == used.name
    return used.certificate.serial if used.certificate else None


def test_rollback_goes_to_the_previous_or_the_named_generation(out: Path) -> None:
    """One further each time, and forward again by name; nothing is lost."""
    first, second, third = (put(out, number) for number in (1, 2, 3))
    names = generations(out)
    done = back(out)
    assert (done.previous, done.generation.name, done.warnings) == (names[2], names[1], ())
    assert in_use(out) == second
    assert back(out).previous == names[1]
    assert in_use(out) == first
    with pytest.raises(ConflictingState, match="is older than the one in use"):
        back(out)
    assert in_use(out) == first
    for _ in range(2):
        assert back(out, names[2]).generation.in_use
        assert in_use(out) == third
    assert generations(out) == names


def test_generation_of_a_rollback_is_kept_by_the_next_install(out: Path) -> None:
    """In case the next one is as bad as the last."""
    for number in (1, 2, 3):
        put(out, number)
    oldest, _, newest = generations(out)
    back(out, oldest)
    fourth = put(out, 4)
    assert in_use(out) == fourth
    assert generations(out)[:2] == [oldest, newest]
    back(out, oldest)
    assert reader.kept(out)[0].key.parent.name == oldest


@pytest.mark.parametrize("purpose", Purpose)
def test_dind_directory_is_found_below(out: Path, purpose: Purpose) -> None:
    """With the same DIR as for --dir; if there are two, one must be named."""
    record = replace(CLIENT if purpose is Purpose.CLIENT else SERVER, layout=Layout.DIND)
    first = put(out, 1, record)
    put(out, 2, record)
    done = back(out)
    assert (done.directory, done.purpose) == (out / purpose.value, purpose)
    assert in_use(out / purpose.value) == first
    put(out, 3, replace(SERVER if purpose is Purpose.CLIENT else CLIENT, layout=Layout.DIND))
    with pytest.raises(DockerTLSError, match="holds two credentials") as raised:
        back(out)
    assert str(out / "server") in raised.value.hint


def test_removed_public_link_is_created_again(out: Path) -> None:
    """A server's has other names than a client's."""
    first = put(out, 1, SERVER)
    put(out, 2, SERVER)
    (out / "server-key.pem").unlink()
    assert back(out).purpose is Purpose.SERVER
    assert in_use(out) == first
    assert (out / "server-key.pem").is_file()
    assert not (out / "key.pem").exists()


def _remove(name: str) -> Callable[[Path], None]:
    """Remove a file of the generation."""
    return lambda oldest: (oldest / name).unlink()


def _exchange(name: str, content: bytes) -> Callable[[Path], None]:
    """Replace a file of the generation."""

    def exchange(oldest: Path) -> None:
        (oldest / name).unlink()
        (oldest / name).write_bytes(content)

    return exchange


ENCRYPTED = ROOT.issue("other").key.private_bytes(
    Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
)
UNUSABLE = {
    **{f"without {name}": (_remove(name), f"cannot be used: it lacks {name}") for name in NAMES},
    "an empty certificate": (_exchange("cert.pem", b""), "cannot be used: cert.pem cannot be read"),
    "an empty ca.pem": (_exchange("ca.pem", b""), "it is corrupt"),
    "an empty key": (_exchange("key.pem", b""), "it is corrupt"),
    "an encrypted key": (_exchange("key.pem", ENCRYPTED), "it is corrupt"),
    "a large key": (_exchange("key.pem", b"-" * (reading.LARGEST + 1)), "it is corrupt"),
    "another key": (
        _exchange("key.pem", ROOT.issue("other").key_pem),
        "its key does not match the certificate",
    ),
}


@pytest.mark.parametrize(("damage", "words"), UNUSABLE.values(), ids=UNUSABLE)
def test_incomplete_generation_is_refused(
    out: Path, damage: Callable[[Path], None], words: str
) -> None:
    """Whether named or next in line; the one in use stays."""
    put(out, 1)
    second = put(out, 2)
    oldest = generations(out)[0]
    damage(out / ".dockertls" / "generations" / oldest)
    for name in (None, oldest):
        with pytest.raises(ConflictingState, match=words):
            back(out, name)
    assert in_use(out) == second


def test_missing_generation_or_credential_is_refused(out: Path, tmp_path: Path) -> None:
    """Unknown name, no credential of ours, or no request.json."""
    for name in ("20200101T000000.000000Z-01", "..", "", "notes"):
        put(out, 1)
        with pytest.raises(DockerTLSError, match="no generation") as raised:
            back(out, name)
        assert "--list" in raised.value.hint
    (tmp_path / "other").mkdir()
    for place in (tmp_path / "other", out / "key.pem"):
        with pytest.raises(ConflictingState, match="no dockertls-vault credential in"):
            back(place)
    with pytest.raises(ConflictingState, match="gone does not exist"):
        back(tmp_path / "gone")
    (out / ".dockertls" / "request.json").unlink()
    with pytest.raises(ConflictingState, match="which describes the credential, is missing"):
        back(out)


def test_foreign_public_files_are_refused(out: Path) -> None:
    """A swap would not change what is read there."""
    put(out, 1)
    second = put(out, 2)
    (out / "key.pem").unlink()
    (out / "key.pem").write_text("by hand")
    with pytest.raises(UnmanagedFiles, match=r"key\.pem") as raised:
        back(out)
    assert "--replace" not in raised.value.hint
    used = find(out).generations[0]
    assert used.in_use
    assert used.certificate is not None
    assert used.certificate.serial == second


@pytest.mark.parametrize(("hours", "is_due"), [(10, True), (1, False)])
def test_generation_that_is_due_is_used_with_a_warning(
    out: Path, hours: int, *, is_due: bool
) -> None:
    """A timer would replace it within minutes."""
    for ago in (timedelta(hours=hours), timedelta()):
        end = timedelta(hours=1 if is_due else 10)
        issued = ROOT.issue("c", not_before=NOW - timedelta(days=1), lifetime=timedelta(1) + end)
        serial = serial_text(issued.certificate)
        material = store.Material(ROOT.pem, issued.certificate_pem, issued.key_pem, serial, DUE)
        store.install(CLIENT.place(out), material, CLIENT, replace=False, now=NOW - ago)
    warnings = back(out).warnings
    assert (
        any("is due for renewal, so the next `renew` replaces it" in w for w in warnings) is is_due
    )


def test_expired_generation_is_used_with_a_warning(out: Path) -> None:
    """The user asked for it, and may need it to compare."""
    put(out, 0)
    put(out, 1)
    (warning,) = back(out).warnings
    assert warning.startswith("the certificate that is in use now expired at ")


def test_rollback_without_a_generation_in_use_goes_to_the_newest(out: Path) -> None:
    """As after a kill during --replace, or if the link was broken by hand."""
    put(out, 1)
    second = put(out, 2)
    swap_by_hand(out, "generations/gone")
    assert back(out).previous is None
    assert in_use(out) == second


def test_key_that_others_may_read_again_is_a_warning(out: Path) -> None:
    """A generation keeps the owner, group and modes it was created with."""
    put(out, 1, replace(CLIENT, group=str(os.getegid())))
    put(out, 2)
    done = back(out)
    assert [file.mode for file in done.files] == ["0444", "0444", "0440"]
    assert [file.path for file in done.files] == [
        out / name for name in ("ca.pem", "cert.pem", "key.pem")
    ]
    assert len(done.warnings) == 1
    assert re.fullmatch(
        r"the key is (\S+) 0440 again; the one in use until now is \1 0400", done.warnings[0]
    )


def test_failure_means_that_nothing_was_swapped(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The result is read before the swap, so status 73 means that nothing changed."""

    def unreadable(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    put(out, 1)
    second = put(out, 2)
    monkeypatch.setattr("dockertls_vault.rollback._files", unreadable)
    with pytest.raises(CannotWrite):
        back(out)
    assert in_use(out) == second


@pytest.mark.parametrize("mode", [0o757, 0o1757])
def test_hint_names_only_options_of_rollback(out: Path, mode: int) -> None:
    """The directory is checked as for an install, but cannot be chosen here."""
    put(out, 1)
    second = put(out, 2)
    out.chmod(mode)
    with pytest.raises(CannotWrite, match="can write to") as raised:
        back(out)
    assert in_use(out) == second
    assert raised.value.hint == ("" if mode & stat.S_ISVTX else f"chmod o-w {out}")


@as_root
def test_hint_for_another_users_directory_has_no_owner_option(shared_directory: Path) -> None:
    """Root is not told to run as that user or to chown the directory."""
    put(shared_directory / "certs", 1)
    put(shared_directory / "certs", 2)
    os.chown(shared_directory, pwd.getpwnam("nobody").pw_uid, -1)
    with pytest.raises(CannotWrite, match="belongs to nobody") as raised:
        back(shared_directory / "certs")
    assert raised.value.hint == ""


def test_rollback_takes_the_lock(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing changes while another run holds it."""
    put(out, 1)
    put(out, 2)
    monkeypatch.setattr(store, "LOCK_WAIT", 0.1)
    with (
        reading.opened(str(out / ".dockertls")) as private,
        atomic.locked("lock", private, wait=1),
        pytest.raises(Locked),
    ):
        back(out)


def _put_a_file_there(out: Path) -> None:
    """Put a foreign file in place of the key."""
    (out / "key.pem").unlink()
    (out / "key.pem").write_text("by hand")


def _remove_the_oldest(out: Path) -> None:
    """Remove the oldest generation."""
    shutil.rmtree(out / ".dockertls" / "generations" / generations(out)[0])


@pytest.mark.parametrize(
    ("change", "words"),
    [(_put_a_file_there, "not created by"), (_remove_the_oldest, "has since been removed")],
)
def test_change_while_waiting_for_the_lock_is_noticed(
    out: Path, change: Callable[[Path], None], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another run may have held the lock."""
    put(out, 1)
    put(out, 2)
    newest = generations(out)[1]
    locked = atomic.locked

    @contextmanager
    def waited(name: str, within: int, *, wait: float) -> Iterator[None]:
        change(out)
        with locked(name, within, wait=wait):
            yield

    monkeypatch.setattr(atomic, "locked", waited)
    with pytest.raises(DockerTLSError, match=words):
        back(out)
    assert (out / ".dockertls" / "current").resolve().name == newest


@as_root
def test_root_works_in_a_users_directory_with_the_users_rights(shared_directory: Path) -> None:
    """New files are the user's, and root reads nothing that the user may not."""
    owner = pwd.getpwnam("nobody").pw_uid
    out = shared_directory / "certs"
    out.mkdir()
    os.chown(out, owner, -1)
    record = replace(CLIENT, owner="nobody")
    first = put(out, 1, record)
    put(out, 2, record)
    back(out)
    assert in_use(out) == first
    assert (out / ".dockertls" / "current").lstat().st_uid == owner
    second = generations(out)[1]
    key = out / ".dockertls" / "generations" / second / "key.pem"
    (shared_directory / "secret").write_bytes(key.read_bytes())
    (shared_directory / "secret").chmod(0o600)
    key.unlink()
    key.symlink_to(shared_directory / "secret")
    with pytest.raises(DockerTLSError, match="Permission denied"):
        back(out, second)
    assert in_use(out) == first


def test_file_among_the_generations_is_refused(out: Path) -> None:
    """By name; without one it is skipped, however old its name says it is."""
    for number in (1, 2):
        put(out, number)
    stray = out / ".dockertls" / "generations" / "20240101T000000.000000Z-aa"
    stray.touch()
    with pytest.raises(ConflictingState, match=f"{stray.name} cannot be used: cannot be read"):
        back(out, stray.name)
    assert back(out).generation.name == generations(out)[1]


def test_generation_name_may_be_abbreviated(out: Path) -> None:
    """The abbreviation must be unique."""
    first = put(out, 1)
    put(out, 2)
    name = generations(out)[0]
    back(out, name.partition("-")[0])
    assert in_use(out) == first
    with pytest.raises(DockerTLSError, match="2 generations begin with '20'"):
        back(out, "20")


def test_hint_at_the_oldest_names_the_newest_and_the_backup(out: Path) -> None:
    """The backup is named if foreign files were replaced."""
    out.mkdir()
    (out / "key.pem").write_text("by hand")
    record = CLIENT
    issued = ROOT.issue("alice")
    store.install(
        record.place(out),
        store.Material(ROOT.pem, issued.certificate_pem, issued.key_pem, "01", DUE),
        record,
        replace=True,
        now=NOW,
    )
    (kept,) = (out / ".dockertls" / "backup").iterdir()
    with pytest.raises(ConflictingState) as raised:
        back(out)
    assert str(kept) in raised.value.hint
    assert "restores the newest" not in raised.value.hint
    put(out, 1)
    back(out)
    with pytest.raises(ConflictingState) as raised:
        back(out)
    assert f"rollback {out} {generations(out)[-1]}` restores the newest" in raised.value.hint


@as_root
@pytest.mark.parametrize("count", [1, 2])
def test_user_without_write_permission_is_told_the_owner(
    shared_directory: Path, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First of all, whether or not there is an older generation."""
    out = shared_directory / "certs"
    for number in range(count):
        put(out, number + 1)
    nobody = pwd.getpwnam("nobody").pw_uid

    def refused() -> CannotWrite:
        monkeypatch.setattr(os, "geteuid", lambda: nobody)
        with pytest.raises(CannotWrite) as raised:
            back(out)
        return raised.value

    error = fsuid.as_user(nobody, refused)
    assert error.exit_status == 73
    assert error.message == f"{out} belongs to root"
    assert error.hint == "run it with `sudo`"
