"""Private keys of a set-up by hand that are still on this host, and should be removed at last.

The key of the old CA issues certificates that each end accepts which still trusts it, with or
without a passphrase; a client's key that was copied around is root on the daemon's host.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dockertls_vault.certificate.keys import has_private_key
from dockertls_vault.credential import backup
from dockertls_vault.credential.naming import PRIVATE
from dockertls_vault.files import reading

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_ENDS = {".pem", ".key"}


@dataclass(frozen=True)
class OldKeys:
    """The ``files`` with a private key, and what this user may not read and so is ``unread``."""

    files: tuple[Path, ...]
    unread: tuple[Path, ...]


def find(directories: Iterable[Path]) -> OldKeys:
    """Look for private keys in the ``directories``, and in their backups.

    Links are not followed: those are ours.
    """
    files: set[Path] = set()
    unread: set[Path] = set()
    for directory in directories:
        for place in (directory, *_entries(directory / PRIVATE / backup.DIRECTORY, unread)):
            candidates = (path for path in _entries(place, unread) if path.suffix in _ENDS)
            files.update(path for path in candidates if _has_key(path, unread))
    return OldKeys(tuple(sorted(files)), tuple(sorted(unread)))


def _entries(directory: Path, unread: set[Path]) -> tuple[Path, ...]:
    try:
        return tuple(directory.iterdir())
    except PermissionError:
        unread.add(directory)
    except OSError:
        pass
    return ()


def _has_key(path: Path, unread: set[Path]) -> bool:
    try:
        return has_private_key(reading.read(path, follow=False))
    except PermissionError:
        unread.add(path)
    except (OSError, ValueError):
        pass
    return False
