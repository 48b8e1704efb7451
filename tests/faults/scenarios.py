"""Each way in which the program changes a credential on disk, from each initial state."""

from __future__ import annotations

import grp
import os
import pwd
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dockertls_vault.credential import store
from dockertls_vault.credential.layout import Layout, Placement
from tests.credentials import CLIENT, SERVER, generations, put

if TYPE_CHECKING:
    from collections.abc import Callable

    from dockertls_vault.credential.record import Record

OWNER = "nobody"
# Root uses another user's group, other users only have their own.
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
    """The state that ``prepare`` leaves in a directory, and how it is changed.

    Sets are numbered: the new one is 2, ``old`` is the one before the change, None for no files.
    """

    prepare: Callable[[Path, Record], object]
    change: Callable[[Path, Record], object]
    old: str | None = "1"


def install(out: Path, record: Record, number: int = 2) -> None:
    """Install a credential in ``out``."""
    put(out, number, record, replace=True)


def _nothing(_out: Path, _record: Record) -> None:
    pass


def _ours(out: Path, record: Record) -> None:
    """Leave one generation."""
    put(out, 1, record)


def _four(out: Path, record: Record) -> None:
    for number in (-2, -1, 0, 1):
        put(out, number, record)


def _by_hand(out: Path, record: Record) -> None:
    """Leave absolute links, as a user may have made from ours."""
    put(out, 1, record)
    for path, _ in paths(record.place(out)):
        target = path.resolve()
        path.unlink()
        path.symlink_to(target)
        _give(path, record)


def _foreign(out: Path, record: Record) -> None:
    """Leave foreign files, and some of the future owner."""
    placement = record.place(out)
    for directory in reversed((placement.directory, *placement.directory.parents)):
        if not directory.exists():
            directory.mkdir()
            _give(directory, record)
    for path, name in paths(placement):
        path.write_text(f"{name} 1")
        _give(path, record)


def _combined(out: Path, record: Record) -> None:
    """Leave foreign files whose key is a link to the certificate."""
    _foreign(out, record)
    _, (cert, _), (key, _) = paths(record.place(out))
    key.unlink()
    key.symlink_to(cert.name)
    _give(key, record)


def _two(out: Path, record: Record) -> None:
    for number in (2, 1):
        put(out, number, record)


def _go_back(out: Path, record: Record) -> None:
    (name,) = (name for name in generations(record.place(out).directory) if "-02" in name)
    store.use(record.place(out), name)


def _give(path: Path, record: Record) -> None:
    if record.owner:
        entry = pwd.getpwnam(record.owner)
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
    """Return the public paths, and the file names in a generation."""
    names = (name for _, name in placement.links)
    return [
        (placement.directory / public, Path(name).name)
        for public, name in zip(placement.public_names, names, strict=True)
    ]


def found(who: str, out: Path) -> set[str | None]:
    """Return the numbers of the sets behind the public names; None for a missing file."""
    return {_number(path) for path, _ in paths(WHO[who].place(out))}


def _number(path: Path) -> str | None:
    try:
        return path.read_text().rpartition(" ")[2]
    except FileNotFoundError:
        return None


if __name__ == "__main__":
    BEFORE[sys.argv[1]].change(Path(sys.argv[3]), WHO[sys.argv[2]])
