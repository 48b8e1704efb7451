"""Whose privileges do the work in a directory, and which directories and files are refused."""

from __future__ import annotations

import grp
import os
import pwd
import shlex
import subprocess
import sys
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dockertls_vault.certificate.names import Names
from dockertls_vault.credential import preflight, store, worker
from dockertls_vault.credential.layout import Layout
from dockertls_vault.errors import CannotWrite, InvalidInput
from dockertls_vault.files import acl, atomic
from tests import acls
from tests.credentials import CLIENT, NAMES, NOW, SERVER, listing, material, public, put
from tests.harness.missing import as_root, missing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dockertls_vault.credential.record import Record

NOBODY, DAEMON, BIN = (pwd.getpwnam(name).pw_uid for name in ("nobody", "daemon", "bin"))
GAMES = grp.getgrnam("games").gr_gid
ANOTHER = "choose another directory with --dir"
OWNED = replace(CLIENT, owner="nobody")


@pytest.fixture
def home(shared_directory: Path) -> Path:
    """Create a home directory for the user nobody."""
    (shared_directory / "home").mkdir()
    os.chown(shared_directory / "home", NOBODY, -1)
    return shared_directory / "home"


@pytest.fixture
def root_owned(shared_directory: Path) -> Path:
    """Create a directory of root's with files that only root can read."""
    directory = shared_directory / "roots"
    directory.mkdir(mode=0o755)
    for name in NAMES:
        (directory / name).write_text(f"{name} of root")
        (directory / name).chmod(0o600)
    return directory


@contextmanager
def acting_as(uid: int) -> Iterator[None]:
    """Run the block as another user."""
    os.setresuid(uid, uid, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


def refusal(out: Path, record: Record = CLIENT, admins: str | None = None) -> tuple[str, str]:
    """Check a directory, expect it to be refused, and return the message and the hint."""
    before = [*out.parent.rglob("*")]
    with pytest.raises(CannotWrite) as caught:
        preflight.check(record.place(out, admins), replace=True)
    assert [*out.parent.rglob("*")] == before
    return caught.value.message, caught.value.hint


# --- root's privileges in another user's directory


def _link_current(home: Path, root_owned: Path) -> None:
    """Make the file that root would link into a backup be one of root's own."""
    (home / ".dockertls").mkdir(mode=0o755)
    (home / ".dockertls" / "current").symlink_to(root_owned)
    (home / "ca.pem").write_text("by hand")
    for name in NAMES[1:]:
        (home / name).symlink_to(f".dockertls/current/{name}")


def _link_lock(home: Path, root_owned: Path) -> None:
    """Make the lock, which root would chown, a hard link to root's key."""
    (home / ".dockertls").mkdir(mode=0o755)
    (home / ".dockertls" / "lock").hardlink_to(root_owned / "key.pem")


def _link_request(home: Path, root_owned: Path) -> None:
    """Make request.json a link to root's key."""
    (home / ".dockertls").mkdir(mode=0o755)
    (home / ".dockertls" / "request.json").symlink_to(root_owned / "key.pem")


def _fifo_request(home: Path, _roots: Path) -> None:
    """Make request.json a FIFO, which blocks whoever opens it."""
    (home / ".dockertls").mkdir(mode=0o755)
    os.mkfifo(home / ".dockertls" / "request.json")


def _endless_request(home: Path, _roots: Path) -> None:
    """Make request.json an endless file."""
    (home / ".dockertls").mkdir(mode=0o755)
    (home / ".dockertls" / "request.json").symlink_to("/dev/zero")


def _fifo_lock(home: Path, _roots: Path) -> None:
    """Make the lock a FIFO, which blocks whoever opens it."""
    (home / ".dockertls").mkdir(mode=0o755)
    os.mkfifo(home / ".dockertls" / "lock")


def _link_generations(home: Path, root_owned: Path) -> None:
    """Make root prune in one of its own directories."""
    (home / ".dockertls").mkdir(mode=0o755)
    (home / ".dockertls" / "generations").symlink_to(root_owned)


def _link_private(home: Path, root_owned: Path) -> None:
    """Make root write to one of its own directories."""
    (home / ".dockertls").symlink_to(root_owned)


def _link_ca(home: Path, root_owned: Path) -> None:
    """Make the public files links to root's, so that root would disclose them."""
    for name in NAMES:
        (home / name).symlink_to(root_owned / name)


PLANTED = [
    _link_current,
    _link_lock,
    _link_request,
    _fifo_request,
    _endless_request,
    _fifo_lock,
    _link_generations,
    _link_private,
    _link_ca,
]


@as_root
@pytest.mark.timeout(60)
@pytest.mark.parametrize("plant", PLANTED)
def test_planted_links_and_fifos_do_not_reach_roots_files(
    home: Path, root_owned: Path, plant: Callable[[Path, Path], None]
) -> None:
    """Whatever the owner plants, root's files keep their owner, content and link count."""
    plant(home, root_owned)
    for path in home.rglob("*"):
        if path.lstat().st_nlink == 1:
            os.chown(path, NOBODY, -1, follow_symlinks=False)
    names = {name: (root_owned / name).stat().st_nlink for name in NAMES}
    try:
        put(home, 1, OWNED, replace=True)
    except CannotWrite:
        pass
    else:
        assert public(home) == {"1"}
    for name in NAMES:
        status = (root_owned / name).stat()
        assert (status.st_uid, status.st_mode & 0o7777) == (0, 0o600)
        assert status.st_nlink == names[name]
        assert (root_owned / name).read_text() == f"{name} of root"
    assert listing(root_owned) == sorted(NAMES)


@as_root
def test_work_in_the_owners_directory_is_done_as_the_owner(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every file, lock and group belongs to the owner, without any chown by root."""
    monkeypatch.delattr(os, "fchown")
    put(home / ".docker", 1, OWNED)
    nobody = pwd.getpwuid(NOBODY).pw_gid
    assert {(path.lstat().st_uid, path.lstat().st_gid) for path in home.rglob("*")} == {
        (NOBODY, nobody)
    }


@as_root
def test_work_in_roots_directory_is_done_as_root(root_owned: Path) -> None:
    """The owner gets the three files, but no directory that root will work in again."""
    out = root_owned / "certs"
    out.mkdir()
    for number in (1, 2):
        put(out, number, OWNED)
    theirs = {path.relative_to(out) for path in out.rglob("*") if path.lstat().st_uid == NOBODY}
    assert {path.name for path in theirs} == set(NAMES)
    assert {path.parent.parent.name for path in theirs} == {"generations"}


@as_root
@pytest.mark.parametrize("more", ["", "deeper"])
def test_directory_created_for_the_owner_belongs_to_the_owner(
    shared_directory: Path, more: str
) -> None:
    """From the moment it has its name; the directories above it belong to root."""
    out = shared_directory / "certs" / more
    put(out, 1, OWNED)
    assert {path.lstat().st_uid for path in (out, *out.rglob("*"))} == {NOBODY}
    assert out.stat().st_mode & 0o7777 == 0o755
    assert more == "" or out.parent.stat().st_uid == 0
    assert listing(out.parent) == [out.name]


@as_root
def test_directory_for_the_owner_appears_only_once_it_is_theirs(
    shared_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run killed before that leaves no such name, and the next run succeeds."""

    class _KilledError(BaseException):
        pass

    def killed(*_: object) -> None:
        raise _KilledError

    out = shared_directory / "certs"
    for call in ("fchown", "fchmod"):
        monkeypatch.setattr(os, call, killed)
        with pytest.raises(_KilledError):
            put(out, 1, OWNED)
        monkeypatch.undo()
        assert not out.exists()
    put(out, 1, OWNED)
    assert listing(shared_directory) == ["certs"]


@as_root
@pytest.mark.parametrize(("uid", "inside"), [(DAEMON, ""), (0, "something")])
def test_foreign_directory_under_the_temporary_name_is_refused(
    shared_directory: Path, uid: int, inside: str
) -> None:
    """Another user's, as in /tmp, or one with content: it is left as it is."""
    shared_directory.chmod(0o1777)
    planted = shared_directory / ".certs.dockertls-vault"
    planted.mkdir()
    if inside:
        (planted / inside).touch()
    os.chown(planted, uid, -1)
    with pytest.raises(CannotWrite, match=f"File exists .*{planted.name}"):
        put(shared_directory / "certs", 1, OWNED)
    assert planted.stat().st_uid == uid
    assert listing(shared_directory) == [planted.name]


@as_root
def test_directory_created_for_the_owner_has_no_acl(shared_directory: Path) -> None:
    """A default ACL above it is not inherited."""
    acls.grant(shared_directory, acls.user(DAEMON, 0o5), kind=acl.DEFAULT)
    put(shared_directory / "certs", 1, OWNED)
    assert not [name for name in os.listxattr(shared_directory / "certs") if "acl" in name]


@as_root
def test_directory_that_appears_meanwhile_is_not_replaced(
    shared_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is checked like any other; here it belongs to root."""
    out = shared_directory / "certs"
    real = atomic.rename_noreplace

    def rename_noreplace(*arguments: Any) -> None:
        out.mkdir()
        real(*arguments)

    monkeypatch.setattr(atomic, "rename_noreplace", rename_noreplace)
    put(out, 1, OWNED)
    assert out.stat().st_uid == 0
    assert public(out) == {"1"}


@as_root
def test_concurrent_runs_create_one_directory_for_the_owner(
    shared_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One run finishes before the other has created or opened its temporary directory."""
    real, out = os.open, shared_directory / "certs"

    def faster(name: str, *arguments: Any, **options: Any) -> int:
        if name == f".{out.name}.dockertls-vault":
            monkeypatch.undo()
            put(out, 1, OWNED)
        return real(name, *arguments, **options)

    monkeypatch.setattr(os, "open", faster)
    put(out, 2, OWNED)
    assert public(out) == {"2"}
    assert listing(shared_directory) == ["certs"]


@as_root
def test_owners_directory_that_appears_during_the_check_is_used(
    shared_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was missing when the worker was chosen and exists when the work begins."""
    out = shared_directory / "certs"
    real = worker.refuse_component
    put(out, 1, OWNED)
    out.rename(shared_directory / "aside")

    def refuse_component(*arguments: Any) -> None:
        real(*arguments)
        # On the second walk, which is root's own.
        seen.append(arguments)
        if len(seen) == once + 1:
            (shared_directory / "aside").rename(out)

    seen: list[Any] = []
    once = len(Path(shared_directory).parts)
    monkeypatch.setattr(worker, "refuse_component", refuse_component)
    monkeypatch.setattr(preflight, "refuse_component", refuse_component)
    put(out, 2, OWNED)
    assert public(out) == {"2"}


@as_root
def test_group_without_the_owner_is_refused_in_the_owners_directory(
    home: Path, root_owned: Path
) -> None:
    """The owner could not chgrp a file to it; root can, in its own directory."""
    request = replace(OWNED, group="games")
    for out in (home, home / "new", root_owned / "new"):
        with pytest.raises(InvalidInput, match="nobody is not a member of the group games"):
            preflight.check(request.place(out), replace=False)
    own = root_owned / "own"
    own.mkdir()
    put(own, 1, request)
    assert (own / "key.pem").stat().st_gid == GAMES


@as_root
@pytest.mark.timeout(120)
def test_swapping_the_directory_for_a_link_never_reaches_roots_directory(
    home: Path, root_owned: Path
) -> None:
    """The owner swaps it in a loop while root installs."""
    (home / ".docker").mkdir()
    os.chown(home / ".docker", NOBODY, -1)
    script = (
        "while [ -e 'goes on' ]; do "
        f"mv -T .docker d; ln -sT {root_owned} .docker; rm -rf .docker; mv -T d .docker; done"
    )
    goes_on = home / "goes on"
    goes_on.touch()
    exchange = subprocess.Popen(
        ["sh", "-c", script],
        cwd=home,
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
        stderr=subprocess.DEVNULL,
    )
    for number in range(60):
        with suppress(CannotWrite):
            put(home / ".docker", number, OWNED)
    goes_on.unlink()
    exchange.wait(60)
    assert listing(root_owned) == sorted(NAMES)
    assert all((root_owned / name).read_text() == f"{name} of root" for name in NAMES)
    assert {path.lstat().st_uid for path in home.rglob("*")} == {NOBODY}


# --- only directories that no other user can write to


@as_root
def test_owner_changed_after_the_check_is_noticed_on_opening(
    shared_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is created in a directory that became another user's, not even the lock."""
    out = shared_directory / "certs"
    out.mkdir()

    def exchange(*arguments: Any, **options: Any) -> object:
        found = preflight.check(*arguments, **options)
        os.chown(out, DAEMON, -1)
        return found

    monkeypatch.setattr("dockertls_vault.credential.store.check", exchange)
    with pytest.raises(CannotWrite, match=f"{out} belongs to daemon"):
        put(out, 1)
    assert listing(out) == []


def test_directory_replaced_by_a_link_while_opening_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the directory that was checked is opened."""
    out, elsewhere = tmp_path / "certs", tmp_path / "elsewhere"
    out.mkdir()
    elsewhere.mkdir()
    real = os.lstat

    def lstat(name: str, **where: int) -> os.stat_result:
        status = real(name, **where)
        if name == "certs":
            out.rmdir()
            out.symlink_to(elsewhere)
            monkeypatch.undo()
        return status

    monkeypatch.setattr(os, "lstat", lstat)
    with pytest.raises(CannotWrite, match="Not a directory"):
        put(out, 1)
    assert listing(elsewhere) == []


@as_root
@pytest.mark.parametrize("worker", ["root", "nobody"])
@pytest.mark.parametrize("below", ["", "certs"])
def test_directory_that_an_acl_lets_others_write_is_refused(
    home: Path, worker: str, below: str
) -> None:
    """The user named there can write, whatever the mode shows."""
    above = home / "above"
    (above / below).mkdir(parents=True)
    os.chown(above, NOBODY if worker == "nobody" else 0, -1)
    os.chown(home, NOBODY if worker == "nobody" else 0, -1)
    acls.grant(above, acls.user(DAEMON, acls.ALL))
    request = OWNED if worker == "nobody" else CLIENT
    message = f"daemon can write to {above} and replace the key"
    hint = f"setfacl -x u:daemon {above}, or {ANOTHER}"
    assert refusal(above / below, request) == (message, hint)


def test_acl_without_effective_write_for_others_is_accepted(tmp_path: Path) -> None:
    """Read only, limited by the mask, or for ourselves."""
    me = os.geteuid()
    for number, (entry, mask) in enumerate(
        [(acls.user(BIN, 0o5), 0o7), (acls.user(BIN, 0o7), 0o5), (acls.user(me, 0o7), 0o7)]
    ):
        out = tmp_path / str(number)
        out.mkdir()
        acls.grant(out, entry, mask=mask)
        put(out, 1)
        assert public(out) == {"1"}


@pytest.mark.parametrize("group", ["--group", ""])
def test_default_acl_does_not_apply_to_the_key(tmp_path: Path, group: str) -> None:
    """A key reported as 0440 or 0400 is readable by exactly those."""
    acls.grant(tmp_path, acls.user(BIN, acls.ALL), kind=acl.DEFAULT)
    request = replace(CLIENT, group=str(os.getegid())) if group else CLIENT
    put(tmp_path / "certs", 1, request)
    for path in (tmp_path / "certs").rglob("*"):
        assert not [name for name in os.listxattr(path, follow_symlinks=False) if "acl" in name]
    mode = (tmp_path / "certs" / "key.pem").stat().st_mode & 0o7777
    assert mode == (0o440 if group else 0o400)


@as_root
def test_group_that_can_write_is_accepted_only_if_named(home: Path) -> None:
    """This applies to modes and ACLs, in the directory itself and above it."""
    os.chown(home, 0, GAMES)
    home.chmod(0o775)
    (home / "below").mkdir()
    acls.grant(home / "below", acls.group(GAMES, acls.ALL))
    message = f"the group games can write to {home} and replace the key"
    hint = "use --admin-group games if its members may replace the key, or chmod g-w"
    assert refusal(home / "below") == (message, f"{hint} {home}, or {ANOTHER}")
    assert refusal(home) == (message, f"{hint} {home}, or {ANOTHER}")
    assert refusal(home, admins="staff")[1] == f"chmod g-w {home}, or {ANOTHER}"
    for out in (home / "below", home):
        store.install(CLIENT.place(out, "games"), material(1), CLIENT, replace=False, now=NOW)
        assert public(out) == {"1"}


@as_root
def test_users_private_group_may_write(shared_directory: Path) -> None:
    """As made by useradd, of the user's own name: a umask of 002 does no harm."""
    own = shared_directory / "own"
    own.mkdir()
    own.chmod(0o2775)
    os.chown(own, DAEMON, pwd.getpwuid(DAEMON).pw_gid)
    put(own / "certs", 1, replace(CLIENT, owner="daemon"))
    assert (own / "certs").stat().st_mode & 0o7777 == 0o755


@as_root
@pytest.mark.parametrize("out", ["certs", "certs/..", "x/../certs", "link/certs"])
def test_dind_layout_below_another_users_directory_is_refused(home: Path, out: str) -> None:
    """DIR itself is checked, not only its subdirectory, however the path is written."""
    (home / "certs").mkdir()
    (home / "x").mkdir()
    (home / "link").symlink_to(".")
    os.chown(home, 0, -1)
    os.chown(home / "certs", DAEMON, -1)
    message, _ = refusal(home / out, replace(SERVER, layout=Layout.DIND))
    assert message.startswith(f"{home / 'certs'} belongs to daemon")


@as_root
def test_mount_point_on_the_path_is_checked(home: Path, root_owned: Path) -> None:
    """The mounted directory counts, not the one that it covers."""
    mount = ["mount", "--bind", str(home), str(root_owned)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        missing("nothing can be mounted here")
    try:
        message = f"{root_owned} belongs to nobody, but the files would belong to root"
        assert refusal(root_owned / "certs")[0] == message
        put(root_owned / "certs", 1, OWNED)
    finally:
        subprocess.run(["umount", str(root_owned)], check=True)
    assert public(home / "certs") == {"1"}


@as_root
@pytest.mark.parametrize("mode", [0o755, 0o1777, 0o777])
def test_link_of_another_user_is_refused(home: Path, root_owned: Path, mode: int) -> None:
    """It is refused in root's directory, in a sticky one, and in a world-writable one."""
    os.chown(home, 0, -1)
    (home / "link").symlink_to(root_owned)
    os.chown(home / "link", DAEMON, -1, follow_symlinks=False)
    home.chmod(mode)
    message, hint = refusal(home / "link")
    if mode == 0o777:
        assert message.startswith(f"every user can write to {home} ")
    else:
        assert message == f"{home / 'link'} is a symbolic link that daemon could change"
        assert hint == "use a path without this link"


@as_root
@pytest.mark.parametrize(
    "deeper", ["", "lock", "request.json", "current", "generations", "unknown", "generations/x"]
)
@pytest.mark.parametrize("worker", ["root", "nobody"])
def test_private_files_of_another_owner_are_refused(home: Path, worker: str, deeper: str) -> None:
    """Left by an earlier run with --owner or a chown; the hint repairs each of them."""
    request, uid = (OWNED, NOBODY) if worker == "nobody" else (CLIENT, 0)
    os.chown(home, uid, -1)
    out = home / "certs"
    put(out, 1, request)
    private = out / ".dockertls"
    path = private / deeper
    if deeper == "unknown":
        path.touch()
    elif deeper == "generations/x":
        path.mkdir()
    os.chown(path, DAEMON, -1, follow_symlinks=False)
    message, hint = refusal(out, request)
    assert message == f"{path} belongs to daemon"
    assert hint == f"mv {private} {private}.aside; it is recreated"
    with acting_as(uid):
        subprocess.run(shlex.split(hint.partition(";")[0]), check=True)
    put(out, 2, request)
    assert public(out) == {"2"}


@pytest.mark.parametrize("deeper", ["", "lock", "request.json", "generations"])
@pytest.mark.parametrize("mode", [0o777, 0o1777])
def test_world_writable_private_files_are_refused(tmp_path: Path, deeper: str, mode: int) -> None:
    """Even with the sticky bit: nobody else has any business in .dockertls."""
    put(tmp_path, 1)
    path = tmp_path / ".dockertls" / deeper
    path.chmod(mode)
    message, hint = refusal(tmp_path)
    assert message.endswith(f"every user can write to {path} and replace the key")
    if mode == 0o777:
        assert f"chmod o-w {path}" in hint
    path.chmod(0o755)
    put(tmp_path, 2)


@pytest.mark.parametrize("name", ["lock", "request.json"])
def test_private_file_with_another_hard_link_is_refused(tmp_path: Path, name: str) -> None:
    """Whoever made the other name may still write through it."""
    put(tmp_path, 1)
    path = tmp_path / ".dockertls" / name
    (tmp_path / "other").hardlink_to(path)
    assert refusal(tmp_path) == (
        f"{path} has another hard link",
        f"mv {path.parent} {path.parent}.aside; it is recreated",
    )
    path.unlink()
    put(tmp_path, 2)


@pytest.mark.parametrize("name", ["lock", "request.json"])
@pytest.mark.parametrize("kind", ["fifo", "link", "directory"])
def test_private_file_that_is_not_regular_is_refused(tmp_path: Path, name: str, kind: str) -> None:
    """A FIFO is not opened and a link is not followed."""
    put(tmp_path, 1)
    path = tmp_path / ".dockertls" / name
    path.unlink()
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "link":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    assert refusal(tmp_path)[0] == f"{path} is not a regular file"


@as_root
@pytest.mark.parametrize("mode", [0o700, 0o755, 0o775])
def test_user_may_install_into_a_directory_from_mktemp(shared_directory: Path, mode: int) -> None:
    """Also under a umask of 002; /tmp above it is sticky."""
    shared_directory.chmod(0o1777)
    with acting_as(DAEMON):
        made = Path(tempfile.mkdtemp(dir=shared_directory))
        made.chmod(mode)
        put(made, 1)
        assert public(made) == {"1"}


@as_root
def test_no_hint_tells_root_to_chown_its_own_files(home: Path, root_owned: Path) -> None:
    """They may be reached by the owner's hard link or symbolic link."""
    _link_lock(home, root_owned)
    os.chown(home / ".dockertls", NOBODY, -1)
    assert refusal(home, OWNED)[0] == f"{home / '.dockertls' / 'lock'} has another hard link"
    (home / ".dockertls" / "lock").unlink()
    (home / "link").symlink_to(root_owned)
    message = f"{root_owned} belongs to root, but the files would belong to nobody"
    assert refusal(home / "link", OWNED) == (message, ANOTHER)
    os.chown(root_owned, DAEMON, -1)
    message = f"{root_owned} belongs to daemon, who could replace the key"
    assert refusal(home / "link", OWNED) == (message, ANOTHER)


_RENEWS_WITHOUT_IMPORTS = """
import sys
from pathlib import Path
from dockertls_vault.credential import condition
from dockertls_vault.credential.reader import locate
from dockertls_vault.credential.worker import by_worker

def work(place):
    sys.meta_path.clear()  # as if the owner could not read Python's library
    return condition.read(place)

print(*by_worker(locate(Path(sys.argv[1])), work).record.request.names.dns)
"""


@as_root
def test_owner_need_not_be_able_to_read_this_program(home: Path) -> None:
    """Python may be installed below /root; names in other scripts import more of it."""
    names = Names(("xn--bcher-kva.example",))
    put(home, 1, replace(SERVER, owner="nobody", request=replace(SERVER.request, names=names)))
    program = [sys.executable, "-c", _RENEWS_WITHOUT_IMPORTS, str(home)]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.stdout == "xn--bcher-kva.example\n", done.stderr
