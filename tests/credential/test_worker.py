"""Who does the work in a directory, and what is refused on the way to it."""

from __future__ import annotations

import grp
import os
import pwd
import shlex
import subprocess
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

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
def home(everybodys: Path) -> Path:
    """Make the home of the user nobody."""
    (everybodys / "home").mkdir()
    os.chown(everybodys / "home", NOBODY, -1)
    return everybodys / "home"


@pytest.fixture
def roots(everybodys: Path) -> Path:
    """Make a directory of root's with files of root's that nobody else can read."""
    directory = everybodys / "roots"
    directory.mkdir(mode=0o755)
    for name in NAMES:
        (directory / name).write_text(f"{name} of root")
        (directory / name).chmod(0o600)
    return directory


@contextmanager
def being(uid: int) -> Iterator[None]:
    """Be another user for a while."""
    os.setresuid(uid, uid, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


def refusal(out: Path, record: Record = CLIENT, admins: str | None = None) -> tuple[str, str]:
    """Look whether a credential may be written, which it may not; return message and hint."""
    before = [*out.parent.rglob("*")]
    with pytest.raises(CannotWrite) as caught:
        preflight.check(record.place(out, admins), replace=True)
    assert [*out.parent.rglob("*")] == before
    return caught.value.message, caught.value.hint


# --- root's power, in a directory of another user's


def _link_current(home: Path, roots: Path) -> None:
    """Have what root would link for a backup be a file of root's."""
    (home / ".dockertls").mkdir(mode=0o755)
    (home / ".dockertls" / "current").symlink_to(roots)
    (home / "ca.pem").write_text("by hand")
    for name in NAMES[1:]:
        (home / name).symlink_to(f".dockertls/current/{name}")


def _link_lock(home: Path, roots: Path) -> None:
    """Have what root would give away be a file of root's, by a hard link of before."""
    (home / ".dockertls").mkdir(mode=0o755)
    (home / ".dockertls" / "lock").hardlink_to(roots / "key.pem")


def _link_request(home: Path, roots: Path) -> None:
    """Have the request be a file of root's."""
    (home / ".dockertls").mkdir(mode=0o755)
    (home / ".dockertls" / "request.json").symlink_to(roots / "key.pem")


def _fifo_request(home: Path, _roots: Path) -> None:
    """Have the request be one that is waited for."""
    (home / ".dockertls").mkdir(mode=0o755)
    os.mkfifo(home / ".dockertls" / "request.json")


def _endless_request(home: Path, _roots: Path) -> None:
    """Have the request be one without an end."""
    (home / ".dockertls").mkdir(mode=0o755)
    (home / ".dockertls" / "request.json").symlink_to("/dev/zero")


def _fifo_lock(home: Path, _roots: Path) -> None:
    """Have the lock be one that is waited for."""
    (home / ".dockertls").mkdir(mode=0o755)
    os.mkfifo(home / ".dockertls" / "lock")


def _link_generations(home: Path, roots: Path) -> None:
    """Have root prune in a directory of its own."""
    (home / ".dockertls").mkdir(mode=0o755)
    (home / ".dockertls" / "generations").symlink_to(roots)


def _link_private(home: Path, roots: Path) -> None:
    """Have root write in a directory of its own."""
    (home / ".dockertls").symlink_to(roots)


def _link_ca(home: Path, roots: Path) -> None:
    """Have root tell what is in a file of its own."""
    for name in NAMES:
        (home / name).symlink_to(roots / name)


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
def test_nothing_of_root_comes_to_the_owner(
    home: Path, roots: Path, plant: Callable[[Path, Path], None]
) -> None:
    """Whatever they plant: no file of root's is theirs, changed or has another name afterwards."""
    plant(home, roots)
    for path in home.rglob("*"):
        if path.lstat().st_nlink == 1:
            os.chown(path, NOBODY, -1, follow_symlinks=False)
    names = {name: (roots / name).stat().st_nlink for name in NAMES}
    try:
        put(home, 1, OWNED, replace=True)
    except CannotWrite:
        pass
    else:
        assert public(home) == {"1"}
    for name in NAMES:
        status = (roots / name).stat()
        assert (status.st_uid, status.st_mode & 0o7777) == (0, 0o600)
        assert status.st_nlink == names[name]
        assert (roots / name).read_text() == f"{name} of root"
    assert listing(roots) == sorted(NAMES)


@as_root
def test_the_owner_works_in_a_directory_of_theirs(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it is theirs, the lock and the groups too, and nothing of it was root's before."""
    monkeypatch.delattr(os, "fchown")
    put(home / ".docker", 1, OWNED)
    nobody = pwd.getpwuid(NOBODY).pw_gid
    assert {(path.lstat().st_uid, path.lstat().st_gid) for path in home.rglob("*")} == {
        (NOBODY, nobody)
    }


@as_root
def test_root_works_in_a_directory_of_its_own(roots: Path) -> None:
    """The owner has the three files, and no directory that root will work in again."""
    out = roots / "certs"
    out.mkdir()
    for number in (1, 2):
        put(out, number, OWNED)
    theirs = {path.relative_to(out) for path in out.rglob("*") if path.lstat().st_uid == NOBODY}
    assert {path.name for path in theirs} == set(NAMES)
    assert {path.parent.parent.name for path in theirs} == {"generations"}


@as_root
@pytest.mark.parametrize("more", ["", "deeper"])
def test_root_makes_a_directory_for_the_owner(everybodys: Path, more: str) -> None:
    """The last one is theirs from the time on that it has its name; those above are root's."""
    out = everybodys / "certs" / more
    put(out, 1, OWNED)
    assert {path.lstat().st_uid for path in (out, *out.rglob("*"))} == {NOBODY}
    assert out.stat().st_mode & 0o7777 == 0o755
    assert more == "" or out.parent.stat().st_uid == 0
    assert listing(out.parent) == [out.name]


@as_root
def test_a_directory_for_the_owner_is_never_half_theirs(
    everybodys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that ends before it is theirs leaves none of that name, and the next one goes on."""

    class _KilledError(BaseException):
        pass

    def killed(*_: object) -> None:
        raise _KilledError

    out = everybodys / "certs"
    for call in ("fchown", "fchmod"):
        monkeypatch.setattr(os, call, killed)
        with pytest.raises(_KilledError):
            put(out, 1, OWNED)
        monkeypatch.undo()
        assert not out.exists()
    put(out, 1, OWNED)
    assert listing(everybodys) == ["certs"]


@as_root
@pytest.mark.parametrize(("uid", "inside"), [(DAEMON, ""), (0, "something")])
def test_what_has_the_name_to_make_it_under(everybodys: Path, uid: int, inside: str) -> None:
    """Another user's, in the likes of /tmp, or somebody's with something in it: it stays theirs."""
    everybodys.chmod(0o1777)
    planted = everybodys / ".certs.dockertls-vault"
    planted.mkdir()
    if inside:
        (planted / inside).touch()
    os.chown(planted, uid, -1)
    with pytest.raises(CannotWrite, match=f"File exists .*{planted.name}"):
        put(everybodys / "certs", 1, OWNED)
    assert planted.stat().st_uid == uid
    assert listing(everybodys) == [planted.name]


@as_root
def test_a_directory_for_the_owner_has_no_acl(everybodys: Path) -> None:
    """As everything else that is made."""
    acls.grant(everybodys, acls.user(DAEMON, 0o5), kind=acl.DEFAULT)
    put(everybodys / "certs", 1, OWNED)
    assert not [name for name in os.listxattr(everybodys / "certs") if "acl" in name]


@as_root
def test_a_directory_that_comes_in_the_meantime_is_not_replaced(
    everybodys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is judged like any other, and it is root's here."""
    out = everybodys / "certs"
    real = atomic.rename_new

    def rename_new(*arguments: Any) -> None:
        out.mkdir()
        real(*arguments)

    monkeypatch.setattr(atomic, "rename_new", rename_new)
    put(out, 1, OWNED)
    assert out.stat().st_uid == 0
    assert public(out) == {"1"}


@as_root
def test_runs_at_once_make_one_directory_for_the_owner(
    everybodys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One run is through before the other has named what it made, or has even looked at it."""
    real, out = os.open, everybodys / "certs"

    def faster(name: str, *arguments: Any, **options: Any) -> int:
        if name == f".{out.name}.dockertls-vault":
            monkeypatch.undo()
            put(out, 1, OWNED)
        return real(name, *arguments, **options)

    monkeypatch.setattr(os, "open", faster)
    put(out, 2, OWNED)
    assert public(out) == {"2"}
    assert listing(everybodys) == ["certs"]


@as_root
def test_a_directory_that_another_run_makes_meanwhile_is_the_owners(
    everybodys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was not there when it was looked at whose work it is, and is when the work begins."""
    out = everybodys / "certs"
    real = worker.refuse_step
    put(out, 1, OWNED)
    out.rename(everybodys / "aside")

    def refuse_step(*arguments: Any) -> None:
        real(*arguments)
        # The second walk of the look: root's own.
        seen.append(arguments)
        if len(seen) == once + 1:
            (everybodys / "aside").rename(out)

    seen: list[Any] = []
    once = len(Path(everybodys).parts)
    monkeypatch.setattr(worker, "refuse_step", refuse_step)
    monkeypatch.setattr(preflight, "refuse_step", refuse_step)
    put(out, 2, OWNED)
    assert public(out) == {"2"}


@as_root
def test_a_group_that_the_owner_is_not_in(home: Path, roots: Path) -> None:
    """They could not give it a file; root can, in its own directory."""
    request = replace(OWNED, group="games")
    for out in (home, home / "new", roots / "new"):
        with pytest.raises(InvalidInput, match="nobody is not in the group games"):
            preflight.check(request.place(out), replace=False)
    own = roots / "own"
    own.mkdir()
    put(own, 1, request)
    assert (own / "key.pem").stat().st_gid == GAMES


@as_root
@pytest.mark.timeout(120)
def test_the_race_of_exchanging_the_directory(home: Path, roots: Path) -> None:
    """Links to root's directory come and go in the place of theirs while root installs."""
    (home / ".docker").mkdir()
    os.chown(home / ".docker", NOBODY, -1)
    script = (
        "while [ -e 'goes on' ]; do "
        f"mv -T .docker d; ln -sT {roots} .docker; rm -rf .docker; mv -T d .docker; done"
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
    assert listing(roots) == sorted(NAMES)
    assert all((roots / name).read_text() == f"{name} of root" for name in NAMES)
    assert {path.lstat().st_uid for path in home.rglob("*")} == {NOBODY}


# --- a directory that nobody else can write


@as_root
def test_what_comes_after_the_look_is_judged_as_it_is_opened(
    everybodys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is made in what has become another user's; not even the lock."""
    out = everybodys / "certs"
    out.mkdir()

    def exchange(*arguments: Any, **options: Any) -> object:
        found = preflight.check(*arguments, **options)
        os.chown(out, DAEMON, -1)
        return found

    monkeypatch.setattr("dockertls_vault.credential.store.check", exchange)
    with pytest.raises(CannotWrite, match=f"{out} belongs to daemon"):
        put(out, 1)
    assert listing(out) == []


def test_a_directory_that_becomes_a_link_while_it_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was looked at is what is opened, or nothing is."""
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
def test_a_step_with_an_acl(home: Path, worker: str, below: str) -> None:
    """A user named there can write, whatever the mode shows."""
    above = home / "above"
    (above / below).mkdir(parents=True)
    os.chown(above, NOBODY if worker == "nobody" else 0, -1)
    os.chown(home, NOBODY if worker == "nobody" else 0, -1)
    acls.grant(above, acls.user(DAEMON, acls.ALL))
    request = OWNED if worker == "nobody" else CLIENT
    message = f"daemon can write in {above}, and replace the key"
    hint = f"setfacl -x u:daemon {above}, or {ANOTHER}"
    assert refusal(above / below, request) == (message, hint)


def test_an_acl_that_lets_nobody_else_write(tmp_path: Path) -> None:
    """One for reading, one that the mask bounds, one for root: for each as for none."""
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
def test_a_default_acl_lets_nobody_read_the_key(tmp_path: Path, group: str) -> None:
    """What is reported as 0440 is that and no more."""
    acls.grant(tmp_path, acls.user(BIN, acls.ALL), kind=acl.DEFAULT)
    request = replace(CLIENT, group=str(os.getegid())) if group else CLIENT
    put(tmp_path / "certs", 1, request)
    for path in (tmp_path / "certs").rglob("*"):
        assert not [name for name in os.listxattr(path, follow_symlinks=False) if "acl" in name]
    mode = (tmp_path / "certs" / "key.pem").stat().st_mode & 0o7777
    assert mode == (0o440 if group else 0o400)


@as_root
def test_a_group_of_others_needs_its_name(home: Path) -> None:
    """By mode and by ACL; in the directory itself and above it."""
    os.chown(home, 0, GAMES)
    home.chmod(0o775)
    (home / "below").mkdir()
    acls.grant(home / "below", acls.group(GAMES, acls.ALL))
    message = f"the group games can write in {home}, and replace the key"
    hint = "give --admin-group games if its members may replace the key, or chmod g-w"
    assert refusal(home / "below") == (message, f"{hint} {home}, or {ANOTHER}")
    assert refusal(home) == (message, f"{hint} {home}, or {ANOTHER}")
    assert refusal(home, admins="staff")[1] == f"chmod g-w {home}, or {ANOTHER}"
    for out in (home / "below", home):
        store.install(CLIENT.place(out, "games"), material(1), CLIENT, replace=False, now=NOW)
        assert public(out) == {"1"}


@as_root
def test_a_group_of_the_user_alone_is_nobody_else(everybodys: Path) -> None:
    """The user daemon has one of the same name, as useradd makes them: umask 002 does no harm."""
    own = everybodys / "own"
    own.mkdir()
    own.chmod(0o2775)
    os.chown(own, DAEMON, pwd.getpwuid(DAEMON).pw_gid)
    put(own / "certs", 1, replace(CLIENT, owner="daemon"))
    assert (own / "certs").stat().st_mode & 0o7777 == 0o755


@as_root
@pytest.mark.parametrize("out", ["certs", "certs/..", "x/../certs", "link/certs"])
def test_the_layout_of_dind_below_a_directory_of_another_user(home: Path, out: str) -> None:
    """The directory that is named counts, and not the last alone; whichever way it is written."""
    (home / "certs").mkdir()
    (home / "x").mkdir()
    (home / "link").symlink_to(".")
    os.chown(home, 0, -1)
    os.chown(home / "certs", DAEMON, -1)
    message, _ = refusal(home / out, replace(SERVER, layout=Layout.DIND))
    assert message.startswith(f"{home / 'certs'} belongs to daemon")


@as_root
def test_a_mount_on_the_way_is_a_step_like_any_other(home: Path, roots: Path) -> None:
    """What is mounted counts, and not what it covers."""
    mount = ["mount", "--bind", str(home), str(roots)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        missing("nothing can be mounted here")
    try:
        message = f"{roots} belongs to nobody, and the files would be root's"
        assert refusal(roots / "certs")[0] == message
        put(roots / "certs", 1, OWNED)
    finally:
        subprocess.run(["umount", str(roots)], check=True)
    assert public(home / "certs") == {"1"}


@as_root
@pytest.mark.parametrize("mode", [0o755, 0o1777, 0o777])
def test_a_link_of_another_user(home: Path, roots: Path, mode: int) -> None:
    """In a directory of root's, a sticky one, and one in which it could be anybody's."""
    os.chown(home, 0, -1)
    (home / "link").symlink_to(roots)
    os.chown(home / "link", DAEMON, -1, follow_symlinks=False)
    home.chmod(mode)
    message, hint = refusal(home / "link")
    if mode == 0o777:
        assert message.startswith(f"anybody can write in {home}")
    else:
        assert message == f"{home / 'link'} is a link that daemon could lead elsewhere"
        assert hint == "give a path without this link"


@as_root
@pytest.mark.parametrize(
    "deeper", ["", "lock", "request.json", "current", "generations", "unknown", "generations/x"]
)
@pytest.mark.parametrize("worker", ["root", "nobody"])
def test_what_is_ours_belongs_to_another(home: Path, worker: str, deeper: str) -> None:
    """Since an earlier run with --owner, or by somebody's hand; each part of it."""
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
    if worker == "root":
        assert hint == f"chown -R root: {private}"
    else:
        assert hint == f"mv {private} {private}.aside; it is recreated"
    with being(uid):
        subprocess.run(shlex.split(hint.partition(";")[0]), check=True)
    put(out, 2, request)
    assert public(out) == {"2"}


@pytest.mark.parametrize("deeper", ["", "lock", "request.json", "generations"])
@pytest.mark.parametrize("mode", [0o777, 0o1777])
def test_what_is_ours_can_be_written_by_others(tmp_path: Path, deeper: str, mode: int) -> None:
    """The sticky bit is not enough where nobody else has anything to make."""
    put(tmp_path, 1)
    path = tmp_path / ".dockertls" / deeper
    path.chmod(mode)
    message, hint = refusal(tmp_path)
    assert message.endswith(f"anybody can write in {path}, and replace the key")
    if mode == 0o777:
        assert f"chmod o-w {path}" in hint
    path.chmod(0o755)
    put(tmp_path, 2)


@pytest.mark.parametrize("name", ["lock", "request.json"])
def test_a_hard_link_in_the_place_of_a_file_of_ours(tmp_path: Path, name: str) -> None:
    """What has another name elsewhere is somebody's else, too."""
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
def test_what_is_no_file_in_the_place_of_one(tmp_path: Path, name: str, kind: str) -> None:
    """Nothing is waited for or followed."""
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
def test_an_ordinary_user_in_a_temporary_directory(everybodys: Path, mode: int) -> None:
    """`mktemp -d` in /tmp is theirs, below one that is sticky; also under a umask of 002."""
    everybodys.chmod(0o1777)
    with being(DAEMON):
        made = Path(tempfile.mkdtemp(dir=everybodys))
        made.chmod(mode)
        put(made, 1)
        assert public(made) == {"1"}


@as_root
def test_no_hint_gives_a_file_of_root_away(home: Path, roots: Path) -> None:
    """A hard link of the owner's to one is not a regular file to chown."""
    _link_lock(home, roots)
    os.chown(home / ".dockertls", NOBODY, -1)
    assert refusal(home, OWNED)[0] == f"{home / '.dockertls' / 'lock'} has another hard link"
    (home / ".dockertls" / "lock").unlink()
    (home / "link").symlink_to(roots)
    message = f"{roots} belongs to root, and the files would be nobody's"
    assert refusal(home / "link", OWNED) == (message, ANOTHER)
    os.chown(roots, DAEMON, -1)
    message = f"{roots} belongs to daemon, who could replace the key"
    assert refusal(home / "link", OWNED) == (message, ANOTHER)
