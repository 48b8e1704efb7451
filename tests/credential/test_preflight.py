"""Whether a credential may be written somewhere, and what is said if not."""

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
from dockertls_vault.errors import CannotWrite, ConflictingState, ForeignFiles
from dockertls_vault.files import atomic
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
WITHOUT_IT = "give a path without this link"
AS_THEM = "run it as {0}, without sudo; or give --owner {0}"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Return a directory that is not there yet."""
    return tmp_path / "certs"


@pytest.fixture
def home(everybodys: Path) -> Path:
    """Make the home of the user nobody."""
    (everybodys / "home").mkdir()
    os.chown(everybodys / "home", NOBODY, -1)
    return everybodys / "home"


@contextmanager
def nobody() -> Iterator[None]:
    """Be the user nobody for a while."""
    os.setresuid(NOBODY, NOBODY, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


def refused(out: Path, **asked: str) -> tuple[str, str]:
    """Install a client's credential, which must fail; return the message and the hint."""
    with pytest.raises(CannotWrite) as caught:
        put(out, 1, replace(CLIENT, **asked))  # type: ignore[arg-type]  # owner and group
    return caught.value.message, caught.value.hint


def test_a_server_and_a_client_do_not_share_a_directory(out: Path) -> None:
    """Their generations and requests would be mixed up."""
    put(out, 1, SERVER)
    with pytest.raises(ConflictingState, match="holds a server credential"):
        put(out, 2, CLIENT)
    assert public(out, ("ca.pem", "server-cert.pem", "server-key.pem")) == {"1"}


@pytest.mark.parametrize("asked", [CLIENT, SERVER])
@pytest.mark.parametrize("there", [CLIENT, SERVER])
def test_a_directory_for_dind_is_not_renewed_without_its_layout(
    out: Path, asked: Record, there: Record
) -> None:
    """It would get a second credential, which dind does not read."""
    put(out, 1, replace(there, layout=Layout.DIND))
    with pytest.raises(ConflictingState, match=r"holds a .* in the dind layout already") as caught:
        put(out, 2, asked)
    assert caught.value.hint == f"add --layout dind to renew that one, or {ANOTHER}"
    assert listing(out) == [there.kind.purpose]
    put(out, 3, replace(asked, layout=Layout.DIND))


def test_a_directory_beside_one_of_its_own_layout(out: Path) -> None:
    """What is below counts only where it is of dind's layout, or nothing is in DIR itself."""
    put(out / "client", 1)
    put(out, 2)
    assert public(out) == {"2"}


def test_a_request_that_is_no_file_is_not_waited_for(out: Path) -> None:
    """A FIFO in the place of request.json would keep root for ever."""
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
def test_a_request_that_was_damaged(out: Path, content: str) -> None:
    """It may be cut short, of another kind, no text, or nested deeper than Python reads."""
    put(out, 1)
    kept = out / ".dockertls" / "request.json"
    kept.unlink()
    kept.write_text(content, encoding="latin-1")
    with pytest.raises(ConflictingState, match=r"request\.json was damaged"):
        put(out, 2)
    assert public(out) == {"1"}


def test_files_of_others_are_refused_and_stay(out: Path) -> None:
    """Without being asked nothing is replaced, and nothing at all is written."""
    out.mkdir()
    (out / "key.pem").write_text("by hand")
    with pytest.raises(ForeignFiles, match=r"key\.pem"):
        put(out, 1)
    assert listing(out) == ["key.pem"]
    assert (out / "key.pem").read_text() == "by hand"


def test_a_directory_in_the_place_of_a_file_is_refused(out: Path) -> None:
    """Docker makes one when it bind-mounts a file that is not there."""
    (out / "key.pem").mkdir(parents=True)
    with pytest.raises(CannotWrite, match="neither a file nor a symbolic link"):
        put(out, 1, replace=True)


@pytest.mark.parametrize("below", ["", "deeper", "deeper/still"])
def test_a_path_that_is_a_file_is_called_so(out: Path, below: str) -> None:
    """Also one that leads through a file."""
    out.write_text("a file")
    assert refused(out / below) == (f"{out} is a file", ANOTHER)


def test_a_path_that_is_no_file_either(out: Path) -> None:
    """A socket or a pipe."""
    os.mkfifo(out)
    assert refused(out) == (f"{out} is not a directory", ANOTHER)


def test_the_top_of_the_file_system() -> None:
    """Nobody wants a /key.pem."""
    assert refused(Path("/")) == ("/ cannot be a credential directory", ANOTHER)


def test_a_link_that_leads_to_itself(out: Path) -> None:
    """The system's own words, and no traceback."""
    out.symlink_to(out.name)
    assert "Too many levels of symbolic links" in refused(out)[0]


def test_a_link_that_leads_nowhere_yet(out: Path) -> None:
    """What it chains to is made."""
    out.symlink_to("elsewhere/certs")
    put(out, 1)
    assert public(out.parent / "elsewhere" / "certs") == {"1"}


@as_root
@pytest.mark.parametrize(("mode", "nearest"), [(0o755, "roots/certs"), (0o700, "roots")])
def test_a_directory_of_root_is_called_so(everybodys: Path, mode: int, nearest: str) -> None:
    """Whether it can be looked into or not; what cannot be seen is not spoken of."""
    out = everybodys / "roots" / "certs"
    out.mkdir(parents=True)
    out.parent.chmod(mode)
    with nobody():
        expected = (f"{everybodys / nearest} belongs to root", f"{SUDO}, or {ANOTHER}")
        assert refused(out) == expected


@as_root
def test_what_root_left_in_ones_own_directory_is_called_so(home: Path) -> None:
    """Before anything is signed; also where it is no directory at all."""
    (home / ".dockertls").mkdir(mode=0o755)
    with nobody():
        message = f"{home / '.dockertls'} belongs to root"
        private = home / ".dockertls"
        assert refused(home) == (message, f"mv {private} {private}.aside; it is recreated")
    (home / ".dockertls").rmdir()
    (home / ".dockertls").touch()
    assert refused(home, owner="nobody") == (f"{home / '.dockertls'} is a file", ANOTHER)


@as_root
@pytest.mark.parametrize("below", ["", "home", "home/certs"])
def test_no_step_of_the_way_may_be_another_users(home: Path, below: str) -> None:
    """Its owner could put another directory there, whoever owns what is below."""
    above = home.parent
    os.chown(above, DAEMON, -1)
    message = f"{above} belongs to daemon, who could replace the key"
    with nobody():
        assert refused(above / below) == (message, f"chown root: {above}, or {ANOTHER}")
    message = f"{above} belongs to daemon, and the files would be"
    assert refused(above / below)[0] == f"{message} root's"
    assert refused(above / below, owner="nobody") == (f"{message} nobody's", ANOTHER)


@as_root
def test_ones_own_directory_without_the_right_to_write(home: Path) -> None:
    """Nobody else is to be named."""
    home.chmod(0o555)
    with nobody():
        assert refused(home / "certs") == (f"no write permission in {home}", ANOTHER)


@as_root
def test_a_read_only_file_system_is_called_so(tmp_path: Path) -> None:
    """Not even root can write there."""
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
def test_what_anybody_can_write_is_refused(out: Path, mode: int, below: str) -> None:
    """The directory, and each above it: who can write in it can rename what is in it."""
    above = out / "of CI"
    (above / below).mkdir(parents=True)
    above.chmod(mode)
    message = f"anybody can write in {above}, and replace the key"
    sticky = f"chmod +t '{above}', or " if below else ""
    assert refused(above / below) == (message, f"chmod o-w '{above}', or {sticky}{ANOTHER}")


@as_root
@pytest.mark.parametrize("mode", [0o777, 0o2777, 0o1777])
def test_a_volume_for_everybody_that_is_roots(everybodys: Path, mode: int) -> None:
    """An emptyDir of Kubernetes: who may not change its mode is told where else to go."""
    volume = everybodys / "builds"
    volume.mkdir()
    os.chown(volume, 0, DAEMON)
    volume.chmod(mode)
    who = f"the group {grp.getgrgid(DAEMON).gr_name} and anybody"
    with nobody():
        message = f"{who} can write in {volume}, and replace the key"
        assert refused(volume) == (message, 'give --dir "$(mktemp -d)"')
    own = f"chmod g-w {volume} and chmod o-w {volume}, or "
    assert refused(volume)[1] == ("" if mode & 0o1000 else own) + ANOTHER


@pytest.mark.parametrize("below", ["", ".docker", "a/b"])
def test_what_is_for_everybody_is_left_as_it_is(out: Path, below: str) -> None:
    """Nobody is led to take the right to write in the likes of /tmp; what is below it is ours."""
    (out / below).mkdir(parents=True)
    out.chmod(0o1757)
    if below:
        put(out / below, 1)
        assert public(out / below) == {"1"}
    else:
        message = f"anybody can write in {out}, and replace the key"
        assert refused(out) == (message, ANOTHER)


@pytest.mark.parametrize("directory", ["/tmp", "/var/tmp"])  # noqa: S108 - they are what is meant
def test_the_directories_that_every_machine_has(directory: str) -> None:
    """As they are here: not for a key themselves, and good for a directory below them."""
    assert "chmod" not in refused(Path(directory))[1]
    with tempfile.TemporaryDirectory(dir=directory) as below:
        put(Path(below), 1)
        assert public(Path(below)) == {"1"}


@as_root
@pytest.mark.parametrize("below", ["", ".docker", "a/b/c"])
def test_root_leaves_nothing_of_its_own_with_another_user(home: Path, below: str) -> None:
    """`sudo -E` keeps HOME: the caller could neither read nor renew what is root's there."""
    message = f"{home} belongs to nobody, and the files would be root's"
    assert refused(home / below) == (message, f"{AS_THEM.format('nobody')}, or {ANOTHER}")
    assert listing(home) == []


@as_root
def test_a_client_under_sudo_gets_files_of_its_own(
    prepared: DevVault, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`sudo -E dockertls-vault issue client` is refused, and with --owner it is as without sudo."""
    lead_to(prepared, monkeypatch)
    monkeypatch.setenv("HOME", str(home))
    assert main.run(["issue", "client"]) == CannotWrite.exit_status
    assert listing(home) == []
    assert main.run(["issue", "client", "--owner", "nobody"]) == 0
    assert {path.lstat().st_uid for path in home.rglob("*")} == {NOBODY}
    with nobody():
        assert (home / ".docker" / "key.pem").read_text().startswith("-----BEGIN PRIVATE KEY-----")


@as_root
def test_root_leaves_nothing_below_what_it_made_there(home: Path) -> None:
    """The home's owner could rename what root made in it."""
    (home / "roots").mkdir()
    assert refused(home / "roots" / "certs")[0].startswith(f"{home} belongs to nobody")


@as_root
def test_with_the_owner_named_all_of_it_is_the_owners(home: Path) -> None:
    """Directories on the way, links, backup and all; so they can renew it themselves."""
    out = home / "a" / "b"
    with nobody():
        out.mkdir(parents=True)
    (out / "ca.pem").symlink_to("/dev/null")
    record = replace(CLIENT, owner="nobody")
    put(out, 1, record, replace=True)
    put(home / "c" / "d", 1, record)
    assert {path.lstat().st_uid for path in home.rglob("*")} == {NOBODY}
    with nobody():
        put(out, 2)
    assert public(out) == {"2"}


@as_root
def test_the_owner_named_is_not_the_one_of_the_directory(home: Path) -> None:
    """Nobody is told to give another --owner than they gave."""
    message = f"{home} belongs to nobody, and the files would be daemon's"
    assert refused(home / "certs", owner="daemon") == (message, ANOTHER)


@pytest.fixture
def roots(everybodys: Path) -> Path:
    """Make an empty directory of root's, 0755, beside the home."""
    (everybodys / "roots").mkdir(mode=0o755)
    return everybodys / "roots"


@as_root
@pytest.mark.parametrize("below", ["", "deeper"])
def test_a_link_of_the_owner_is_followed_with_their_rights(
    home: Path, roots: Path, below: str
) -> None:
    """Where it chains to root's directory, they can do nothing; where to theirs, it is theirs."""
    with nobody():
        (home / ".docker").symlink_to(roots)
    message = f"{roots} belongs to root, and the files would be nobody's"
    assert refused(home / ".docker" / below, owner="nobody") == (message, ANOTHER)
    assert listing(roots) == []
    (home / ".docker").unlink()
    with nobody():
        (home / ".docker").symlink_to("kept")
    put(home / ".docker" / below, 1, replace(CLIENT, owner="nobody"))
    assert public(home / "kept" / below) == {"1"}


@as_root
def test_root_follows_no_link_of_another_for_itself(home: Path, roots: Path) -> None:
    """Nor one that is in a directory of root's, as in /tmp."""
    link = home.parent / "link"
    link.symlink_to(roots)
    os.chown(link, NOBODY, -1, follow_symlinks=False)
    assert refused(link) == (f"{link} is a link that nobody could lead elsewhere", WITHOUT_IT)
    assert listing(roots) == []


@as_root
def test_a_directory_of_root_in_that_of_the_owner(home: Path) -> None:
    """Not the owner's own, and so not a place for what is."""
    (home / ".docker").mkdir(mode=0o755)
    message = f"{home / '.docker'} belongs to root, and the files would be nobody's"
    assert refused(home / ".docker", owner="nobody") == (message, ANOTHER)


@as_root
@pytest.mark.parametrize("look", [1, 2])
@pytest.mark.parametrize("kind", ["link", "root's own directory"])
def test_a_directory_that_is_exchanged_after_the_look(
    home: Path, roots: Path, look: int, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is there at whichever time, it is the owner's rights that it is done with."""
    with nobody():
        (home / ".docker").mkdir()
    looks = itertools.count(1)

    def exchange(*arguments: Any, **options: Any) -> tuple[str, ...]:
        found = preflight.check(*arguments, **options)
        if next(looks) == look:
            # As root, which this thread is not while it acts as the owner.
            put_there = "ln -s" if kind == "link" else "mv"
            script = f"mv .docker aside && {put_there} {roots} .docker"
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
def test_root_follows_links_of_its_own(home: Path) -> None:
    """/etc/docker may be one; and what is then made for the owner is the owner's."""
    link = home.parent / "link"
    link.symlink_to("home/new")
    put(link / ".." / "new" / "certs", 1, replace(CLIENT, owner="nobody"))
    assert {path.lstat().st_uid for path in home.rglob("*")} == {NOBODY}
    assert public(home / "new" / "certs") == {"1"}


@as_root
def test_an_owner_without_a_name(home: Path) -> None:
    """The user of a container, whom this machine does not know, goes by a number."""
    os.chown(home, 54321, -1)
    assert refused(home)[1] == f"{AS_THEM.format(54321)}, or {ANOTHER}"
    put(home, 1, replace(CLIENT, owner="54321"))
    assert (home / "key.pem").stat().st_uid == 54321


def test_a_link_of_proc_that_leads_elsewhere_than_it_says(tmp_path: Path) -> None:
    """As into another mount namespace: by its text it would be another directory of ours."""
    gone = tmp_path / "gone"
    gone.mkdir()
    with atomic.opened(str(gone)) as opened:
        gone.rmdir()
        with pytest.raises(CannotWrite, match="leads elsewhere than it says"):
            put(Path(f"/proc/self/fd/{opened}/certs"), 1)
    assert listing(tmp_path) == []


@as_root
def test_another_mount_namespace(tmp_path: Path) -> None:
    """Its root is the same directory as ours, and what is mounted below it is not."""
    unshare = shutil.which("unshare") or missing("unshare is not installed")
    script = 'mount -t tmpfs none "$0" && mkdir "$0/certs" && echo ready && exec sleep 600'
    with subprocess.Popen(
        [unshare, "--mount", "sh", "-c", script, str(tmp_path)], stdout=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            with pytest.raises(CannotWrite, match="leads elsewhere than it says"):
                put(Path(f"/proc/{process.pid}/root{tmp_path}/certs"), 1)
        finally:
            process.kill()
    assert listing(tmp_path) == []
    put(Path(f"/proc/self/root{tmp_path}/certs"), 1)
    assert public(tmp_path / "certs") == {"1"}


def test_a_descriptor_is_no_name(tmp_path: Path) -> None:
    """What fails at one has its number where a name would be, which tells nobody anything."""
    with (
        atomic.opened(str(tmp_path)) as opened,
        pytest.raises(CannotWrite) as caught,
        preflight.refusals(tmp_path),
    ):
        os.removexattr(opened, "user.none")
    assert caught.value.message.startswith(f"cannot write in {tmp_path}: ")
    assert not caught.value.message.endswith(")")
