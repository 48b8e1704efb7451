"""Keys are found, and who can access them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from dockertls_vault.daemon import exposure
from dockertls_vault.files.writers import Trust
from tests.harness.missing import as_root

if TYPE_CHECKING:
    from pathlib import Path

    from dockertls_vault.daemon.exposure import Exposure

ROOTS = Trust(frozenset({0}))


@pytest.fixture
def server(tmp_path: Path) -> Path:
    """Return the directory of a server's key and certificate in the layout of docker:dind."""
    for name in ("ca", "server", "client"):
        (tmp_path / name).mkdir(mode=0o700)
        key = tmp_path / name / "key.pem"
        key.touch(mode=0o400)
    (tmp_path / "server" / "cert.pem").touch()
    return tmp_path / "server"


def examine(server: Path, group: int | None = None) -> Exposure:
    """Examine the key of a server, and what is around it."""
    trust = Trust(frozenset({0, os.geteuid()}), group)
    return exposure.examine(server / "key.pem", [server / "cert.pem"], [], trust)


def accessible(found: Exposure) -> dict[str, list[str]]:
    """Return the names of what others can access, with their names."""
    return {
        each.path.name: [other.name for other in each.others]
        for each in (*found.keys, *found.directories)
        if each.others
    }


def test_keys_of_dind_are_examined(server: Path) -> None:
    """Those of the CA and the client, too."""
    found = examine(server)
    folders = [key.path.parent.name for key in found.keys]
    assert folders == ["server", "ca", "client"]
    assert accessible(found) == {}
    assert found.unknown == ()


@pytest.mark.parametrize(
    ("mode", "readers"),
    [(0o400, []), (0o604, ["every user"]), (0o602, [])],
)
def test_key_that_every_user_reads_is_found(server: Path, mode: int, readers: list[str]) -> None:
    """By its mode alone: the key is not read."""
    (server / "key.pem").chmod(mode)
    assert accessible(examine(server)) == ({"key.pem": readers} if readers else {})


@as_root
def test_group_may_read_if_it_is_meant_to(server: Path) -> None:
    """That of --group; every other one is reported, also one in an ACL."""
    key = server / "key.pem"
    os.chown(key, 0, 65534)
    key.chmod(0o440)
    assert accessible(examine(server, 65534)) == {}
    assert accessible(examine(server)) == {"key.pem": ["the group nogroup"]}


def test_link_counts_where_it_leads_to(server: Path, tmp_path: Path) -> None:
    """The directory of its target must be safe as well; a file is examined once."""
    elsewhere = tmp_path / "open"
    elsewhere.mkdir()
    (server / "key.pem").rename(elsewhere / "key.pem")
    (server / "key.pem").symlink_to(elsewhere / "key.pem")
    (server / "other-key.pem").symlink_to("key.pem")
    (server / "dangling-key.pem").symlink_to("nothing")
    elsewhere.chmod(0o707)
    found = examine(server)
    assert accessible(found) == {"open": ["every user"]}
    assert [key.path.name for key in found.keys] == ["key.pem"] * 3


def test_others_cannot_replace_files_in_a_sticky_directory(server: Path, tmp_path: Path) -> None:
    """As in /tmp."""
    tmp_path.chmod(0o707)
    assert accessible(examine(server)) == {tmp_path.name: ["every user"]}
    tmp_path.chmod(0o1707)
    assert accessible(examine(server)) == {}


def test_what_cannot_be_read_is_named(server: Path, tmp_path: Path) -> None:
    """Missing directories are not: nothing is in them."""
    (tmp_path / "client" / "key.pem").unlink()
    (tmp_path / "client").rmdir()
    (tmp_path / "client").symlink_to("client")
    (server / "fifo-key.pem").unlink(missing_ok=True)
    os.mkfifo(server / "fifo-key.pem")
    found = examine(server)
    assert found.unknown == (f"{tmp_path / 'client'}: Too many levels of symbolic links",)
    assert [key.path.parent.name for key in found.keys] == ["server", "ca"]
    assert exposure.examine(None, [tmp_path / "none" / "x"], [], ROOTS).unknown == ()


def test_settings_that_others_can_write_are_found(tmp_path: Path) -> None:
    """Themselves, or in a directory in which they could be replaced; a missing file is none."""
    place = tmp_path / "docker.service.d"
    place.mkdir()
    safe, unsafe = place / "safe.conf", tmp_path / "daemon.json"
    safe.touch(mode=0o644)
    unsafe.touch()
    unsafe.chmod(0o646)
    place.chmod(0o757)
    trust = Trust(frozenset({0, os.geteuid()}))
    found = exposure.examine(None, [], [safe, unsafe, place / "missing"], trust)
    assert [each.path for each in found.settings] == [unsafe]
    assert [each.path for each in found.directories] == [place]
    assert [each.name for each in found.settings[0].others] == ["every user"]
    assert found.unknown == ()


@as_root
def test_settings_that_others_own_are_found(tmp_path: Path) -> None:
    """Their owner can change them whatever their mode is."""
    file = tmp_path / "daemon.json"
    file.touch(mode=0o600)
    os.chown(file, 12345, 0)
    (found,) = exposure.examine(None, [], [file], ROOTS).settings
    assert [(each.name, each.remedy) for each in found.others] == [("12345", "chown root")]


@as_root
def test_ordinary_user_is_told_what_needs_root(shared_directory: Path) -> None:
    """Modes are seen where names are; nothing fails."""
    closed, opened = shared_directory / "closed", shared_directory / "opened"
    for folder, mode in ((closed, 0o700), (opened, 0o755)):
        folder.mkdir()
        (folder / "key.pem").touch(mode=0o400)
        folder.chmod(mode)
    pid = os.fork()
    if pid == 0:
        os._exit(_as_nobody(closed, opened))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def _as_nobody(closed: Path, opened: Path) -> int:
    """Examine both as nobody; return 0 if that is as expected."""
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
    found = exposure.examine(closed / "key.pem", [closed / "x", opened / "x"], [], ROOTS)
    names = [key.path for key in found.keys]
    wanted = (f"needs root: {closed}", f"needs root: {closed / 'key.pem'}")
    return int(found.unknown != wanted or names != [opened / "key.pem"])
