"""Each way in which the program changes a credential on disk: what was there, and whose it is."""

from __future__ import annotations

import grp
import os
import pwd
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dockertls_vault.certificate.request import Layout
from dockertls_vault.credential import store
from dockertls_vault.credential.layout import Placement, place
from tests.credentials import CLIENT, SERVER, generations, put

if TYPE_CHECKING:
    from collections.abc import Callable

    from dockertls_vault.certificate.request import Request

OWNER = "nobody"
# As root, to another's group; anybody else has the own one alone.
GROUP = "nogroup" if os.geteuid() == 0 else grp.getgrgid(os.getegid()).gr_name

WHO = {
    "client": CLIENT,
    "server": SERVER,
    "dind": replace(SERVER, layout=Layout.DIND),
    "--group": replace(SERVER, group=GROUP),
    "--owner": replace(CLIENT, owner=OWNER),
}


@dataclass(frozen=True)
class Before:
    """What ``prepare`` leaves in a directory, and how it is changed.

    A set is known by its number: the new one has 2, ``old`` is the one that is there before the
    change, None for no file at all.
    """

    prepare: Callable[[Path, Request], object]
    change: Callable[[Path, Request], object]
    old: str | None = "1"


def install(out: Path, request: Request, number: int = 2) -> None:
    """Install a credential in ``out``."""
    put(out, number, request, replace=True)


def _nothing(_out: Path, _request: Request) -> None:
    pass


def _ours(out: Path, request: Request) -> None:
    put(out, 1, request)


def _four(out: Path, request: Request) -> None:
    for number in (-2, -1, 0, 1):
        put(out, number, request)


def _by_hand(out: Path, request: Request) -> None:
    """Leave what a user has made of our links: absolute ones."""
    put(out, 1, request)
    for path, _ in paths(place(request, out)):
        target = path.resolve()
        path.unlink()
        path.symlink_to(target)
        _give(path, request)


def _foreign(out: Path, request: Request) -> None:
    """Leave files of others, and of the owner-to-be."""
    placement = place(request, out)
    for directory in reversed((placement.directory, *placement.directory.parents)):
        if not directory.exists():
            directory.mkdir()
            _give(directory, request)
    for path, name in paths(placement):
        path.write_text(f"{name} 1")
        _give(path, request)


def _combined(out: Path, request: Request) -> None:
    """Leave files of others of which the key is a link to the certificate."""
    _foreign(out, request)
    _, (cert, _), (key, _) = paths(place(request, out))
    key.unlink()
    key.symlink_to(cert.name)
    _give(key, request)


def _two(out: Path, request: Request) -> None:
    for number in (2, 1):
        put(out, number, request)


def _go_back(out: Path, request: Request) -> None:
    (name,) = (name for name in generations(place(request, out).directory) if "-02" in name)
    store.use(place(request, out), name)


def _give(path: Path, request: Request) -> None:
    if request.owner:
        entry = pwd.getpwnam(request.owner)
        os.chown(path, entry.pw_uid, entry.pw_gid, follow_symlinks=False)


BEFORE = {
    "nothing": Before(_nothing, install, old=None),
    "a credential": Before(_ours, install),
    "four generations": Before(_four, install),
    "our links made absolute": Before(_by_hand, install),
    "files of others": Before(_foreign, install),
    "one file of others as key and certificate": Before(_combined, install),
    "a generation to go back to": Before(_two, _go_back),
}


def paths(placement: Placement) -> list[tuple[Path, str]]:
    """Return the public paths, and the name that each file has in a generation."""
    names = (name for _, name in placement.links)
    return [
        (placement.directory / public, Path(name).name)
        for public, name in zip(placement.public_names, names, strict=True)
    ]


def found(who: str, out: Path) -> set[str | None]:
    """Return the numbers of the sets that the public names show; None for a file that is not."""
    return {_number(path) for path, _ in paths(place(WHO[who], out))}


def _number(path: Path) -> str | None:
    try:
        return path.read_text().rpartition(" ")[2]
    except FileNotFoundError:
        return None


if __name__ == "__main__":
    BEFORE[sys.argv[1]].change(Path(sys.argv[3]), WHO[sys.argv[2]])
