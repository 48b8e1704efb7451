"""Private keys of a set-up by hand that are still on this host, and should be removed at last.

The key of the old CA issues certificates that each end accepts which still trusts it, with or
without a passphrase; a client's key that was copied around is root on the daemon's host.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockertls_vault.certificate.keys import has_private_key
from dockertls_vault.credential import backup
from dockertls_vault.credential.naming import PRIVATE
from dockertls_vault.files import reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_ENDS = {".pem", ".key"}


def find(directories: Iterable[Path]) -> tuple[Path, ...]:
    """Return the files with a private key in the ``directories``, and in their backups.

    Links are not followed: those are ours. What this user may not read is left out.
    """
    found: dict[Path, None] = {}
    for directory in directories:
        for place in (directory, *_backups(directory)):
            found |= dict.fromkeys(_keys(place))
    return tuple(sorted(found))


def _backups(directory: Path) -> Iterator[Path]:
    yield from _entries(directory / PRIVATE / backup.DIRECTORY)


def _keys(directory: Path) -> Iterator[Path]:
    yield from (path for path in _entries(directory) if path.suffix in _ENDS and _has_key(path))


def _entries(directory: Path) -> tuple[Path, ...]:
    try:
        return tuple(directory.iterdir())
    except OSError:
        return ()


def _has_key(path: Path) -> bool:
    try:
        return has_private_key(reading.read(path, follow=False))
    except (OSError, ValueError):
        return False
