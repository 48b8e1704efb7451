"""Root installs for a user, who exchanges what is on the way for a link to something of root's.

As fast as the kernel goes, in one step (renameat2 with RENAME_EXCHANGE), at each place in turn.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import pwd
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NoReturn

from dockertls_vault.errors import DockerTLSError
from tests.credentials import CLIENT, NAMES, put

from .scenarios import OWNER

if TYPE_CHECKING:
    from pathlib import Path

# What is exchanged in the user's home, and for a link to what of root's.
PLACES = {
    ".docker": ".",
    ".docker/ca.pem": "key.pem",
    ".docker/.dockertls": ".dockertls",
    ".docker/.dockertls/lock": "key.pem",
    ".docker/.dockertls/request.json": "key.pem",
    ".docker/.dockertls/generations": ".",
    ".docker/.dockertls/current": ".",
}
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


@dataclass(frozen=True)
class Result:
    """How many runs ended with a credential installed, how many with an error of ours."""

    installed: int
    refused: int
    wrong: list[str]


def run(scratch: Path, place: str, runs: int) -> Result:
    """Install so often while ``place`` is exchanged; tell what of root's has changed."""
    home, roots = scratch / "home", scratch / "roots"
    _fill(roots)
    home.mkdir()
    os.chown(home, *_ids())
    put(home / ".docker", 0, replace(CLIENT, owner=OWNER))
    (home / "link").symlink_to(roots / PLACES[place])
    os.lchown(home / "link", *_ids())
    before = _seen(roots)
    exchanging = multiprocessing.get_context("fork").Process(
        target=_exchange, args=(home / place, home / "link")
    )
    exchanging.start()
    try:
        installed = sum(_installs(home / ".docker", number) for number in range(1, runs + 1))
    finally:
        exchanging.kill()
        exchanging.join()
    wrong = [f"{place}: changed: {path}" for path, _ in before ^ _seen(roots)]
    wrong += [
        f"{place}: not the user's: {path}"
        for path in home.rglob("*")
        if path.lstat().st_uid != _ids()[0]
    ]
    return Result(installed, runs - installed, wrong)


def _installs(out: Path, number: int) -> bool:
    """Install with --owner, or every fourth time as root without it, which is refused."""
    request = replace(CLIENT, owner=OWNER if number % 4 else None)
    try:
        put(out, number, request, replace=True)
    except DockerTLSError:
        return False
    return True


def _fill(roots: Path) -> None:
    """Make what a credential is made of, for nobody but root."""
    for directory in (roots, roots / ".dockertls", roots / ".dockertls" / "generations"):
        directory.mkdir()
        for name in NAMES:
            (directory / name).write_text(f"{name} of root")
            (directory / name).chmod(0o600)


def _seen(roots: Path) -> set[tuple[Path, tuple[object, ...]]]:
    """Return all that is there: a link to it, another owner or mode changes the ctime."""
    return {
        (path, (found.st_mode, found.st_uid, found.st_nlink, found.st_ctime_ns, found.st_ino))
        for path in (roots, *roots.rglob("*"))
        for found in (path.lstat(),)
    }


def _exchange(one: Path, other: Path) -> NoReturn:
    """Exchange the two for ever, as the user."""
    uid, gid = _ids()
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    renameat2 = ctypes.CDLL(None).renameat2
    names = os.fsencode(one), os.fsencode(other)
    while True:
        renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE)


def _ids() -> tuple[int, int]:
    entry = pwd.getpwnam(OWNER)
    return entry.pw_uid, entry.pw_gid
