"""The certificate that a daemon would serve if it were restarted.

dockerd reads its files at its start only (moby#23936), so what is on the wire may be older than
what is on its host's disk.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dockertls_vault.certificate.certificate import load_certificates, subject_alternative_names
from dockertls_vault.errors import VerificationError
from dockertls_vault.files import atomic

from .report import CheckResult, Result

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from cryptography.x509 import Certificate

RESTART_HERE = (
    "restart dockerd on this host, which reads its files only at startup: systemctl restart docker"
)


def find_successor(
    on_the_wire: Certificate, files: Sequence[Path], *, is_here: bool, now: datetime
) -> Certificate | None:
    """Return the first of ``files`` if it came into use on this host after ``on_the_wire``.

    ``files``, at least one, are certificates that are kept: the one in use, and then the others.
    If the one on the wire is among the others, there is no doubt. It may be of before those
    that are kept: where the daemon is on this host (``is_here``), it is so if it has the same
    issuer, subject and names as the one in use, and is older. None if the latter has expired as
    well, or the files cannot be read.
    """
    try:
        installed = [load_certificates(atomic.read(path))[0] for path in files]
    except (OSError, ValueError, VerificationError):
        return None
    used, *others = installed
    if used.not_valid_after_utc <= now:
        return None
    is_known = on_the_wire in others
    return used if is_known or (is_here and _replaces(used, on_the_wire)) else None


def _replaces(newer: Certificate, older: Certificate) -> bool:
    return newer.not_valid_before_utc > older.not_valid_before_utc and (
        _identity(newer) == _identity(older)
    )


def _identity(certificate: Certificate) -> tuple[object, ...]:
    names = subject_alternative_names(certificate)
    return certificate.issuer, certificate.subject, frozenset(names or ())


def restart_instead(found: CheckResult, after: CheckResult) -> CheckResult:
    """Return ``found`` with a restart to be done if ``after`` it, with the successor, is well."""
    if found.result is Result.OK or after.result is not Result.OK:
        return found
    return replace(found, remedy=f"{RESTART_HERE} (the certificate installed there fixes it)")
