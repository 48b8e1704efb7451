"""Whether a credential may be written to a directory, and the error and hint if not."""

from __future__ import annotations

import grp
import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dockertls_vault.cli import main
from dockertls_vault.credential import preflight
from dockertls_vault.credential.layout import Layout
from dockertls_vault.errors import CannotWrite, ConflictingState, UnmanagedFiles
from dockertls_vault.files import reading
from tests.credentials import CLIENT, SERVER, listing, public, put
from tests.harness.missing import as_root, missing
from tests.mounts import lead_to

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dockertls_vault.credential.record import Record
    from tests.harness.openbao import DevVault

NOBODY = pwd.getpwnam("nobody").pw_uid
DAEMON = pwd.getpwnam("daemon").pw_uid
ANOTHER = "choose another directory with --dir"
SUDO = "run it with `sudo -E`, which keeps VAULT_ADDR and VAULT_TOKEN"
WITHOUT_IT = "use a path without this link"
AS_THEM = "run it as {0}, without sudo, or use --owner {0}"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Return the path of a directory that does not exist yet."""
    return tmp_path / "certs"


@pytest.fixture
def home(shared_directory: Path) -> Path:
    """Create a home directory for the user nobody."""
    (shared_directory / "home").mkdir()
    os.chown(shared_directory / "home", NOBODY, -1)
    return shared_directory / "home"


@contextmanager
def as_nobody() -> Iterator[None]:
    """Run the block as the user nobody."""
    os.setresuid(NOBODY, NOBODY, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


def refused(out: Path, **asked: str) -> tuple[str, str]:
    """Install a client credential, expect it to fail, and return the message and the hint."""
    with pytest.raises(CannotWrite) as caught:
        put(out, 1, replace(CLIENT, **asked))  # type: ignore[arg-type]  # owner and group
    return caught.value.message, caught.value.hint


def test_client_is_not_installed_over_a_server_credential(out: Path) -> None:
    """Their generations and request.json would be mixed up."""
    put(out, 1, SERVER)
    with pytest.raises(ConflictingState, match="holds a server credential"):
        put(out, 2, CLIENT)
    assert public(out, ("ca.pem", "server-cert.pem", "server-key.pem")) == {"1"}


@pytest.mark.parametrize("asked", [CLIENT, SERVER])
@pytest.mark.parametrize("there", [CLIENT, SERVER])
def test_dind_directory_is_not_renewed_without_layout_dind(
    out: Path, asked: Record, there: Record
) -> None:
    """It would get a second credential, which docker:dind does not read."""
    put(out, 1, replace(there, layout=Layout.DIND))
    with pytest.raises(ConflictingState, match=r"already holds a .* in the dind layout") as caught:
        put(out, 2, asked)
    assert caught.value.hint == f"add --layout dind to renew it, or {ANOTHER}"
    assert listing(out) == [there.kind.purpose]
    put(out, 3, replace(asked, layout=Layout.DIND))


def test_credential_in_a_subdirectory_does_not_block_its_parent(out: Path) -> None:
    """Subdirectories count only in the dind layout, or if DIR itself has no credential."""
    put(out / "client", 1)
    put(out, 2)
    assert public(out) == {"2"}


def test_fifo_in_place_of_request_json_is_refused(out: Path) -> None:
    """Opening it for reading would block root indefinitely."""
    put(out, 1)
    kept = out / ".dockertls" / "request.json"
    kept.unlink()
    os.mkfifo(kept)
    assert refused(out) == (
        f"{kept} is not a regular file",
        f"mv {kept.parent} {kept.parent}.aside; it is recreated",
    )


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "1", "{}", '{"purpose": "client"}', "\xff", "[" * 200_000],
    ids=lambda content: repr(content[:12]),
)
def test_damaged_request_json_is_refused(out: Path, content: str) -> None:
    """Truncated, of the wrong type, not text, or nested deeper than Python can parse."""
    put(out, 1)
    kept = out / ".dockertls" / "request.json"
    kept.unlink()
    kept.write_text(content, encoding="latin-1")
    with pytest.raises(ConflictingState, match=r"request\.json is corrupt"):
        put(out, 2)
    assert public(out) == {"1"}


def test_foreign_files_are_refused_and_left_unchanged(out: Path) -> None:
    """Without --replace, nothing is replaced and nothing is written."""
    out.mkdir()
    (out / "key.pem").write_text("by hand")
    with pytest.raises(UnmanagedFiles, match=r"key\.pem"):
        put(out, 1)
    assert listing(out) == ["key.pem"]
    assert (out / "key.pem").read_text() == "by hand"


def test_directory_in_place_of_a_file_is_refused(out: Path) -> None:
    """Docker creates one when it bind-mounts a file that does not exist."""
    (out / "key.pem").mkdir(parents=True)
    with pytest.raises(CannotWrite, match="neither a regular file nor a symbolic link"):
        put(out, 1, replace=True)


@pytest.mark.parametrize("below", ["", "deeper", "deeper/still"])
def test_path_to_or_through_a_file_is_refused(out: Path, below: str) -> None:
    """The error names the file."""
    out.write_text("a file")
    assert refused(out / below) == (f"{out} is a file", ANOTHER)


def test_path_that_is_a_fifo_is_refused(out: Path) -> None:
    """A socket or a FIFO is not a directory either."""
    os.mkfifo(out)
    assert refused(out) == (f"{out} is not a directory", ANOTHER)


def test_root_of_the_file_system_is_refused() -> None:
    """Nobody wants /key.pem."""
    assert refused(Path("/")) == ("/ cannot be a credential directory", ANOTHER)


def test_link_to_itself_is_refused(out: Path) -> None:
    """The operating system's own message is shown, without a traceback."""
    out.symlink_to(out.name)
    assert "Too many levels of symbolic links" in refused(out)[0]


def test_missing_target_of_a_link_is_created(out: Path) -> None:
    """The link is followed, and the directory it names is made."""
    out.symlink_to("elsewhere/certs")
    put(out, 1)
    assert public(out.parent / "elsewhere" / "certs") == {"1"}


@as_root
@pytest.mark.parametrize(("mode", "nearest"), [(0o755, "roots/certs"), (0o700, "roots")])
def test_user_is_told_that_a_directory_belongs_to_root(
    shared_directory: Path, mode: int, nearest: str
) -> None:
    """The error names the deepest directory that the user can see."""
    out = shared_directory / "roots" / "certs"
    out.mkdir(parents=True)
    out.parent.chmod(mode)
    with as_nobody():
        expected = (f"{shared_directory / nearest} belongs to root", f"{SUDO}, or {ANOTHER}")
        assert refused(out) == expected


@as_root
def test_root_owned_dockertls_in_a_users_directory_is_refused(home: Path) -> None:
    """Before anything is signed, and also if .dockertls is a file."""
    (home / ".dockertls").mkdir(mode=0o755)
    with as_nobody():
        message = f"{home / '.dockertls'} belongs to root"
        private = home / ".dockertls"
        assert refused(home) == (message, f"mv {private} {private}.aside; it is recreated")
    (home / ".dockertls").rmdir()
    (home / ".dockertls").touch()
    assert refused(home, owner="nobody") == (f"{home / '.dockertls'} is a file", ANOTHER)


@as_root
@pytest.mark.parametrize("below", ["", "home", "home/certs"])
def test_path_through_another_users_directory_is_refused(home: Path, below: str) -> None:
    """Its owner could put another directory there, whoever owns the ones below."""
    above = home.parent
    os.chown(above, DAEMON, -1)
    message = f"{above} belongs to daemon, who could replace the key"
    with as_nobody():
        assert refused(above / below) == (message, f"chown root: {above}, or {ANOTHER}")
    message = f"{above} belongs to daemon, but the files would belong to"
    assert refused(above / below)[0] == f"{message} root"
    assert refused(above / below, owner="nobody") == (f"{message} nobody", ANOTHER)


@as_root
def test_own_directory_without_write_permission_is_refused(home: Path) -> None:
    """No other user is blamed for it."""
    home.chmod(0o555)
    with as_nobody():
        assert refused(home / "certs") == (f"no write permission in {home}", ANOTHER)


@as_root
def test_read_only_file_system_is_refused(tmp_path: Path) -> None:
    """Even root cannot write there."""
    mount = ["mount", "-t", "tmpfs", "-o", "ro", "none", str(tmp_path)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        missing("nothing can be mounted here")
    try:
        message = f"{tmp_path} is on a read-only file system"
        assert refused(tmp_path / "certs") == (message, ANOTHER)
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


@pytest.mark.parametrize("below", ["", ".docker", "a/b"])
@pytest.mark.parametrize("mode", [0o757, 0o753])
def test_world_writable_directory_is_refused(out: Path, mode: int, below: str) -> None:
    """In DIR and in each directory above it, whoever can write can also rename."""
    above = out / "of CI"
    (above / below).mkdir(parents=True)
    above.chmod(mode)
    message = f"every user can write to {above} and replace the key"
    sticky = f"chmod +t '{above}', or " if below else ""
    assert refused(above / below) == (message, f"chmod o-w '{above}', or {sticky}{ANOTHER}")


@as_root
@pytest.mark.parametrize("mode", [0o777, 0o2777, 0o1777])
def test_user_in_a_world_writable_volume_of_root_is_told_to_use_mktemp(
    shared_directory: Path, mode: int
) -> None:
    """As a Kubernetes emptyDir: only its owner is told to change its mode."""
    volume = shared_directory / "builds"
    volume.mkdir()
    os.chown(volume, 0, DAEMON)
    volume.chmod(mode)
    who = f"the group {grp.getgrgid(DAEMON).gr_name} and every user"
    with as_nobody():
        message = f"{who} can write to {volume} and replace the key"
        assert refused(volume) == (message, 'use --dir "$(mktemp -d)"')
    own = f"chmod g-w {volume} and chmod o-w {volume}, or "
    assert refused(volume)[1] == ("" if mode & 0o1000 else own) + ANOTHER


@pytest.mark.parametrize("below", ["", ".docker", "a/b"])
def test_sticky_directory_is_refused_without_a_chmod_hint(out: Path, below: str) -> None:
    """Nobody is told to chmod the likes of /tmp; a directory below it is fine."""
    (out / below).mkdir(parents=True)
    out.chmod(0o1757)
    if below:
        put(out / below, 1)
        assert public(out / below) == {"1"}
    else:
        message = f"every user can write to {out} and replace the key"
        assert refused(out) == (message, ANOTHER)


@pytest.mark.parametrize("directory", ["/tmp", "/var/tmp"])  # noqa: S108 - they are what is meant
def test_tmp_itself_is_refused_and_a_directory_below_it_accepted(directory: str) -> None:
    """With the modes that these directories have on this machine."""
    assert "chmod" not in refused(Path(directory))[1]
    with tempfile.TemporaryDirectory(dir=directory) as below:
        put(Path(below), 1)
        assert public(Path(below)) == {"1"}


@as_root
@pytest.mark.parametrize("below", ["", ".docker", "a/b/c"])
def test_root_writes_no_files_of_its_own_into_a_users_home(home: Path, below: str) -> None:
    """`sudo -E` keeps HOME, and the user could neither read nor renew root's files there."""
    message = f"{home} belongs to nobody, but the files would belong to root"
    assert refused(home / below) == (message, f"{AS_THEM.format('nobody')}, or {ANOTHER}")
    assert listing(home) == []


@as_root
def test_issue_client_under_sudo_needs_the_owner(
    prepared: DevVault, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`sudo -E` alone is refused; with --owner, the result is the same as without sudo."""
    lead_to(prepared, monkeypatch)
    monkeypatch.setenv("HOME", str(home))
    assert main.run(["issue", "client"]) == CannotWrite.exit_status
    assert listing(home) == []
    assert main.run(["issue", "client", "--owner", "nobody"]) == 0
    assert {path.lstat().st_uid for path in home.rglob("*")} == {NOBODY}
    with as_nobody():
        assert (home / ".docker" / "key.pem").read_text().startswith("-----BEGIN PRIVATE KEY-----")


@as_root
def test_root_refuses_its_own_directory_inside_a_users_home(home: Path) -> None:
    """The owner of the home could rename it."""
    (home / "roots").mkdir()
    assert refused(home / "roots" / "certs")[0].startswith(f"{home} belongs to nobody")


@as_root
def test_everything_created_for_an_owner_belongs_to_the_owner(home: Path) -> None:
    """New directories, links and the backup too, so that the owner can renew the credential."""
    out = home / "a" / "b"
    with as_nobody():
        out.mkdir(parents=True)
    (out / "ca.pem").symlink_to("/dev/null")
    record = replace(CLIENT, owner="nobody")
    put(out, 1, record, replace=True)
    put(home / "c" / "d", 1, record)
    assert {path.lstat().st_uid for path in home.rglob("*")} == {NOBODY}
    with as_nobody():
        put(out, 2)
    assert public(out) == {"2"}


@as_root
def test_hint_does_not_contradict_the_owner_that_was_given(home: Path) -> None:
    """When --owner was given, the hint does not suggest another one."""
    message = f"{home} belongs to nobody, but the files would belong to daemon"
    assert refused(home / "certs", owner="daemon") == (message, ANOTHER)


@pytest.fixture
def root_owned(shared_directory: Path) -> Path:
    """Create an empty directory that belongs to root, mode 0755, next to the home."""
    (shared_directory / "roots").mkdir(mode=0o755)
    return shared_directory / "roots"


@as_root
@pytest.mark.parametrize("below", ["", "deeper"])
def test_owners_link_is_followed_with_the_owners_rights(
    home: Path, root_owned: Path, below: str
) -> None:
    """To root's directory they can write nothing; to their own, they can."""
    with as_nobody():
        (home / ".docker").symlink_to(root_owned)
    message = f"{root_owned} belongs to root, but the files would belong to nobody"
    assert refused(home / ".docker" / below, owner="nobody") == (message, ANOTHER)
    assert listing(root_owned) == []
    (home / ".docker").unlink()
    with as_nobody():
        (home / ".docker").symlink_to("kept")
    put(home / ".docker" / below, 1, replace(CLIENT, owner="nobody"))
    assert public(home / "kept" / below) == {"1"}


@as_root
def test_root_does_not_follow_another_users_link(home: Path, root_owned: Path) -> None:
    """Not even one in a directory that belongs to root, such as /tmp."""
    link = home.parent / "link"
    link.symlink_to(root_owned)
    os.chown(link, NOBODY, -1, follow_symlinks=False)
    assert refused(link) == (f"{link} is a symbolic link that nobody could change", WITHOUT_IT)
    assert listing(root_owned) == []


@as_root
def test_root_owned_directory_inside_the_owners_is_refused(home: Path) -> None:
    """It does not belong to the owner, so the owner's files cannot go there."""
    (home / ".docker").mkdir(mode=0o755)
    message = f"{home / '.docker'} belongs to root, but the files would belong to nobody"
    assert refused(home / ".docker", owner="nobody") == (message, ANOTHER)


@as_root
@pytest.mark.parametrize("look", [1, 2])
@pytest.mark.parametrize("kind", ["link", "root's own directory"])
def test_directory_swapped_after_the_check_is_used_with_the_owners_rights(
    home: Path, root_owned: Path, look: int, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the path leads to by then, root's privileges are not used on it."""
    with as_nobody():
        (home / ".docker").mkdir()
    looks = itertools.count(1)

    def exchange(*arguments: Any, **options: Any) -> tuple[str, ...]:
        found = preflight.check(*arguments, **options)
        if next(looks) == look:
            # In a child, as root: this thread has the owner's fsuid.
            put_there = "ln -s" if kind == "link" else "mv"
            script = f"mv .docker aside && {put_there} {root_owned} .docker"
            subprocess.run(["sh", "-c", script], cwd=home, check=True)
        return found

    monkeypatch.setattr("dockertls_vault.credential.store.check", exchange)
    if look == 1:
        assert "Permission denied" in refused(home / ".docker", owner="nobody")[0]
    else:  # it goes on in what is open
        put(home / ".docker", 1, replace(CLIENT, owner="nobody"))
        assert public(home / "aside") == {"1"}
    assert listing(home / ".docker") == []


@as_root
def test_root_follows_its_own_links(home: Path) -> None:
    """/etc/docker may be one; directories created for the owner still belong to the owner."""
    link = home.parent / "link"
    link.symlink_to("home/new")
    put(link / ".." / "new" / "certs", 1, replace(CLIENT, owner="nobody"))
    assert {path.lstat().st_uid for path in home.rglob("*")} == {NOBODY}
    assert public(home / "new" / "certs") == {"1"}


@as_root
def test_owner_without_a_name_is_shown_by_number(home: Path) -> None:
    """A container's user often has no entry in this machine's passwd."""
    os.chown(home, 54321, -1)
    assert refused(home)[1] == f"{AS_THEM.format(54321)}, or {ANOTHER}"
    put(home, 1, replace(CLIENT, owner="54321"))
    assert (home / "key.pem").stat().st_uid == 54321


def test_proc_link_whose_text_is_not_its_target_is_refused(tmp_path: Path) -> None:
    """By its text, it would name a different directory of ours."""
    gone = tmp_path / "gone"
    gone.mkdir()
    with reading.opened(str(gone)) as opened:
        gone.rmdir()
        with pytest.raises(CannotWrite, match="the link resolves to another place"):
            put(Path(f"/proc/self/fd/{opened}/certs"), 1)
    assert listing(tmp_path) == []


@as_root
def test_path_into_another_mount_namespace_is_refused(tmp_path: Path) -> None:
    """Its root is the same directory as ours, but its mounts are not."""
    unshare = shutil.which("unshare") or missing("unshare is not installed")
    script = 'mount -t tmpfs none "$0" && mkdir "$0/certs" && echo ready && exec sleep 600'
    with subprocess.Popen(
        [unshare, "--mount", "sh", "-c", script, str(tmp_path)], stdout=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            with pytest.raises(CannotWrite, match="the link resolves to another place"):
                put(Path(f"/proc/{process.pid}/root{tmp_path}/certs"), 1)
        finally:
            process.kill()
    assert listing(tmp_path) == []
    put(Path(f"/proc/self/root{tmp_path}/certs"), 1)
    assert public(tmp_path / "certs") == {"1"}
