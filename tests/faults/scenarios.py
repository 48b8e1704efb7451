"""Each way in which the program changes a credential on disk: what was there, and whose it is."""

from __future__ import annotations

import grp
import os
import pwd
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dockertls_vault.placement import Placement, place
from dockertls_vault.request import Layout
from tests.credentials import CLIENT, SERVER, put

if TYPE_CHECKING:
    from collections.abc import Callable

    from dockertls_vault.request import Request

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
    """What ``prepare`` leaves in a directory, and the sets that are read there during the change.

    A set is known by its number, the new one has 2; None is no file at all.
    """

    prepare: Callable[[Path, Request], object]
    may_be_read: frozenset[str | None]


def _nothing(_out: Path, _request: Request) -> None:
    pass


def _ours(out: Path, request: Request) -> None:
    put(out, 1, request)


def _four(out: Path, request: Request) -> None:
    for number in (-2, -1, 0, 1):
        put(out, number, request)


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


def _give(path: Path, request: Request) -> None:
    if request.owner:
        entry = pwd.getpwnam(request.owner)
        os.chown(path, entry.pw_uid, entry.pw_gid)


BEFORE = {
    "nothing": Before(_nothing, frozenset({None, "2"})),
    "a credential": Before(_ours, frozenset({"1", "2"})),
    "four generations": Before(_four, frozenset({"1", "2"})),
    "files of others": Before(_foreign, frozenset({"1", "2"})),
}


def prepare(before: str, who: str, out: Path) -> None:
    """Make ``out`` as it is before the change."""
    BEFORE[before].prepare(out, WHO[who])


def change(who: str, out: Path, number: int = 2) -> None:
    """Install a credential in ``out``."""
    put(out, number, WHO[who], replace=True)


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
    change(sys.argv[1], Path(sys.argv[2]))
