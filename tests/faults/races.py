"""Root installs for a user who keeps swapping files on the path for links to root's files.

Atomically (renameat2 with RENAME_EXCHANGE) and as fast as possible, at each place in turn.
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

# What is swapped in the user's home, and the file of root's that its link points to.
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
    """The number of runs that installed a credential, and of those with an error of ours."""

    installed: int
    refused: int
    wrong: list[str]


def run(scratch: Path, place: str, runs: int) -> Result:
    """Install that many times while ``place`` is swapped; return what changed of root's files."""
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
    """Install with --owner; every fourth time as root without it, which is refused."""
    request = replace(CLIENT, owner=OWNER if number % 4 else None)
    try:
        put(out, number, request, replace=True)
    except DockerTLSError:
        return False
    return True


def _fill(roots: Path) -> None:
    """Create the files of a credential, readable only by root."""
    for directory in (roots, roots / ".dockertls", roots / ".dockertls" / "generations"):
        directory.mkdir()
        for name in NAMES:
            (directory / name).write_text(f"{name} of root")
            (directory / name).chmod(0o600)


def _seen(roots: Path) -> set[tuple[Path, tuple[object, ...]]]:
    """Return the state of all files; a new link, owner or mode changes their ctime."""
    return {
        (path, (found.st_mode, found.st_uid, found.st_nlink, found.st_ctime_ns, found.st_ino))
        for path in (roots, *roots.rglob("*"))
        for found in (path.lstat(),)
    }


def _exchange(one: Path, other: Path) -> NoReturn:
    """Swap the two in a loop, as the user."""
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
