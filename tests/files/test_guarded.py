"""Which files may decide where the token is sent and which program runs."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dockertls_vault.errors import InvalidSetting
from dockertls_vault.files import guarded
from dockertls_vault.settings.places import SYSTEM_FILE
from dockertls_vault.settings.resolve import resolve
from dockertls_vault.settings.schema import Settings
from dockertls_vault.vault.login.token import given_token
from tests import acls
from tests.harness.missing import as_root

if TYPE_CHECKING:
    from collections.abc import Callable

GAMES, NOBODY = (pwd.getpwnam(name) for name in ("games", "nobody"))
USE = guarded.Use("decides where the token is sent", "take another")


@pytest.fixture
def file(shared_directory: Path) -> Path:
    """Create a file with a space in its path, in a new directory."""
    directory = shared_directory / "a b"
    directory.mkdir()
    made = directory / "config.toml"
    made.write_text('[vault]\naddress = "https://vault.example"\n')
    return made


def refusal(file: Path) -> tuple[str, str]:
    """Return the hint and the message, without the file name and its use."""
    with pytest.raises(InvalidSetting) as caught:
        guarded.read(file, USE)
    with pytest.raises(InvalidSetting):
        guarded.check(file, USE)
    before = f"{file} decides where the token is sent, and "
    assert caught.value.message.startswith(before)
    return caught.value.message.removeprefix(before), caught.value.hint


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o755, 0o400])
def test_file_that_only_its_owner_can_write_is_accepted(file: Path, mode: int) -> None:
    """Everybody may read it."""
    file.chmod(mode)
    assert guarded.read(file, USE).startswith(b"[vault]")
    guarded.check(file, USE)


@as_root
@pytest.mark.parametrize(
    ("mode", "who", "remedy"),
    [
        (0o660, "the group games", "chmod g-w"),
        (0o606, "every user", "chmod o-w"),
        (0o1606, "every user", "chmod o-w"),
    ],
)
def test_file_that_others_can_write_is_refused(
    file: Path, mode: int, who: str, remedy: str
) -> None:
    """The error names who can write, and its hint is a command to paste into a shell."""
    os.chown(file, 0, GAMES.pw_gid)
    file.chmod(mode)
    message, hint = refusal(file)
    assert (message, hint) == (f"can be written by {who}", f"{remedy} '{file}'")
    subprocess.run(hint, shell=True, check=True)  # noqa: S602 - what a user would paste
    assert guarded.read(file, USE).startswith(b"[vault]")


@as_root
@pytest.mark.parametrize(("mode", "who"), [(0o775, "the group games"), (0o757, "every user")])
def test_file_in_a_directory_that_others_can_write_is_refused(
    file: Path, mode: int, who: str
) -> None:
    """They could replace the file by another."""
    os.chown(file.parent, 0, GAMES.pw_gid)
    file.parent.chmod(mode)
    message, hint = refusal(file)
    assert message == f"another can be put in its place in {file.parent} by {who}"
    assert hint.endswith(f"-w '{file.parent}'")


def test_file_in_a_sticky_directory_is_accepted(file: Path) -> None:
    """As in /tmp, nobody else can replace it."""
    file.parent.chmod(0o1777)
    assert guarded.read(file, USE).startswith(b"[vault]")


@as_root
def test_file_that_an_acl_lets_others_write_is_refused(file: Path) -> None:
    """The group bits of the mode are the ACL's mask; the error names the user of the entry."""
    acls.grant(file, acls.user(NOBODY.pw_uid, acls.ALL))
    message, hint = refusal(file)
    assert (message, hint) == ("can be written by nobody", f"setfacl -x u:nobody '{file}'")


@as_root
@pytest.mark.parametrize("of", ["file", "directory"])
def test_file_or_directory_of_another_user_is_refused(file: Path, of: str) -> None:
    """Root, as under ``sudo -E``, does not obey another user's file."""
    os.chown(file if of == "file" else file.parent, NOBODY.pw_uid, -1)
    message, hint = refusal(file)
    assert message.removeprefix(f"{file.parent} ") == "belongs to nobody"
    assert hint == "take another"


@as_root
def test_directories_of_a_link_and_of_its_target_are_both_checked(
    file: Path, tmp_path: Path
) -> None:
    """Whoever can write to either can replace the file."""
    link = tmp_path / "link"
    link.symlink_to(file)
    guarded.read(link, USE)
    file.parent.chmod(0o777)
    assert refusal(link)[0] == f"another can be put in its place in {file.parent} by every user"
    file.parent.chmod(0o755)
    link.parent.chmod(0o777)
    assert refusal(link)[0] == f"another can be put in its place in {link.parent} by every user"


@as_root
@pytest.mark.parametrize("uid", [GAMES.pw_uid, 54321])
def test_user_reads_their_own_files_and_roots(file: Path, uid: int) -> None:
    """Another user's are refused; a user need not have a passwd entry."""

    def reads() -> bytes:
        os.setresuid(uid, uid, 0)
        try:
            return guarded.read(file, USE)
        finally:
            os.setresuid(0, 0, 0)

    assert reads()
    os.chown(file, uid, uid)
    os.chown(file.parent, uid, uid)
    assert reads()
    os.chown(file, NOBODY.pw_uid, uid)
    with pytest.raises(InvalidSetting, match="belongs to nobody"):
        reads()


@as_root
def test_file_writable_by_the_owners_private_group_is_accepted(file: Path) -> None:
    """A umask of 002 does no harm."""
    os.chown(file, 0, 0)
    file.chmod(0o664)
    assert guarded.read(file, USE).startswith(b"[vault]")


def test_file_on_a_read_only_file_system_is_accepted(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kubernetes mounts a ConfigMap read-only, as a directory with mode 0777."""
    file.parent.chmod(0o777)
    real = os.statvfs("/")
    read_only = os.statvfs_result((*real[:8], os.ST_RDONLY, real[9]))
    monkeypatch.setattr(os, "fstatvfs", lambda _: read_only)
    assert guarded.read(file, USE).startswith(b"[vault]")


def test_dev_null_is_accepted() -> None:
    """VAULT_CONFIG_PATH=/dev/null turns the token helper off, though everyone can write to it."""
    assert guarded.read(Path("/dev/null"), USE) == b""


# --- the files it protects


@as_root
def test_config_file_of_another_user_is_refused(file: Path) -> None:
    """Under ``sudo -E``, the hint tells root where its own settings belong."""
    os.chown(file, NOBODY.pw_uid, -1)
    with pytest.raises(InvalidSetting, match="belongs to nobody") as caught:
        resolve({}, {}, [file])
    assert caught.value.message.startswith(f"{file} decides where the token is sent")
    assert SYSTEM_FILE in caught.value.hint


def _config_of_another(home: Path, _helper: Path) -> None:
    """Give ~/.vault to another user."""
    os.chown(home / ".vault", NOBODY.pw_uid, -1)


def _config_for_all(home: Path, _helper: Path) -> None:
    """Make ~/.vault world-writable."""
    (home / ".vault").chmod(0o666)


def _helper_of_another(_home: Path, helper: Path) -> None:
    """Give the token helper to another user."""
    os.chown(helper, NOBODY.pw_uid, -1)


def _helper_for_all(_home: Path, helper: Path) -> None:
    """Make the token helper world-writable."""
    helper.chmod(0o777)


def _directory_for_all(_home: Path, helper: Path) -> None:
    """Make the token helper's directory world-writable."""
    helper.parent.chmod(0o777)


@as_root
@pytest.mark.parametrize(
    "loosen",
    [
        _config_of_another,
        _config_for_all,
        _helper_of_another,
        _helper_for_all,
        _directory_for_all,
    ],
)
def test_token_helper_that_others_can_change_is_not_run(
    shared_directory: Path, loosen: Callable[[Path, Path], None]
) -> None:
    """It would run with our privileges."""
    home, helper, ran = (
        shared_directory / "home",
        shared_directory / "bin" / "helper",
        shared_directory / "ran",
    )
    home.mkdir()
    helper.parent.mkdir()
    helper.write_text(f"#!{shutil.which('sh')}\ntouch {ran}; echo hvs.x")
    helper.chmod(0o755)
    (home / ".vault").write_text(f'token_helper = "{helper}"')
    assert given_token(Settings(home=home)) == ("hvs.x", f"the token helper {helper}")
    ran.unlink()
    loosen(home, helper)
    with pytest.raises(InvalidSetting, match=" run") as caught:
        given_token(Settings(home=home))
    assert not ran.exists()
    assert caught.value.hint.startswith(("set VAULT_TOKEN", "chmod"))
