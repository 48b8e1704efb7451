"""The credential on disk: modes, owners, generations and foreign files."""

from __future__ import annotations

import errno
import json
import os
import pwd
import subprocess
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from dockertls_vault.credential import reader, store
from dockertls_vault.credential.layout import Layout
from dockertls_vault.errors import CannotWrite, ConflictingState, InvalidInput, UnmanagedFiles
from dockertls_vault.files import atomic, reading
from tests.certificates import Authority
from tests.credentials import CLIENT, NAMES, SERVER, generations, listing, narrow, public, put
from tests.harness.missing import as_root

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dockertls_vault.credential.record import Record


@pytest.fixture(params=[0o000, 0o022, 0o077, 0o777], ids="umask-{:03o}".format)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    """Set the umask of the process."""
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Return the path of a directory that does not exist yet."""
    return tmp_path / "certs"


def test_files_modes_and_links_do_not_depend_on_the_umask(out: Path, umask: int) -> None:
    """Modes are exact from creation on, and the process's umask is left as it was."""
    installed = put(out, 1)
    assert [(file.path.name, file.mode) for file in installed.files] == [
        ("ca.pem", "0444"),
        ("cert.pem", "0444"),
        ("key.pem", "0400"),
    ]
    for file in installed.files:
        assert f"{file.path.stat().st_mode & 0o7777:04o}" == file.mode
        assert str(file.path.readlink()) == f".dockertls/current/{file.path.name}"
    for directory in (out, out / ".dockertls", *out.glob(".dockertls/*/")):
        assert directory.stat().st_mode & 0o7777 == 0o755
    assert (out / ".dockertls" / "lock").stat().st_mode & 0o7777 == 0o600
    assert generations(out) == ["20260101T010000.000000Z-01ff"]
    assert os.umask(umask) == umask


def test_request_json_has_no_secret(out: Path) -> None:
    """It holds what a renewal needs, and nothing of the key."""
    put(out, 1)
    kept = json.loads((out / ".dockertls" / "request.json").read_text())
    assert kept["common_name"] == "alice"
    assert kept["ttl_seconds"] == 3600
    assert "key.pem" not in json.dumps(kept)


def test_three_generations_are_kept(out: Path) -> None:
    """These are the one in use and the two before it."""
    for number in range(1, 6):
        put(out, number)
    assert [name.partition("T")[2][:2] for name in generations(out)] == ["03", "04", "05"]
    assert public(out) == {"5"}


def test_clock_set_back_does_not_remove_the_generation_in_use(out: Path) -> None:
    """It stays even if other generations have later names."""
    for number in (5, 6, 7, 1, 2):
        put(out, number)
    assert public(out) == {"2"}
    assert len(generations(out)) == 3


def test_previous_generation_is_kept_whatever_its_age(out: Path) -> None:
    """After a rollback it may be older than the ones that are removed."""
    for number in (1, 2, 3):
        put(out, number)
    (first, *_) = generations(out)
    store.use(CLIENT.place(out), first)
    put(out, 4)
    assert [name.partition("T")[2][:2] for name in generations(out)] == ["01", "03", "04"]


def test_files_that_appear_while_waiting_for_the_lock_are_not_overwritten(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check before the lock is repeated under the lock."""
    out.mkdir()
    locked = atomic.locked

    @contextmanager
    def locked_late(name: str, within: int, *, wait: float) -> Iterator[None]:
        (out / "key.pem").write_text("by hand")
        with locked(name, within, wait=wait):
            yield

    monkeypatch.setattr(atomic, "locked", locked_late)
    with pytest.raises(UnmanagedFiles):
        put(out, 1)
    assert (out / "key.pem").read_text() == "by hand"


@pytest.mark.parametrize(
    ("record", "directory", "names"),
    [
        (SERVER, ".", ("ca.pem", "server-cert.pem", "server-key.pem")),
        (CLIENT, ".", NAMES),
        (replace(SERVER, layout=Layout.DIND), "server", NAMES),
        (replace(CLIENT, layout=Layout.DIND), "client", NAMES),
    ],
)
def test_each_layout_has_its_file_names(
    out: Path, record: Record, directory: str, names: tuple[str, ...]
) -> None:
    """For both purposes; the reader finds what was installed from ``out``."""
    installed = put(out, 1, record)
    assert [file.path for file in installed.files] == [out / directory / name for name in names]
    found = reader.installed(out)
    assert found.key.read_text() == "key.pem 1"
    assert found.key.parent.name == "20260101T010000.000000Z-01ff"


def test_client_files_are_found_in_a_dind_directory_with_both(out: Path) -> None:
    """It does not matter which of the two was installed last."""
    put(out, 1, replace(CLIENT, layout=Layout.DIND))
    put(out, 2, replace(SERVER, layout=Layout.DIND))
    assert reader.installed(out).cert.read_text() == "cert.pem 1"


def test_paths_that_were_found_keep_their_content(out: Path) -> None:
    """Paths found before a renewal still lead to the old set after it."""
    put(out, 1)
    before = reader.installed(out)
    put(out, 2)
    assert before.cert.read_text() == "cert.pem 1"
    assert reader.installed(out).cert.read_text() == "cert.pem 2"


def test_foreign_files_are_found_if_the_set_is_complete(tmp_path: Path) -> None:
    """A directory filled by hand can be read, an incomplete one cannot."""
    with pytest.raises(ConflictingState, match=r"no certificate, key and ca\.pem"):
        reader.installed(tmp_path)
    for name in NAMES:
        (tmp_path / name).write_text("by hand")
    assert reader.installed(tmp_path).key == tmp_path / "key.pem"


@pytest.mark.parametrize("record", [SERVER, CLIENT, replace(SERVER, layout=Layout.DIND)])
def test_current_holds_three_regular_files(out: Path, record: Record) -> None:
    """Docker Bench uses stat(1), and `kubectl create secret --from-file` skips links."""
    for number in (1, 2):
        installed = put(out, number, record)
        current = installed.files[0].path.parent / ".dockertls" / "current"
        looked = subprocess.run(
            ["stat", "--format=%n %F %a %u", *NAMES],
            cwd=current,
            capture_output=True,
            text=True,
            check=True,
        )
        user = os.geteuid()
        assert looked.stdout.splitlines() == [
            f"ca.pem regular file 444 {user}",
            f"cert.pem regular file 444 {user}",
            f"key.pem regular file 400 {user}",
        ]
        assert listing(current) == list(NAMES)
        assert public(current) == {str(number)}


@pytest.mark.parametrize("name", [".ca.pem.new", ".key.pem.new", ".current.new", "unfinished"])
def test_foreign_file_of_any_name_is_left_in_place(out: Path, name: str) -> None:
    """Temporary files go into a private directory, so they cannot collide."""
    out.mkdir()
    (out / name).write_text("theirs")
    (out / "key.pem").write_text("by hand")
    for number in (1, 2, 3, 4):
        put(out, number, replace=True)
    assert (out / name).read_text() == "theirs"


def test_sync_that_fails_after_the_swap_is_a_warning(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new set is in use by then, so an error would be wrong."""
    put(out, 1)
    real = os.fsync
    swapped = []

    def rename(name: str, *arguments: Any, **options: Any) -> None:
        swapped.append(name)
        renamed(name, *arguments, **options)

    def fsync(descriptor: int) -> None:
        if swapped[-1:] == ["current"]:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(descriptor)

    renamed = os.rename
    monkeypatch.setattr(os, "rename", rename)
    monkeypatch.setattr(os, "fsync", fsync)
    (warning,) = put(out, 2).warnings
    assert "are in use, but a power failure may bring back" in warning
    assert "Input/output error" in warning
    assert public(out) == {"2"}


def test_cleanup_that_fails_after_the_swap_is_a_warning(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a disk begins to fail: the new set is in use, so the install did not fail."""
    put(out, 1)
    current = out / ".dockertls" / "current"
    before = current.readlink()
    real = reading.entries

    def entries(within: int) -> list[str]:
        if current.readlink() != before:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(within)

    monkeypatch.setattr(reading, "entries", entries)
    assert put(out, 2).warnings == (
        "cannot list the old generations: Input/output error",
        "cannot list leftover files: Input/output error",
    )
    assert public(out) == {"2"}


@as_root
def test_key_is_readable_by_its_owner_and_group_only(shared_directory: Path) -> None:
    """Everybody else can read the certificates but not the key."""
    group = pwd.getpwnam("nobody").pw_gid
    put(shared_directory / "mine", 1)
    put(shared_directory / "owned", 1, replace(CLIENT, owner="nobody"))
    put(shared_directory / "shared", 1, replace(CLIENT, group=str(group)))
    assert (shared_directory / "shared" / "key.pem").stat().st_mode & 0o7777 == 0o440
    # CIS Docker Benchmark 3.9 to 3.12: certificates belong to root:root, whoever reads the key.
    groups = [(shared_directory / "shared" / name).stat().st_gid for name in NAMES]
    assert groups == [0, 0, group]

    def read(path: Path) -> str:
        return subprocess.run(
            ["cat", path],
            user="nobody",
            group=group,
            extra_groups=[],
            capture_output=True,
            text=True,
            check=False,
        ).stdout.strip()

    assert read(shared_directory / "mine" / "cert.pem") == "cert.pem 1"
    assert read(shared_directory / "mine" / "key.pem") == ""
    assert read(shared_directory / "owned" / "key.pem") == "key.pem 1"
    assert read(shared_directory / "shared" / "key.pem") == "key.pem 1"


def test_unknown_owner_or_group_is_refused(out: Path) -> None:
    """Nothing is created before that."""
    for request in (replace(CLIENT, owner="no-such-user"), replace(CLIENT, group="no-such-group")):
        with pytest.raises(InvalidInput, match="no such"):
            put(out, 1, request)
    assert not out.exists()


def test_link_to_the_directory_is_followed_and_links_inside_are_not(tmp_path: Path) -> None:
    """Users may keep ~/.docker elsewhere; a link in place of .dockertls is refused."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    put(tmp_path / "link", 1)
    assert public(tmp_path / "real") == {"1"}
    (tmp_path / "other").mkdir()
    (tmp_path / "target").mkdir()
    (tmp_path / "other" / ".dockertls").symlink_to(tmp_path / "target")
    with pytest.raises(CannotWrite):
        put(tmp_path / "other", 1)
    assert listing(tmp_path / "target") == []


def test_generation_in_use_is_listed_first(out: Path) -> None:
    """Then the newest: after a rollback by hand, a daemon may still serve a later one."""
    assert reader.kept(out) == ()
    for number in (1, 2, 3):
        put(out, number, SERVER)
    assert [files.cert.read_text() for files in reader.kept(out)] == [
        "cert.pem 3",
        "cert.pem 2",
        "cert.pem 1",
    ]
    current = out / ".dockertls" / "current"
    current.unlink()
    current.symlink_to(f"generations/{generations(out)[1]}")
    (out / ".dockertls" / "generations" / ".half.new").mkdir()
    assert [files.key.read_text() for files in reader.kept(out)] == [
        "key.pem 2",
        "key.pem 3",
        "key.pem 1",
    ]


FIRST, SECOND = (Authority.create(name).pem for name in ("first", "second"))


@pytest.mark.parametrize(
    ("bundles", "is_narrowed"),
    [
        ([FIRST, FIRST], False),
        ([FIRST, FIRST + SECOND], False),
        ([FIRST + SECOND, SECOND + FIRST], False),
        ([FIRST + SECOND, FIRST], True),
        ([FIRST, SECOND], True),
        ([FIRST, b"unreadable"], True),
        ([b"unreadable", FIRST], True),
    ],
)
def test_server_that_loses_a_ca_notes_it(
    bundles: list[bytes], out: Path, *, is_narrowed: bool
) -> None:
    """By a new file, which is kept as long as ca.pem only gets more CAs."""
    before, after = (narrow(out, number, bundle) for number, bundle in enumerate(bundles))
    assert None not in (before, after)
    assert (before != after) is is_narrowed


def test_rollback_that_loses_a_ca_notes_it(out: Path) -> None:
    """And the way back to more of them does not."""
    narrow(out, 1, FIRST + SECOND)
    once = narrow(out, 2, FIRST)
    both, one = generations(out)

    def use(name: str) -> object:
        store.use(SERVER.place(out), name)
        return narrow(out)

    assert use(both) == once
    assert use(one) not in (None, once)


def test_note_that_is_missing_is_made_anew(out: Path) -> None:
    """An earlier version made none, and a run that was killed may have left none."""
    narrow(out, 1, FIRST)
    (out / ".dockertls" / "narrowed").unlink()
    assert narrow(out, 2, FIRST) is not None


def test_client_that_loses_a_ca_notes_nothing(out: Path) -> None:
    """No daemon accepts clients by its ca.pem."""
    put(out, 1)
    put(out, 2)
    assert narrow(out) is None
