"""Who can access the keys on a daemon's host; pure."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dockertls_vault.docker.diagnosis.report import Result

from .checks import Check, Problem

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dockertls_vault.docker.diagnosis.report import CheckResult
    from dockertls_vault.files.writers import Writer

# The names that people give to keys: ca-key.pem, server-key.pem, key.pem, ca.key.
_KEY = re.compile(r".*key.*\.pem|.*\.key", re.IGNORECASE)
_CA = re.compile(r"(.*[^a-z])?ca([^a-z].*)?", re.IGNORECASE)


@dataclass(frozen=True)
class Access:
    """A key, a directory or settings, and the users and groups who can access it but should not.

    They can read a key, write to settings, and write to a directory, and so replace what is in it.
    """

    path: Path
    others: tuple[Writer, ...]


def is_key(path: Path) -> bool:
    """Tell whether a file is named as a private key is."""
    return bool(_KEY.fullmatch(path.name))


def is_ca_key(path: Path) -> bool:
    """Tell whether a key is named as that of a CA: ``ca-key.pem``, or ``key.pem`` in ``ca``."""
    return bool(_CA.fullmatch(path.stem)) or path.parent.name == "ca"


def judge_keys(
    keys: Sequence[Access],
    directories: Sequence[Access],
    settings: Sequence[Access],
    unknown: Sequence[str],
) -> CheckResult:
    """Judge who can read ``keys``, and write to ``directories`` and to files with ``settings``.

    ``unknown`` are the paths that could not be examined, each with the reason.
    """
    problems = [*map(_of_key, keys), *map(_of_directory, directories), *map(_of_settings, settings)]
    if found := [each for each in problems if each is not None]:
        return Check.KEYS.found_all(found)
    if unknown:
        return Check.KEYS.skipped("; ".join(unknown))
    if not keys:
        return Check.KEYS.found(Result.OK, "no key")
    names = ", ".join(str(key.path) for key in keys)
    return Check.KEYS.found(Result.OK, f"no other user can access {names}")


def _of_key(key: Access) -> Problem | None:
    path = shlex.quote(str(key.path))
    of_ca = is_ca_key(key.path)
    if key.others:
        return Problem(
            Result.CRITICAL if of_ca else Result.ERROR,
            f"{_names(key.others)} can read {key.path}",
            "whoever has the CA's key is root on every host that trusts it"
            if of_ca
            else "with a server's key, anyone can pose as the daemon; a client's is root on it",
            _remove(key.others, path) + ", and replace the key, which may have been read",
        )
    if of_ca:
        return Problem(
            Result.WARNING,
            f"the key of a CA is on this host: {key.path}",
            "whoever has the CA's key is root on every host that trusts it",
            f"keep it offline, or remove it once this CA is no longer trusted: shred -u {path}",
        )
    return None


def _of_directory(directory: Access) -> Problem | None:
    return _writable(directory, "whoever can write to the directory can replace the files in it")


def _of_settings(file: Access) -> Problem | None:
    return _writable(
        file, "whoever can write to it decides how dockerd starts, and so is root on this host"
    )


def _writable(found: Access, danger: str) -> Problem | None:
    if not found.others:
        return None
    return Problem(
        Result.ERROR,
        f"{_names(found.others)} can write to {found.path}",
        danger,
        _remove(found.others, shlex.quote(str(found.path))),
    )


def _names(others: Sequence[Writer]) -> str:
    return " and ".join(each.name for each in others)


def _remove(others: Sequence[Writer], path: str) -> str:
    return " and ".join(f"{each.remedy} {path}" for each in others)
